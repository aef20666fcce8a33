"""Connections to upstreams. Each carries one request at a time, and is kept for the next request.

This client is made for very many small calls to few upstreams. The client in `full` handles proxies, private CAs and client
certificates.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from yarl import URL

from providers.budget import SMALL, Budget, Reading
from providers.transport.dial import Dialler
from providers.transport.http1 import Answer
from providers.transport.interface import (
    CONNECT_SECONDS,
    KEEPALIVE_SECONDS,
    ConnectionLost,
    HttpError,
    MaxBytes,
    Reply,
    header_lines,
)

LOOK_SECONDS = 1.0  # the interval of the timer while a connection is paused because the budget has no room


class _Connection(asyncio.Protocol):
    """A connection of a pool. Between requests it is one of the pool's idle connections."""

    def __init__(self, pool: "_Pool") -> None:
        self.used_at = 0.0
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[tuple[Reply, Reading | None]] | None = None
        self._answer: Answer | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._budget: Budget | None = None
        self._reading: Reading | None = None  # the budget's part for the answer, if the answer is not small
        self._paused_at: float | None = None  # the time since which reading is paused because the budget has no room

    async def exchange(self, request: list[bytes], *, deadline: float) -> Reply:
        """Send a request and read the answer. Raises HttpError, or TimeoutError if the deadline comes first."""
        transport = self._transport
        if transport is None or transport.is_closing():
            raise ConnectionLost
        waiter: asyncio.Future[tuple[Reply, Reading | None]] = self._loop.create_future()
        self._waiter = waiter
        answer = self._answer = Answer(self._pool.most)
        self._budget = Budget.current.get()
        transport.writelines(request)
        self._expect_by(deadline)
        try:
            reply, reading = await waiter
        except BaseException:
            if self._waiter is waiter:
                reading = self._reading
                self._waiter = self._answer = self._reading = self._paused_at = None
                transport.abort()
            else:  # the answer arrived at the same moment, so another request may already use the connection
                _, reading = waiter.result()
            if reading is not None:
                reading.end()
            raise
        finally:
            answer.close()
        if reading is not None:
            reading.end()  # from now on the caller counts the answer's bytes
        return reply

    def close(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._pool.connections.add(self)

    def data_received(self, data: bytes) -> None:
        waiter, answer = self._waiter, self._answer
        if waiter is None or answer is None or waiter.done():
            self.close()  # no request waits for these bytes
            return
        try:
            if answer.feed(data):
                waiter.set_result((answer.reply, self._reading))
                self._waiter = self._answer = self._reading = None
                self._rest(lasting=answer.lasting)
            elif self._budget is not None and answer.size > SMALL:
                self._find_room(answer, self._budget)
        except HttpError as error:
            waiter.set_exception(error)

    def _find_room(self, answer: Answer, budget: Budget) -> None:
        """Pause reading if the budget has no room for the answer."""
        if self._reading is None:
            self._reading = Reading(budget, most=answer.most, go_on=self._go_on)
        if not self._reading.may_have(answer.expected):
            assert self._transport is not None
            self._transport.pause_reading()
            self._paused_at = self._loop.time()

    def _go_on(self) -> None:
        """Resume reading: the budget has room. The deadline moves by the time of the pause."""
        if self._paused_at is not None and self._transport is not None and not self._transport.is_closing():
            self._deadline += self._loop.time() - self._paused_at
            self._paused_at = None
            self._transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self._pool.forget(self)
        if self._timer is not None:
            self._timer.cancel()
        waiter, answer = self._waiter, self._answer
        if waiter is None or answer is None or waiter.done():
            return
        try:
            if error is not None:
                raise ConnectionLost
            answer.end()
            waiter.set_result((answer.reply, self._reading))
        except HttpError as failure:
            waiter.set_exception(failure)

    def _rest(self, *, lasting: bool) -> None:
        assert self._transport is not None
        if lasting and not self._transport.get_write_buffer_size():
            self._pool.keep(self)
        else:
            self.close()  # the beginning of the next answer is uncertain, or the upstream did not read the whole request

    def _expect_by(self, deadline: float) -> None:
        """Set the deadline. One timer serves many requests: a timer that rings too early is set again in `_ring`."""
        self._deadline = deadline
        if self._timer is not None and self._timer.when() <= deadline:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if self._paused_at is not None:
            self._timer = self._loop.call_later(LOOK_SECONDS, self._ring)
        elif self._loop.time() < self._deadline:
            self._expect_by(self._deadline)
        else:
            self._waiter.set_exception(TimeoutError())


class _Pool:
    """The connections to one origin."""

    def __init__(self, *, scheme: str, host: str, port: int, most: MaxBytes) -> None:
        self.most = most
        self.connections: set[_Connection] = set()
        self._dialler = Dialler(host, port, encrypted=scheme == "https")
        self._idle: list[_Connection] = []  # the most recently used one is at the end
        self._sweep_timer: asyncio.TimerHandle | None = None

    async def connection(self, *, seconds: float) -> _Connection:
        """An idle connection, else a new one. Raises ConnectFailed."""
        oldest = asyncio.get_running_loop().time() - KEEPALIVE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.used_at > oldest:
                return connection
            connection.close()
        return await self._dialler.connect(lambda: _Connection(self), seconds=min(seconds, CONNECT_SECONDS))

    def keep(self, connection: _Connection) -> None:
        """Take back a connection that can carry another request."""
        loop = asyncio.get_running_loop()
        connection.used_at = loop.time()
        self._idle.append(connection)
        if self._sweep_timer is None:
            self._sweep_timer = loop.call_later(KEEPALIVE_SECONDS, self._sweep)

    def forget(self, connection: _Connection) -> None:
        """Remove a connection that has ended."""
        self.connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def _sweep(self) -> None:
        """Close the connections that have been idle for too long."""
        self._sweep_timer = None
        loop = asyncio.get_running_loop()
        oldest = loop.time() - KEEPALIVE_SECONDS
        while self._idle and self._idle[0].used_at <= oldest:
            self._idle.pop(0).close()
        if self._idle:
            self._sweep_timer = loop.call_at(self._idle[0].used_at + KEEPALIVE_SECONDS, self._sweep)

    def close(self) -> None:
        """End every connection."""
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        for connection in list(self.connections):
            connection.close()


@dataclass(frozen=True, slots=True)
class _Target:
    """The pool for a request, and the constant beginning of its head."""

    pool: _Pool
    head: bytes


class Client:
    """Sends requests. A client belongs to the event loop that first uses it; `close` ends its connections."""

    def __init__(self, *, headers: Mapping[str, str], most: MaxBytes) -> None:
        self._headers = headers
        self._most = most
        self._pools: dict[tuple[str, str, int], _Pool] = {}
        self._target = lru_cache(maxsize=256)(self._make_target)

    async def send(self, method: str, url: URL, *, headers: Mapping[str, str], body: bytes, seconds: float) -> Reply:
        """Send a request once and read the answer, within `seconds` in all. Raises HttpError, TimeoutError and ValueError."""
        target = self._target(method, url)
        length = b"" if method == "GET" else b"Content-Length: %d\r\n" % len(body)
        head = b"%b%b%b\r\n" % (target.head, header_lines(headers), length)
        deadline = asyncio.get_running_loop().time() + seconds
        connection = await target.pool.connection(seconds=seconds)
        return await connection.exchange([head, body], deadline=deadline)

    async def close(self) -> None:
        """End every connection."""
        for pool in self._pools.values():
            pool.close()

    def _make_target(self, method: str, url: URL) -> _Target:
        if url.host is None or url.port is None or url.scheme not in {"http", "https"}:
            raise ValueError("not the URL of an HTTP upstream")
        host, default = url.raw_host or url.host, url.is_default_port()
        origin = url.scheme, host, url.port
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = _Pool(scheme=url.scheme, host=host, port=url.port, most=self._most)
        named = f"[{host}]" if ":" in host else host
        line = f"{method} {url.raw_path_qs} HTTP/1.1\r\nHost: {named if default else f'{named}:{url.port}'}\r\n"
        return _Target(pool, line.encode() + header_lines(self._headers))

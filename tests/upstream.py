"""A local upstream over real HTTP, which does what a test tells it to and remembers what it was asked.

    with Upstream() as upstream:
        upstream.answer(refuse(429, retry_after=1), drop())  # the first two requests; after those, successes
        upstream.behave(lambda request: refuse(400) if b"bad" in request.body else succeed())  # or by request
        ...                                                  # send something to upstream.base_url
        assert upstream.requests[0].idempotency_key

The server runs on an event loop in a thread of its own; everything public here may be used from any thread.
"""

import asyncio
import contextlib
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

import pytest

from tests.answers import Answer, Behaviour, Cut, Request, succeed
from tests.shapes import shaped
from tests.waiting import PATIENCE

WAIT_SECONDS = 20.0


class Upstream:
    """The server. As a context manager it starts and stops; `stop` and `start` again to be away for a while."""

    def __init__(self) -> None:
        self.port = 0  # chosen at the first start, kept after that
        self._changed = threading.Condition()
        self._requests: list[Request] = []
        self._repeats: Counter[tuple[str, bytes]] = Counter()
        self._script: deque[Answer] = deque()
        self._behaviour: Behaviour = lambda _: succeed()
        self._connections = self._in_flight = self._peak = self._abandoned = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._quit: asyncio.Event | None = None

    # --- what a test does with it

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"

    def behave(self, behaviour: Behaviour) -> None:
        """Decide each answer by its request, unless `answer` has one waiting. Runs on the server's thread."""
        with self._changed:
            self._behaviour = behaviour

    def answer(self, *answers: Answer) -> None:
        """Answer the next requests with these, in order of arrival."""
        with self._changed:
            self._script.extend(answers)

    @property
    def requests(self) -> list[Request]:
        """Everything received so far, in order of arrival."""
        with self._changed:
            return list(self._requests)

    @property
    def connections(self) -> int:
        """Connections that were made to it."""
        return self._connections

    @property
    def in_flight(self) -> int:
        """Requests received and not answered yet."""
        return self._in_flight

    @property
    def peak_in_flight(self) -> int:
        return self._peak

    @property
    def abandoned(self) -> int:
        """Requests whose sender went away before the answer."""
        return self._abandoned

    def wait_until(self, condition: Callable[["Upstream"], bool], *, seconds: float = PATIENCE) -> None:
        """Wait for what requests bring about, such as `lambda u: len(u.requests) == 3`. Fails the test when it stays out."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), timeout=seconds), "the upstream waited in vain"

    def forget(self) -> None:
        """Forget the requests and the script; keep the behaviour."""
        with self._changed:
            self._requests.clear()
            self._repeats.clear()
            self._script.clear()
            self._peak = self._abandoned = 0

    # --- life

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), name="upstream", daemon=True)
        self._thread.start()
        assert ready.wait(WAIT_SECONDS), "the upstream did not start"

    def stop(self) -> None:
        """Cut every connection and stop listening."""
        if self._thread is None or self._loop is None or self._quit is None:
            return
        self._loop.call_soon_threadsafe(self._quit.set)
        self._thread.join(WAIT_SECONDS)
        self._thread = None

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._quit = asyncio.Event()
        talks: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._connections += 1
            talk = asyncio.ensure_future(self._talk(reader, writer))
            talks.add(talk)
            talk.add_done_callback(talks.discard)
            talk.add_done_callback(lambda _: writer.transport.abort())

        server = await asyncio.start_server(accept, "127.0.0.1", self.port, backlog=1024, limit=2**24)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._quit.wait()
        for listener in server.sockets:  # a connection that is just being accepted must not find the server closed
            self._loop.remove_reader(listener.fileno())
        for _ in range(4):
            await asyncio.sleep(0)
            for talk in talks:
                talk.cancel()
            await asyncio.gather(*talks, return_exceptions=True)
        server.close()

    # --- one connection

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while (request := await self._receive(reader)) is not None:
                try:
                    usable = await self._respond(request, reader, writer)
                finally:
                    self._finished()
                if not usable:
                    break

    async def _receive(self, reader: asyncio.StreamReader) -> Request | None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            lines = head.split("\r\n")
            method, path, _ = lines[0].split(" ", 2)
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
        except asyncio.IncompleteReadError:
            return None
        with self._changed:
            self._repeats[path, body] += 1
            request = Request(len(self._requests) + 1, self._repeats[path, body], method, path, headers, body, time.monotonic())
            self._requests.append(request)
            self._in_flight += 1
            self._peak = max(self._peak, self._in_flight)
            self._changed.notify_all()
        return request

    def _finished(self) -> None:
        with self._changed:
            self._in_flight -= 1
            self._changed.notify_all()

    async def _respond(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Do as told; whether the connection can be used again."""
        with self._changed:
            answer = self._script.popleft() if self._script else None
        answer = answer or self._behaviour(request)
        if answer.delay != 0 and await _went_away(reader, answer.delay):
            with self._changed:
                self._abandoned += 1
            return False
        if answer.cut is Cut.BEFORE:
            return False
        if answer.raw is not None:
            writer.write(answer.raw)
        else:
            head, body = _rendered(request, answer)
            writer.write(head + (body[: len(body) // 2] if answer.cut is Cut.IN_BODY else body))
        await writer.drain()
        if answer.raw is None and answer.cut is Cut.NOWHERE:
            return request.headers.get("connection", "") != "close"
        if not answer.hold_open:
            writer.write_eof()  # so that what was written arrives before the connection ends
        await _went_away(reader, WAIT_SECONDS)
        return False


async def _went_away(reader: asyncio.StreamReader, seconds: float | None) -> bool:
    """Wait so long (None: for ever), or until the sender closes the connection."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while await reader.read(2**16):
                pass
            return True
    return False


def _rendered(request: Request, answer: Answer) -> tuple[bytes, bytes]:
    body = shaped(request.path, number=request.number, body=request.body) if answer.shaped else answer.body
    headers = {"Content-Type": "application/json", "x-request-id": f"req_{request.number}", **answer.headers}
    if answer.chunked:
        headers["Transfer-Encoding"] = "chunked"
        pieces = [body[start : start + 2**16] for start in range(0, len(body), 2**16)]
        body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    else:
        headers["Content-Length"] = str(len(body))
    lines = [f"HTTP/1.1 {answer.status} As Told", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode(), body


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """An upstream for one test."""
    with Upstream() as server:
        yield server

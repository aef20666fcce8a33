"""The full client, for proxies and certificates: aiohttp behind the interface of the fast path, with the same failures."""

import asyncio
from base64 import b64encode
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import aiohttp
from yarl import URL

from providers.base import CredentialUnavailable, Failure
from providers.budget import SMALL, Budget, Reading
from providers.transport.destinations import PROVIDERS
from providers.transport.dial import why
from providers.transport.interface import (
    CONNECT_SECONDS,
    CONSTANT_HEADERS,
    KEEPALIVE_SECONDS,
    MAX_ERROR_BYTES,
    MAX_HEAD_BYTES,
    ConnectFailed,
    ConnectionLost,
    Headers,
    HttpError,
    MaxBytes,
    NotHttp,
    Reply,
    header_lines,
)
from providers.transport.outcomes import ERRORS, failed, finished
from providers.transport.tls import tls_of
from providers.transport.way import Way, proxy_address, proxy_problem

PROXY_AUTHENTICATION = 407
MAX_HEADERS = 2000  # more would not fit into the head


class FullTransport:
    """A `Transport` through a proxy, or with its own certificates. Raises CredentialUnavailable if it cannot read them."""

    def __init__(self, way: Way, *, headers: Mapping[str, str], max_bytes: int) -> None:
        if problem := proxy_problem(way):
            raise CredentialUnavailable(f"{problem}.")
        assert isinstance(way.proxy, str)
        self._proxy = way.proxy
        self._most = MaxBytes(max_bytes, MAX_ERROR_BYTES)
        self._headers = {**CONSTANT_HEADERS, **headers}
        self._tls = tls_of(way) if way.ca or way.certificate else True
        self._through, self._consent = proxy_of(way.proxy)
        self._session: aiohttp.ClientSession | None = None

    async def send(self, method: str, url: URL, *, headers: Mapping[str, str], body: bytes, seconds: float) -> Reply | Failure:
        """Send a request once and read the whole answer, within `seconds` in all."""
        progress = SimpleNamespace(begun=False)  # whether the request may have gone out
        try:
            all_headers = {**self._headers, **headers}
            if url.scheme == "http":  # without a tunnel, the proxy reads its authentication from the request itself
                all_headers |= self._consent
            header_lines(all_headers)
            if self._through and (problem := PROVIDERS.problem(url.host or "")):
                raise ConnectFailed(problem.rstrip("."))
            async with asyncio.timeout(seconds) as patience:
                progress.patience = patience
                reply = await self._exchange(method, url, all_headers, body, seconds=seconds, progress=progress)
        except aiohttp.ClientError as error:
            return failed(self._meaning(error) if progress.begun else self._unconnected(error))
        except ERRORS as error:
            if not progress.begun and isinstance(error, OSError | TimeoutError):
                return failed(self._unconnected(error))
            return failed(error)
        if self._through and reply.status == PROXY_AUTHENTICATION:
            return failed(self._refused(reply.status))
        return finished(reply, most=self._most)

    async def close(self) -> None:
        """End every connection."""
        if self._session is not None:
            await self._session.close()

    async def _exchange(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes, *, seconds: float, progress: SimpleNamespace
    ) -> Reply:
        if self._session is None:
            self._session = open_session()
        async with self._session.request(
            method,
            url,
            headers=headers,
            data=body if method != "GET" else None,
            proxy=self._through,
            proxy_headers=self._consent if url.scheme == "https" else None,
            ssl=self._tls,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, connect=min(seconds, CONNECT_SECONDS)),
            trace_request_ctx=progress,
        ) as answer:
            return await self._read(answer, progress.patience)

    async def _read(self, answer: aiohttp.ClientResponse, patience: asyncio.Timeout) -> Reply:
        """Read the wanted part of the answer. Answers that the fast path refuses are refused here, too."""
        headers = Headers()
        for name, value in answer.raw_headers:
            headers.add(name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t"))
        coding = headers.get("transfer-encoding")
        if not 200 <= answer.status <= 999 or (coding is not None and coding.lower() != "chunked"):
            raise NotHttp(answer.status)
        _watch(answer)
        limit, pieces, size = self._most.of(answer.status), [], 0
        budget = Budget.current.get()
        room = None if budget is None else Reading(budget, most=limit)
        try:
            async for piece in answer.content.iter_any():
                pieces.append(piece)
                size += len(piece)
                if size > limit:
                    answer.close()  # also closes the connection: the rest of the answer is still on its way
                    return Reply(answer.status, headers, b"".join(pieces)[:limit], whole=False)
                if room is not None and size > SMALL:
                    await _find_room(room, answer.content_length or 2 * size, patience)
        except _Malformed:
            raise NotHttp(answer.status) from None
        except aiohttp.ClientPayloadError as error:
            raise ConnectionLost from error
        finally:
            if room is not None:
                room.end()
        return Reply(answer.status, headers, b"".join(pieces))

    def _meaning(self, error: aiohttp.ClientError) -> Exception:
        """The error for an aiohttp error that occurs after the request may have gone out."""
        match error:
            case aiohttp.ClientResponseError():
                return NotHttp(None)
            case aiohttp.InvalidURL():
                return ValueError()
            case _:
                return ConnectionLost()

    def _unconnected(self, error: Exception) -> HttpError | ValueError:
        """The error for a failed connection. The text of aiohttp's error is not used: it may quote a proxy's password."""
        match error:
            case aiohttp.InvalidURL():
                return ValueError()
            case aiohttp.ClientHttpProxyError():
                return self._refused(error.status)
            case aiohttp.ClientProxyConnectionError():
                return ConnectFailed(f"The proxy {proxy_address(self._proxy)} cannot be reached: {why(error.os_error)}")
            case aiohttp.ClientConnectorError() if isinstance(error.os_error, OSError):
                return ConnectFailed(why(error.os_error))
            case aiohttp.ClientConnectorCertificateError():
                return ConnectFailed(why(error.certificate_error))
            case TimeoutError():
                return ConnectFailed("Timed out")
            case _ if self._proxy:
                return ConnectFailed(f"The proxy {proxy_address(self._proxy)} did not let it through")
            case OSError():
                return ConnectFailed(why(error))
            case _:
                return ConnectFailed(type(error).__name__)

    def _refused(self, status: int) -> ConnectFailed:
        asks = " and asks for a user and a password that it knows" if status == PROXY_AUTHENTICATION else ""
        return ConnectFailed(f"The proxy {proxy_address(self._proxy)} answered {status}{asks}")


async def _find_room(room: Reading, size: int, patience: asyncio.Timeout) -> None:
    """Wait until there is room in memory for `size` bytes. The deadline moves by the time of the wait."""
    if room.granted >= min(size, room.most):
        return
    began, ends_at = asyncio.get_running_loop().time(), patience.when()
    patience.reschedule(None)
    await room.wait_for(size)
    if ends_at is not None:
        patience.reschedule(ends_at + asyncio.get_running_loop().time() - began)


def open_session() -> aiohttp.ClientSession:
    """A session that repeats nothing, keeps no cookie and makes its sockets through the guard. Its requests may be traced."""

    async def begun(_session: aiohttp.ClientSession, context: SimpleNamespace, _about: Any) -> None:
        context.trace_request_ctx.begun = True

    tracing = aiohttp.TraceConfig()
    tracing.on_request_headers_sent.append(begun)
    session = aiohttp.ClientSession(
        # The host's name is looked up for each connection, since a host may move. There are few connections.
        connector=aiohttp.TCPConnector(
            limit=0, use_dns_cache=False, keepalive_timeout=KEEPALIVE_SECONDS, socket_factory=PROVIDERS.socket
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        max_line_size=MAX_HEAD_BYTES,
        max_field_size=MAX_HEAD_BYTES,
        max_headers=MAX_HEADERS,
        trace_configs=[tracing],
    )
    session._retry_connection = False  # else aiohttp repeats PUT and GET when a kept connection ends; there is no public option
    return session


def proxy_of(url: str) -> tuple[URL | None, dict[str, str]]:
    """The proxy's address, and the headers that authenticate the client to the proxy."""
    if not url:
        return None, {}
    parts = URL(url)
    if not (parts.raw_user or parts.raw_password):
        return parts, {}
    known = f"{unquote(parts.raw_user or '')}:{unquote(parts.raw_password or '')}"
    return parts.with_user(None), {"Proxy-Authorization": f"Basic {b64encode(known.encode()).decode()}"}


class _Malformed(aiohttp.ClientPayloadError):
    """The body is not HTTP."""


def _watch(answer: aiohttp.ClientResponse) -> None:
    """Raise _Malformed in the reader of a body if the connection closes before the body ends.

    At a malformed chunk, aiohttp closes the connection without telling the reader, which would wait until the deadline.
    """
    content, connection = answer.content, answer.connection
    closed = connection.protocol.closed if connection is not None and connection.protocol is not None else None

    def tell(ended: "asyncio.Future[None]") -> None:
        if not ended.cancelled():
            ended.exception()
        if not content.is_eof() and content.exception() is None:
            content.set_exception(_Malformed())

    if closed is not None:
        closed.add_done_callback(tell)

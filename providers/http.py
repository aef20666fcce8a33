"""HTTP to an upstream: one request, one reply, nothing behind the caller's back.

A post is never sent twice. No redirects, cookies, proxies or decompression. What goes wrong is a `Failure`, no exception.
This is the only module that knows the HTTP library.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

import aiohttp
from yarl import URL

from providers.base import Failure
from providers.failures import Kind

CONNECT_SECONDS = 10.0  # name look-up, connection and TLS handshake together
KEEPALIVE_SECONDS = 4.0  # below the 5 s after which common servers drop an idle connection, so that we drop it first
MAX_ERROR_BYTES = 64 * 1024  # as much as is read of an answer that is not a success
_CONSTANT_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    "User-Agent": "batchyard",
}


@dataclass(slots=True)
class Reply:
    """What an upstream answered, whatever the status. Looking up a header ignores case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Connections to one upstream. Belongs to the event loop that first uses it; `close` ends them."""

    def __init__(self, *, headers: Mapping[str, str], max_bytes: int) -> None:
        self._headers = {**_CONSTANT_HEADERS, **headers}
        self._max_bytes = max_bytes
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: URL, *, headers: Mapping[str, str], body: bytes, seconds: float) -> Reply | Failure:
        """Send once and read the whole answer, all within so many seconds."""
        return await self.write("POST", url, headers=headers, body=body, seconds=seconds)

    async def write(self, method: str, url: URL, *, headers: Mapping[str, str], body: bytes, seconds: float) -> Reply | Failure:
        """Do so with another method. The HTTP library may send a PUT twice, as it may: repeating one changes nothing."""
        session = self._session or self._open()
        try:
            response = await session.request(
                method, url, data=body, headers=headers, timeout=_budget(seconds), allow_redirects=False
            )
            return await self._read(response)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return _failure(error)

    async def get(self, url: URL, *, seconds: float) -> Reply | Failure:
        """Fetch, all within so many seconds. The HTTP library may fetch a second time when the connection ends early."""
        session = self._session or self._open()
        try:
            response = await session.get(url, timeout=_budget(seconds), allow_redirects=False)
            return await self._read(response)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return _failure(error)

    async def close(self) -> None:
        """End every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        """The session, made on first use because it binds to the running loop."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_SECONDS, ttl_dns_cache=60),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._headers,
            auto_decompress=False,
        )
        return self._session

    async def _read(self, response: aiohttp.ClientResponse) -> Reply | Failure:
        limit = self._max_bytes if 200 <= response.status < 300 else MAX_ERROR_BYTES
        length = response.content_length
        if length is not None and length <= limit:
            return Reply(response.status, response.headers, await response.read())
        body = await _read_up_to(limit, response)
        if len(body) <= limit:
            return Reply(response.status, response.headers, body)
        if limit == MAX_ERROR_BYTES:
            return Reply(response.status, response.headers, body[:limit])
        message = f"The upstream's answer is larger than {limit} bytes."
        return Failure(Kind.RESPONSE_TOO_LARGE, message, code=Kind.RESPONSE_TOO_LARGE.value, http_status=response.status)


async def _read_up_to(limit: int, response: aiohttp.ClientResponse) -> bytes:
    """The whole answer, or more than `limit` bytes of it, after which the connection is dropped."""
    chunks = []
    size = 0
    try:
        while chunk := await response.content.readany():
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                response.close()
                break
    except BaseException:
        response.close()
        raise
    return b"".join(chunks)


@lru_cache(maxsize=256)
def _budget(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=seconds, connect=min(seconds, CONNECT_SECONDS))


def _failure(error: Exception) -> Failure:
    """The failure that an exception of the HTTP library means. Its own text is not used: it may quote headers."""
    match error:
        case aiohttp.ClientConnectorError():
            kind, detail = Kind.CONNECT, str(error.os_error.strerror or type(error).__name__)
        case aiohttp.ConnectionTimeoutError():
            kind, detail = Kind.CONNECT, "Timed out"
        case TimeoutError():
            kind, detail = Kind.TIMEOUT, ""
        case aiohttp.ClientResponseError():
            kind, detail = Kind.INVALID_RESPONSE, "It is not HTTP"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | OSError():
            kind, detail = Kind.CONNECTION_LOST, ""
        case _:
            kind, detail = Kind.PORTAL, type(error).__name__
    return Failure(kind, f"{kind.sentence} ({detail}.)" if detail else kind.sentence, code=kind.value)


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """How many seconds the upstream asks to wait: `retry-after-ms`, else `Retry-After` in seconds or as a date."""
    if (wait := _number(headers.get("retry-after-ms"))) is not None:
        return max(0.0, wait / 1000)
    raw = headers.get("Retry-After")
    if raw is None:
        return None
    if (wait := _number(raw)) is not None:
        return max(0.0, wait)
    try:
        date = parsedate_to_datetime(raw)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())


def _number(raw: str | None) -> float | None:
    try:
        number = float(raw or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None

"""HTTP to an upstream: one request, one reply, nothing behind the caller's back.

Nothing is ever sent twice. No redirects, cookies, proxies or decompression. What goes wrong is a `Failure`, no exception.
This is the only module that knows how HTTP is spoken here (`connections`, `http1`).
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from yarl import URL

from providers.base import Failure
from providers.failures import Kind
from providers.transport.connections import Client, ConnectFailed
from providers.transport.http1 import ConnectionLost, HttpError, MaxBytes, NotHttp, Reply

__all__ = ["MAX_ERROR_BYTES", "Reply", "Transport", "retry_after"]

MAX_ERROR_BYTES = 64 * 1024  # as much as is read of an answer that is not a success
_CONSTANT_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    "User-Agent": "batchyard",
}


class Transport:
    """Connections to one upstream. Belongs to the event loop that first uses it; `close` ends them."""

    def __init__(self, *, headers: Mapping[str, str], max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._client = Client(headers={**_CONSTANT_HEADERS, **headers}, most=MaxBytes(max_bytes, MAX_ERROR_BYTES))

    async def post(self, url: URL, *, headers: Mapping[str, str], body: bytes, seconds: float) -> Reply | Failure:
        """Send once and read the whole answer, all within so many seconds."""
        return await self.write("POST", url, headers=headers, body=body, seconds=seconds)

    async def get(self, url: URL, *, seconds: float) -> Reply | Failure:
        """Fetch, all within so many seconds."""
        return await self.write("GET", url, headers={}, body=b"", seconds=seconds)

    async def write(self, method: str, url: URL, *, headers: Mapping[str, str], body: bytes, seconds: float) -> Reply | Failure:
        """Do so with another method."""
        try:
            reply = await self._client.send(method, url, headers=headers, body=body, seconds=seconds)
        except (HttpError, OSError, TimeoutError, ValueError) as error:
            return _failure(error)
        if reply.whole or not 200 <= reply.status < 300:
            return reply
        message = f"The upstream's answer is larger than {self._max_bytes} bytes."
        return Failure(Kind.RESPONSE_TOO_LARGE, message, code=Kind.RESPONSE_TOO_LARGE.value, http_status=reply.status)

    async def close(self) -> None:
        """End every connection."""
        await self._client.close()


def _failure(error: Exception) -> Failure:
    """The failure that an exception means. Of its own text only a connection's is used: others may quote headers."""
    match error:
        case ConnectFailed():
            kind, detail = Kind.CONNECT, str(error)
        case TimeoutError():
            kind, detail = Kind.TIMEOUT, ""
        case NotHttp():
            kind, detail = Kind.INVALID_RESPONSE, "It is not HTTP"
        case ConnectionLost() | OSError():
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
    except (ValueError, OverflowError):
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

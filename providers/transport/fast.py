"""The engine's fast path: our own connections, straight to the upstream."""

from collections.abc import Mapping

from yarl import URL

from providers.base import Failure
from providers.transport.connections import Client
from providers.transport.interface import CONSTANT_HEADERS, MAX_ERROR_BYTES, MaxBytes, Reply
from providers.transport.outcomes import ERRORS, failed, finished


class FastTransport:
    """A `Transport` without proxies and certificates of its own."""

    def __init__(self, *, headers: Mapping[str, str], max_bytes: int) -> None:
        self._most = MaxBytes(max_bytes, MAX_ERROR_BYTES)
        self._client = Client(headers={**CONSTANT_HEADERS, **headers}, most=self._most)

    async def send(self, method: str, url: URL, *, headers: Mapping[str, str], body: bytes, seconds: float) -> Reply | Failure:
        """Send once and read the whole answer, all within so many seconds."""
        try:
            reply = await self._client.send(method, url, headers=headers, body=body, seconds=seconds)
        except ERRORS as error:
            return failed(error)
        return finished(reply, most=self._most)

    async def close(self) -> None:
        """End every connection."""
        await self._client.close()

"""The fast path: an HTTP client of our own, with direct connections to the upstream."""

from collections.abc import Mapping

from yarl import URL

from providers.base import Failure
from providers.transport.connections import Client
from providers.transport.interface import CONSTANT_HEADERS, MAX_ERROR_BYTES, MaxBytes, Reply
from providers.transport.outcomes import ERRORS, failed, finished


class FastTransport:
    """A `Transport` that uses no proxy, no CA of its own and no client certificate."""

    def __init__(self, *, headers: Mapping[str, str], max_bytes: int) -> None:
        self._most = MaxBytes(max_bytes, MAX_ERROR_BYTES)
        self._client = Client(headers={**CONSTANT_HEADERS, **headers}, most=self._most)

    async def send(self, method: str, url: URL, *, headers: Mapping[str, str], body: bytes, seconds: float) -> Reply | Failure:
        """Send a request once and read the whole answer, within `seconds` in all."""
        try:
            reply = await self._client.send(method, url, headers=headers, body=body, seconds=seconds)
        except ERRORS as error:
            return failed(error)
        return finished(reply, most=self._most)

    async def close(self) -> None:
        """End every connection."""
        await self._client.close()

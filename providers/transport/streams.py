"""Bodies of any size, up and down, over aiohttp: for control work, which is rare and large.

As with the other clients, a request is sent once, and no redirect is followed with the headers of the first request.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import BinaryIO

import aiohttp
from yarl import URL

from providers.base import CredentialUnavailable, Failure
from providers.failures import Kind
from providers.transport.destinations import PROVIDERS
from providers.transport.full import open_session, proxy_of
from providers.transport.interface import (
    CONNECT_SECONDS,
    MAX_ERROR_BYTES,
    ConnectFailed,
    ConnectionLost,
    Headers,
    Reply,
    is_success,
)
from providers.transport.outcomes import failed
from providers.transport.tls import tls_of
from providers.transport.way import Way, proxy_problem

PIECE_BYTES = 256 * 1024
SILENCE_SECONDS = 60.0  # no byte for so long, and the exchange has failed
MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "batchyard"}


class Download:
    """An answer whose body is read piece by piece. `refusal` is the whole answer if it is no success."""

    def __init__(self, answer: aiohttp.ClientResponse | None, refusal: Reply | Failure | None) -> None:
        self.refusal = refusal
        self._answer = answer

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body. Raises ConnectionLost if it ends too early, and TimeoutError if no byte comes for a minute."""
        assert self._answer is not None
        try:
            async for piece in self._answer.content.iter_chunked(PIECE_BYTES):
                yield piece
        except aiohttp.ClientError:
            raise ConnectionLost from None


class Streams:
    """A client for large bodies to and from one upstream. Raises CredentialUnavailable if it cannot read certificates."""

    def __init__(self, way: Way, *, headers: Mapping[str, str]) -> None:
        if problem := proxy_problem(way):
            raise CredentialUnavailable(f"{problem}.")
        assert isinstance(way.proxy, str)
        self._headers = {**_HEADERS, **headers}
        self._tls = tls_of(way) if way.ca or way.certificate else True
        self._through, self._consent = proxy_of(way.proxy)
        self._session: aiohttp.ClientSession | None = None

    async def upload(
        self, url: URL, *, fields: Sequence[tuple[str, str]], file: BinaryIO, filename: str, seconds: float
    ) -> Reply | Failure:
        """Post a form with these fields and a file behind them. The file is read while it is sent."""
        form = aiohttp.FormData(fields)
        form.add_field("file", file, filename=filename, content_type="application/jsonl")
        progress = SimpleNamespace(begun=False)
        try:
            async with asyncio.timeout(seconds), self._ask("POST", url, data=form, progress=progress) as answer:
                return await _whole(answer)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return failed(_meaning(error, begun=progress.begun))

    @asynccontextmanager
    async def download(self, url: URL, *, headers: Mapping[str, str]) -> AsyncIterator[Download]:
        """Get a body of any size. A redirect is followed without any header of the first request, credential included."""
        sent = {**self._headers, **headers}
        scheme = url.scheme
        try:
            for _ in range(MAX_REDIRECTS + 1):
                progress = SimpleNamespace(begun=False)
                async with self._ask("GET", url, headers=sent, progress=progress) as answer:
                    target = answer.headers.get("Location", "") if answer.status in _REDIRECTS else ""
                    if not target:
                        refusal = None if is_success(answer.status) else await _whole(answer)
                        yield Download(answer, refusal)
                        return
                url, sent = url.join(URL(target)), dict(_HEADERS)
                if problem := _redirect_problem(url, scheme):
                    yield Download(None, Failure(Kind.REDIRECTED, problem, code=Kind.REDIRECTED.value))
                    return
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if progress.begun and not isinstance(error, aiohttp.ClientError):
                raise
            yield Download(None, failed(_meaning(error, begun=progress.begun)))
            return
        yield Download(None, Failure(Kind.REDIRECTED, "The upstream redirects in a circle.", code=Kind.REDIRECTED.value))

    async def close(self) -> None:
        """End every connection."""
        if self._session is not None:
            await self._session.close()

    def _ask(
        self,
        method: str,
        url: URL,
        *,
        progress: SimpleNamespace,
        headers: Mapping[str, str] | None = None,
        data: aiohttp.FormData | None = None,
    ) -> "aiohttp.client._RequestContextManager":
        if self._session is None:
            self._session = open_session()
        if self._through and (problem := PROVIDERS.problem(url.host or "")):
            raise ConnectFailed(problem.rstrip("."))
        return self._session.request(
            method,
            url,
            headers=self._headers if headers is None else headers,
            data=data,
            proxy=self._through,
            proxy_headers=self._consent if url.scheme == "https" else None,
            ssl=self._tls,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS),
            trace_request_ctx=progress,
        )


def _redirect_problem(url: URL, scheme: str) -> str | None:
    """Why a redirect is not followed; None if it is. It must not lead from https to http, nor to a cloud's own machinery."""
    if url.scheme not in {"https", scheme}:
        return f"The upstream redirects to {url.scheme}, which is not followed."
    problem = PROVIDERS.problem(url.host or "")
    return f"The upstream redirects to an address that is not followed. {problem}" if problem else None


async def _whole(answer: aiohttp.ClientResponse) -> Reply:
    headers = Headers()
    for name, value in answer.raw_headers:
        headers.add(name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t"))
    body = await answer.content.read(MAX_ERROR_BYTES)
    while len(body) < MAX_ERROR_BYTES and (piece := await answer.content.read(MAX_ERROR_BYTES - len(body))):
        body += piece
    return Reply(answer.status, headers, body)


def _meaning(error: Exception, *, begun: bool) -> Exception:
    """The error in this package's words. Before the request went out, any error means that no connection was made."""
    if isinstance(error, TimeoutError) and begun:
        return error
    if not begun:
        return ConnectFailed(type(error).__name__)
    return ConnectionLost() if isinstance(error, aiohttp.ClientError | OSError) else error

"""The bridge: the ASGI application that receives each request, and refuses it or gives it to a thread."""

import asyncio
from collections import Counter
from collections.abc import Hashable, Mapping
from http import HTTPStatus

from batches.http.callers.senders import SMALL_BODY, delay_of, project_of
from batches.http.errors import RequestTimeout
from batches.rules.errors import RateLimited, Unavailable
from config.front.client_request import ClientRequest, Gone, Receive, Scope, Send, TooLate
from config.front.exchange import PIECE, Application, Exchange, SmallFile
from config.front.metrics import Metrics
from config.front.probes import Probes, rendered
from config.front.tenants import Tenants
from config.front.threads import Threads


class Bridge:
    """Answers requests by running a WSGI application in threads, which never wait for a stranger."""

    def __init__(self, application: Application, *, threads: Threads, probes: Probes, metrics: Metrics, each: int) -> None:
        """`each` is the number of requests that one client address may have in progress."""
        self._application = application
        self._threads = threads
        self._probes = probes
        self._metrics = metrics
        self._tenants = Tenants()
        self._each = each
        self._in_progress: Counter[Hashable] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = ClientRequest(scope, receive, send, loop=asyncio.get_running_loop())
        if probe_answer := await self._probes.answer(scope["path"]):
            await _answer_probe(request, *probe_answer)
            return
        began = request.loop.time()
        try:
            if not await self._metrics.answer(request):
                await self._admit(request)
        except Gone:
            pass  # no answer can reach the client any more
        finally:
            self._metrics.note(request, began=began)

    def close(self) -> None:
        """Tell the database what was counted, when the server has stopped."""
        self._metrics.close()

    async def _admit(self, request: ClientRequest) -> None:
        """Answer a request, unless its address has too many in progress."""
        if self._in_progress[request.address] >= self._each:
            await request.refuse(RateLimited("There are too many requests in progress from your address; try again."))
            return
        self._in_progress[request.address] += 1
        try:
            await self._answer(request)
        except TooLate:
            await request.refuse(RequestTimeout())
        except Unavailable:
            request.connection.drop()  # the client is slow, and too many slow clients already occupy threads
        finally:
            self._in_progress[request.address] -= 1
            if not self._in_progress[request.address]:
                del self._in_progress[request.address]

    async def _answer(self, request: ClientRequest) -> None:
        body, is_whole = await _beginning(request)
        request.connection.serve()
        request.client = self._tenants.client(request.headers, address=request.address)
        exchange = Exchange(request, self._threads, body=body, is_whole=is_whole)
        self._threads.submit(lambda: exchange.run(self._application), client=request.client)
        rest = await exchange.rest
        if (project := project_of(exchange.environ)) and project != request.client:
            self._tenants.learn(request.headers, project=project)
        if delay := delay_of(exchange.environ):
            await asyncio.sleep(delay)
        if isinstance(rest, SmallFile):
            await _send(request, exchange, rest)
        elif rest is None:
            await request.end()
        else:
            await request.answer(exchange.code, exchange.headers, rest)


async def _beginning(request: ClientRequest) -> tuple[bytes, bool]:
    """Read the beginning of a body. Return it, and whether it is the whole body. Raises Gone and TooLate.

    A small body is read as a whole. Of a body without a declared length the beginning is read. Of a body that is declared as
    large nothing is read.
    """
    declared = int(request.headers.get(b"content-length", 0))
    if not declared and b"transfer-encoding" not in request.headers:
        return b"", True
    body, has_more = bytearray(), True
    while has_more and max(declared, len(body)) <= SMALL_BODY:
        piece, has_more = await request.receive()
        body += piece
    return bytes(body), not has_more


async def _send(request: ClientRequest, exchange: Exchange, file: SmallFile) -> None:
    """Answer with a file, no faster than the client reads."""
    try:
        await request.begin(exchange.code, exchange.headers, file.read(PIECE))
        while piece := file.read(PIECE):
            await request.go_on(piece)
        await request.end()
    finally:
        file.close()


async def _answer_probe(request: ClientRequest, status: HTTPStatus, document: Mapping[str, object]) -> None:
    """Answer a probe. A probe may only read, so other methods than GET and HEAD are refused."""
    if request.scope["method"] not in ("GET", "HEAD"):
        await request.answer(HTTPStatus.METHOD_NOT_ALLOWED, [(b"allow", b"GET, HEAD"), (b"connection", b"close")], b"")
        return
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    await request.answer(status, headers, rendered(document))

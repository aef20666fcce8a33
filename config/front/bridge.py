"""The bridge: the ASGI application that receives each request, and refuses it or gives it to a thread."""

import asyncio
from collections import Counter
from collections.abc import Hashable, Mapping
from http import HTTPStatus

from batches.http.errors import RequestTimeout
from batches.http.senders import SMALL_BODY, delay_of, project_of
from batches.rules.errors import RateLimited, Unavailable
from config.front.exchange import PIECE, Application, Exchange, SmallFile
from config.front.probes import Probes, rendered
from config.front.tenants import Tenants
from config.front.threads import Threads
from config.front.visit import Gone, Receive, Scope, Send, TooLate, Visit


class Bridge:
    """Answers requests by running a WSGI application in threads, which never wait for a stranger."""

    def __init__(self, application: Application, *, threads: Threads, probes: Probes, each: int) -> None:
        """`each` is the number of requests that one client address may have in progress."""
        self._application = application
        self._threads = threads
        self._probes = probes
        self._tenants = Tenants()
        self._each = each
        self._in_progress: Counter[Hashable] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        visit = Visit(scope, receive, send, loop=asyncio.get_running_loop())
        if told := await self._probes.tell(scope["path"]):
            await _tell(visit, *told)
            return
        if self._in_progress[visit.address] >= self._each:
            await visit.refuse(RateLimited("There are too many requests in progress from your address; try again."))
            return
        self._in_progress[visit.address] += 1
        try:
            await self._answer(visit)
        except Gone:
            pass  # the client cannot be told any more
        except TooLate:
            await visit.refuse(RequestTimeout())
        except Unavailable:
            visit.connection.drop()  # the client is slow, and too many slow clients already occupy threads
        finally:
            self._in_progress[visit.address] -= 1
            if not self._in_progress[visit.address]:
                del self._in_progress[visit.address]

    async def _answer(self, visit: Visit) -> None:
        body, is_whole = await _beginning(visit)
        visit.connection.serve()
        visit.client = self._tenants.client(visit.headers, address=visit.address)
        exchange = Exchange(visit, self._threads, body=body, is_whole=is_whole)
        self._threads.submit(lambda: exchange.run(self._application), client=visit.client)
        rest = await exchange.rest
        if (project := project_of(exchange.environ)) and project != visit.client:
            self._tenants.learn(visit.headers, project=project)
        if delay := delay_of(exchange.environ):
            await asyncio.sleep(delay)
        if isinstance(rest, SmallFile):
            await _send(visit, exchange, rest)
        elif rest is None:
            await visit.end()
        else:
            await visit.answer(exchange.code, exchange.headers, rest)


async def _beginning(visit: Visit) -> tuple[bytes, bool]:
    """Read the beginning of a body, and tell whether it is the whole body. Raises Gone and TooLate.

    A small body is read as a whole. Of a body without a declared length the beginning is read. Of a body that is declared as
    large nothing is read.
    """
    declared = int(visit.headers.get(b"content-length", 0))
    if not declared and b"transfer-encoding" not in visit.headers:
        return b"", True
    body, has_more = bytearray(), True
    while has_more and max(declared, len(body)) <= SMALL_BODY:
        piece, has_more = await visit.receive()
        body += piece
    return bytes(body), not has_more


async def _send(visit: Visit, exchange: Exchange, file: SmallFile) -> None:
    """Answer with a file, no faster than the client reads."""
    try:
        await visit.begin(exchange.code, exchange.headers, file.read(PIECE))
        while piece := file.read(PIECE):
            await visit.go_on(piece)
        await visit.end()
    finally:
        file.close()


async def _tell(visit: Visit, status: HTTPStatus, told: Mapping[str, object]) -> None:
    """Answer a probe. A probe may only read, so other methods than GET and HEAD are refused."""
    if visit.scope["method"] not in ("GET", "HEAD"):
        await visit.answer(HTTPStatus.METHOD_NOT_ALLOWED, [(b"allow", b"GET, HEAD"), (b"connection", b"close")], b"")
        return
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    await visit.answer(status, headers, rendered(told))

"""Three judges of an answer: both clients, over a real connection, and h11."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import h11
from yarl import URL

from providers.base import Failure
from providers.failures import Kind
from providers.transport.fast import FastTransport
from providers.transport.full import FullTransport
from providers.transport.interface import MAX_HEAD_BYTES, Reply, Transport
from providers.transport.way import Way
from tests.providers.transport.odd_answers import Odd

MOST = 64 * 1024
SECONDS = 20.0
BODY = b"{}"
LOST, REFUSED = "lost", "refused"
# A verdict: the kind of failure, or the status and the body.
Verdict = str | tuple[int, bytes]


class Stage:
    """A server that sends odd answers, each on a connection of its own."""

    def __init__(self) -> None:
        self.requests = 0
        self._pieces: Sequence[bytes] = ()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.url = URL(f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.close()

    async def ask(self, client: Callable[[], Transport], odd: Odd) -> Reply | Failure:
        """The outcome of a fresh client for the answer. Asserts that the request was sent once."""
        self._pieces, before, transport = odd.pieces, self.requests, client()
        try:
            found = await transport.send("POST", self.url, headers={}, body=BODY, seconds=SECONDS)
        finally:
            await transport.close()
        assert self.requests == before + 1, f"sent {self.requests - before} times: {odd}"
        return found

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(len(BODY))
            self.requests += 1
            for piece in self._pieces:
                if writer.transport.is_closing():
                    break
                writer.write(piece)
                await asyncio.sleep(0)
            await writer.drain()
        writer.close()


CLIENTS: dict[str, Callable[[], Transport]] = {
    "fast": lambda: FastTransport(headers={}, max_bytes=MOST),
    "full": lambda: FullTransport(Way(), headers={}, max_bytes=MOST),
}


def verdict(found: Reply | Failure) -> Verdict:
    """An outcome in the words that the judges share."""
    if isinstance(found, Reply):
        return found.status, found.body
    match found.kind:
        case Kind.CONNECTION_LOST:
            return LOST
        case Kind.INVALID_RESPONSE | Kind.UNCONFIRMED:
            return REFUSED
        case _:
            return str(found.kind.value)


def judged_by_h11(odd: Odd) -> Verdict:
    """The verdict of h11 on the answer."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
    connection.send(h11.Request(method="POST", target="/v1", headers=[("Host", "x"), ("Content-Length", str(len(BODY)))]))
    connection.send(h11.Data(data=BODY))
    connection.send(h11.EndOfMessage())
    status: int = 0
    body = b""
    pieces = [*odd.pieces, b""]
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                if not pieces:
                    return LOST
                connection.receive_data(pieces.pop(0)) if pieces[0] or len(pieces) == 1 else pieces.pop(0)
            elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                return LOST if not isinstance(event, h11.ConnectionClosed) else (status, body) if status else LOST
            elif isinstance(event, h11.Response):
                status = int(event.status_code)
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
                if len(body) > MOST:
                    return Kind.RESPONSE_TOO_LARGE.value if 200 <= status < 300 else (status, body[:MOST])
            elif isinstance(event, h11.EndOfMessage):
                return status, body
    except h11.RemoteProtocolError as error:
        return LOST if "without sending complete" in str(error) or (not pieces and not status) else REFUSED

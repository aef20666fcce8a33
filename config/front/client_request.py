"""A client's request on the event loop: its headers, its body, its connection, and the ways to answer it."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any

from batches.http.callers.senders import client_address, counted_as
from batches.rules.errors import PortalError
from config.front.connection import EXTENSION, Connection
from config.front.drain import draining
from config.front.refusals import refusal

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

CLOSE = (b"connection", b"close")  # the header that ends the connection after the answer


class Gone(ConnectionError):
    """The client is no longer there."""


class TooLate(ConnectionError):
    """The client sends its body too slowly."""


class Stranger(ConnectionError):
    """The client is a stranger, and its body is not small: no thread waits for such a body."""


class ClientRequest:
    """A request, with its ASGI callables. `exchange` runs Django for it in a thread."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, loop: asyncio.AbstractEventLoop) -> None:
        self.scope = scope
        self.loop = loop
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.connection: Connection = scope["extensions"][EXTENSION]
        peer = scope["client"][0] if scope["client"] else ""
        self.address = counted_as(client_address(peer, self.headers.get(b"x-forwarded-for", b"").decode("latin-1")))
        self.client: Hashable = self.address  # the client that the request counts for when threads are shared
        self.status: int | None = None  # of the answer, once it was begun
        self.answered_at: float | None = None  # when that was, by the event loop's clock
        self._receive = receive
        self._send = send

    @property
    def is_over(self) -> bool:
        """Whether the connection is lost, so that no answer can reach the client."""
        return self.connection.lost

    async def receive(self) -> tuple[bytes, bool]:
        """The next piece of the body, and whether more follows. Raises Gone and TooLate."""
        message = await self._receive()
        if self.connection.is_late:
            raise TooLate
        if message["type"] != "http.request":
            raise Gone
        return message["body"], message["more_body"]

    async def answer(self, status: int, headers: Headers, content: bytes) -> None:
        """Send a whole answer."""
        if self.scope["method"] != "HEAD" and not any(name == b"content-length" for name, _ in headers):
            headers = [*headers, (b"content-length", str(len(content)).encode())]
        await self._start(status, headers)
        await self._put({"type": "http.response.body", "body": content})

    async def refuse(self, error: PortalError) -> None:
        """Answer with an error, and end the connection, since a body may still be on its way."""
        headers, content = refusal(error, path=self.scope["path"], headers=self.headers)
        await self.answer(error.status, [*headers, CLOSE], content)

    async def begin(self, status: int, headers: Headers, piece: bytes) -> None:
        """Begin an answer that is sent in pieces."""
        await self._start(status, headers)
        await self.go_on(piece)

    async def go_on(self, piece: bytes) -> None:
        """Send the next piece, as soon as the client has read most of the pieces before. Raises Gone."""
        await self._put({"type": "http.response.body", "body": piece, "more_body": True})

    async def end(self) -> None:
        """End an answer that was sent in pieces."""
        await self._put({"type": "http.response.body"})

    async def _start(self, status: int, headers: Headers) -> None:
        """Send the head of an answer. While the process drains, the connection ends after the answer."""
        if draining.is_set() and CLOSE not in headers:
            headers = [*headers, CLOSE]
        await self._put({"type": "http.response.start", "status": status, "headers": headers})

    async def _put(self, message: Message) -> None:
        """Send a message to the client. Raises Gone if the connection is lost, or is dropped meanwhile."""
        if self.is_over:
            raise Gone
        if message["type"] == "http.response.start":
            self.status, self.answered_at = message["status"], self.loop.time()
        try:
            await self._send(message)
        except RuntimeError as error:
            if self.is_over:
                raise Gone from error
            raise

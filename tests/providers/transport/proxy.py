"""A small HTTP proxy and a small HTTPS upstream, on the test's own event loop."""

import asyncio
import base64
import contextlib
import ssl
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Server:
    """Listens on 127.0.0.1 while the context lasts."""

    tls: ssl.SSLContext | None = None

    async def __aenter__(self) -> Self:
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self.tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
                await self.talk(reader, writer)
        finally:
            writer.close()
            self._tasks.discard(task)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError


class Upstream(Server):
    """Answers whatever it is asked, on a connection that lasts."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.tls = tls
        self.heads: list[bytes] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            await reader.readexactly(length_of(head))
            writer.write(ANSWER)


class Proxy(Server):
    """Lets through whoever knows `user:password`, if one is set. `hosts` says which port a name stands for."""

    def __init__(self, *, secret: str = "", hosts: dict[str, int] | None = None, refuses: bytes = b"") -> None:
        self.secret = secret
        self.hosts = hosts or {}
        self.refuses = refuses
        self.heads: list[bytes] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        expected = base64.b64encode(self.secret.encode())
        if self.refuses or (self.secret and b"Proxy-Authorization: Basic " + expected not in head):
            writer.write(self.refuses or b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        method, target, _ = head.split(b" ", 2)
        if method == b"CONNECT":
            host, _, port = target.decode().rpartition(":")
            there = await asyncio.open_connection("127.0.0.1", self.hosts.get(host, int(port)))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            first = b""
        else:
            parts = urlsplit(target.decode())
            there = await asyncio.open_connection("127.0.0.1", self.hosts.get(parts.hostname or "", parts.port or 80))
            first = head.replace(target, parts.path.encode(), 1) + await reader.readexactly(length_of(head))
        there[1].write(first)
        try:
            await asyncio.gather(_pipe(reader, there[1]), _pipe(there[0], writer))
        finally:
            there[1].close()


async def _pipe(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        target.write(data)
        await target.drain()
    target.close()


def length_of(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0

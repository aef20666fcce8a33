"""Dialling: making connections to one host. Each address of the host is tried; stale addresses are looked up again."""

import asyncio
import os
import ssl
from collections.abc import Callable
from functools import cache
from socket import SOCK_STREAM, gaierror, socket
from typing import Any, TypeVar

import aiohappyeyeballs

from providers.transport.destinations import PROVIDERS, Refused
from providers.transport.interface import ConnectFailed

ADDRESSES_SECONDS = 60.0  # the addresses of a host are kept for so long
NEXT_ADDRESS_SECONDS = 0.25  # if an address does not answer for so long, the next one is tried beside it

_AnyProtocol = TypeVar("_AnyProtocol", bound=asyncio.Protocol)
_Addresses = list[Any]  # in the format of getaddrinfo


class Dialler:
    """Connects to one host. No part of a request is sent here, so a failed attempt can be repeated safely."""

    def __init__(self, host: str, port: int, *, encrypted: bool) -> None:
        self._host = host
        self._port = port
        self._encrypted = encrypted
        self._looking_up = asyncio.Lock()
        self._addresses: _Addresses = []
        self._looked_up_at = 0.0

    async def connect(self, protocol: Callable[[], _AnyProtocol], *, seconds: float) -> _AnyProtocol:
        """A new connection. Raises ConnectFailed.

        Kept addresses get half of the time. If none of them works, the host may have moved, so it is looked up again.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        if (kept := self._addresses) and began <= self._looked_up_at + ADDRESSES_SECONDS:
            try:
                return await self._connect_to(kept, protocol, ends_at=began + seconds / 2)
            except ConnectFailed:
                self._forget(kept)
        found = await self._look_up(since=began, ends_at=began + seconds)
        try:
            return await self._connect_to(found, protocol, ends_at=began + seconds)
        except ConnectFailed:
            self._forget(found)
            raise

    async def _look_up(self, *, since: float, ends_at: float) -> _Addresses:
        """The host's addresses, looked up after `since`. Connections that are made at the same time share one look-up."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(ends_at), self._looking_up:
                if not self._addresses or self._looked_up_at < since:
                    self._addresses = await loop.getaddrinfo(self._host, self._port, type=SOCK_STREAM)
                    self._looked_up_at = loop.time()
                return self._addresses
        except (TimeoutError, OSError) as error:
            raise ConnectFailed(why(error)) from error

    def _forget(self, addresses: _Addresses) -> None:
        """Drop the kept addresses if they are still these."""
        if self._addresses is addresses:
            self._addresses = []

    async def _connect_to(self, addresses: _Addresses, protocol: Callable[[], _AnyProtocol], *, ends_at: float) -> _AnyProtocol:
        """A connection to one of the addresses. If an address answers but the TLS handshake fails, the next one is tried."""
        loop = asyncio.get_running_loop()
        failure: Exception | None = None
        while addresses:
            try:
                async with asyncio.timeout_at(ends_at):
                    connected = await aiohappyeyeballs.start_connection(
                        addresses, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS, loop=loop, socket_factory=PROVIDERS.socket
                    )
                address = connected.getpeername()
            except (TimeoutError, OSError) as error:
                failure = failure or error
                break
            try:
                share = (ends_at - loop.time()) / len(addresses)
                async with asyncio.timeout(share):
                    return await self._begin(connected, protocol)
            except (TimeoutError, OSError) as error:
                failure = failure or error
            addresses = [other for other in addresses if other[4][:2] != address[:2]]
        raise ConnectFailed(why(failure or TimeoutError())) from failure

    async def _begin(self, connected: socket, protocol: Callable[[], _AnyProtocol]) -> _AnyProtocol:
        try:
            _, begun = await asyncio.get_running_loop().create_connection(
                protocol,
                sock=connected,
                ssl=_tls() if self._encrypted else None,
                server_hostname=self._host if self._encrypted else None,
            )
        except BaseException:
            connected.close()
            raise
        return begun


def why(error: Exception) -> str:
    """The reason why no connection was made, in the words of the system or of the guard."""
    match error:
        case TimeoutError() if not error.errno:
            return "Timed out"
        case Refused():
            return str(error).rstrip(".")
        case ssl.SSLError():
            return error.reason or type(error).__name__
        case gaierror():
            return error.strerror or type(error).__name__  # its number is not one of the system's
        case OSError():
            return os.strerror(error.errno) if error.errno else type(error).__name__
        case _:
            return type(error).__name__


@cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context

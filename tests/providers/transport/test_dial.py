"""U11: every address of a host is tried within one call, and a host that has moved is found again."""

import asyncio
import socket
from collections.abc import Callable

import pytest
from yarl import URL

from providers.base import Failure
from providers.failures import Kind
from providers.transport import Reply
from providers.transport.fast import FastTransport
from tests.providers.transport.proxy import Server, Upstream

HOST = "upstream.example"


class Names:
    """Stands in for the resolver: what the name means just now, and how often it was asked for."""

    def __init__(self) -> None:
        self.addresses: list[tuple[str, int]] = []
        self.asked = 0

    async def __call__(self, host: str, port: int, **_: object) -> list[object]:
        assert host == HOST
        self.asked += 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in self.addresses]


def session(work: Callable[[FastTransport, Names], object]) -> None:
    async def run() -> None:
        names = Names()
        asyncio.get_running_loop().getaddrinfo = names  # type: ignore[method-assign, assignment]
        transport = FastTransport(headers={}, max_bytes=1000)
        try:
            await work(transport, names)  # type: ignore[misc]
        finally:
            await transport.close()

    asyncio.run(run())


async def ask(transport: FastTransport, *, scheme: str = "http", seconds: float = 20.0) -> Reply | Failure:
    return await transport.send("POST", URL(f"{scheme}://{HOST}:1234/v1"), headers={}, body=b"{}", seconds=seconds)


def closed_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def test_u11_the_second_address_serves_when_the_first_refuses() -> None:
    async def work(transport: FastTransport, names: Names) -> None:
        async with Upstream() as there:
            names.addresses = [("127.0.0.1", closed_port()), ("127.0.0.1", there.port)]
            assert isinstance(await ask(transport), Reply)
            assert len(there.heads) == 1

    session(work)


def test_u11_the_second_address_serves_when_the_first_hangs() -> None:
    async def work(transport: FastTransport, names: Names) -> None:
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(full.getsockname())  # until the backlog is full: later connections hang
            async with Upstream() as there:
                names.addresses = [full.getsockname(), ("127.0.0.1", there.port)]
                assert isinstance(await ask(transport), Reply)
            for filler in fillers:
                filler.close()

    session(work)


@pytest.mark.parametrize("behaviour", ["ends", "hangs"])
def test_u11_an_address_whose_handshake_fails_is_left_for_the_next(behaviour: str) -> None:
    """Both fail here, so the failure names the first; what matters is that the second was tried."""

    async def work(transport: FastTransport, names: Names) -> None:
        async with Plain(hangs=behaviour == "hangs") as first, Plain() as second:
            names.addresses = [("127.0.0.1", first.port), ("127.0.0.1", second.port)]
            found = await ask(transport, scheme="https", seconds=4.0)
            assert isinstance(found, Failure)
            assert found.kind is Kind.CONNECT
            assert (first.met, second.met) == (True, True)

    session(work)


class Plain(Server):
    """Speaks no TLS: ends the connection, or says nothing."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.hangs = hangs
        self.met = False

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.met = True
        if self.hangs:
            await reader.read(-1)


def test_u11_a_host_that_has_moved_is_looked_up_anew_in_the_same_call() -> None:
    async def work(transport: FastTransport, names: Names) -> None:
        async with Upstream() as old:
            names.addresses = [("127.0.0.1", old.port)]
            assert isinstance(await ask(transport), Reply)
        await transport.close()
        async with Upstream() as new:
            names.addresses = [("127.0.0.1", new.port)]
            assert isinstance(await ask(transport), Reply)
            assert names.asked == 2
            assert isinstance(await ask(transport), Reply)
            assert names.asked == 2, "what was found anew is kept"

    session(work)


def test_u11_many_calls_to_a_host_that_is_gone_share_a_look_up() -> None:
    async def work(transport: FastTransport, names: Names) -> None:
        names.addresses = [("127.0.0.1", closed_port())]
        found = await asyncio.gather(*(ask(transport) for _ in range(50)))
        assert {outcome.kind for outcome in found if isinstance(outcome, Failure)} == {Kind.CONNECT}
        assert names.asked < 10

    session(work)

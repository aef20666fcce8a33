"""The guard of outgoing addresses: its rules, and that both clients keep them at the moment that they connect."""

import asyncio
import socket
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from yarl import URL

from providers.base import CredentialUnavailable, Failure
from providers.failures import Kind
from providers.transport import Reply, WayOptions, base_url_problem, open_transport
from providers.transport.destinations import NEVER, NOT_PUBLIC, PROVIDERS, Refused, tenants
from providers.transport.fast import FastTransport
from providers.transport.full import FullTransport
from providers.transport.way import Way
from tests.answers import redirect
from tests.providers.transport.proxy import Proxy
from tests.providers.transport.proxy import Upstream as Answering
from tests.upstream import Upstream

TENANTS = tenants([])

NEVER_REACHED = [
    *("169.254.169.254", "169.254.0.1", "169.254.170.2", "0.0.0.0", "0.1.2.3", "100.100.100.200", "168.63.129.16"),
    *("192.0.0.192", "224.0.0.1", "255.255.255.255", "::", "fe80::1", "fe80::a9fe:a9fe", "fe80::1%2", "ff02::1"),
    *("fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:42::42"),
    *("::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "::169.254.169.254", "::ffff:0.0.0.0"),  # as IPv4 within IPv6
    *("64:ff9b::169.254.169.254", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::1"),  # through a translator or a tunnel
    *("2001:0:a9fe:a9fe::1", "2001:0:808:808:0:0:5601:5601", "fd12::5efe:169.254.169.254"),
]
LOCAL = [
    *("127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.5.5", "192.168.1.1", "100.64.0.1", "198.18.0.1", "240.0.0.1"),
    *("::1", "fd12:3456::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "2002:a00:1::1"),
    "fd12::5efe:10.0.0.1",
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]


@pytest.mark.parametrize("address", NEVER_REACHED)
@pytest.mark.parametrize("guard", [PROVIDERS, TENANTS, tenants([ip_network("0.0.0.0/0"), ip_network("::/0")])])
def test_some_addresses_are_refused_whoever_gives_them(address: str, guard: Any) -> None:
    assert guard.refusal(ip_address(address)) == NEVER


@pytest.mark.parametrize("address", LOCAL)
def test_local_and_private_addresses_are_for_providers_alone(address: str) -> None:
    assert PROVIDERS.refusal(ip_address(address)) is None
    assert TENANTS.refusal(ip_address(address)) == NOT_PUBLIC


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_for_everybody(address: str) -> None:
    assert PROVIDERS.refusal(ip_address(address)) is None
    assert TENANTS.refusal(ip_address(address)) is None


def test_a_setting_may_let_tenants_reach_private_networks() -> None:
    some = tenants([ip_network("10.1.0.0/16"), ip_network("fd12::/16")])
    assert some.refusal(ip_address("10.1.2.3")) is None
    assert some.refusal(ip_address("::ffff:10.1.2.3")) is None
    assert some.refusal(ip_address("fd12::9")) is None
    assert some.refusal(ip_address("10.2.0.1")) == NOT_PUBLIC


@pytest.mark.parametrize(
    "host",
    [
        *NEVER_REACHED,
        *("[fe80::1]", "169.254.169.254.", "2852039166", "0xa9fea9fe", "0xA9.0xFE.0xA9.0xFE", "0251.0376.0251.0376"),
        *("169.254.43518", "169.16689662", "127.1", "0177.0.0.1", "0", "1.2.3", "010.0.0.1", "0x7f000001"),
        *(
            "１６９.２５４.１６９.２５４",
            "169。254。169。254",
            "metadata.google.internal",
            "METADATA.GOOGLE.INTERNAL.",
            "instance-data",
        ),
    ],
)
def test_a_host_is_refused_in_any_spelling_when_it_is_saved(host: str) -> None:
    assert PROVIDERS.problem(host) is not None
    named = f"[{host}]" if ":" in host and not host.startswith("[") else host
    assert base_url_problem(f"http://{named}/v1") is not None


@pytest.mark.parametrize("host", ["api.example.com", "vllm", "gpu-2", "10.0.0.1", "127.0.0.1", "localhost", "::1", "model.4you"])
def test_other_hosts_are_taken_for_providers(host: str) -> None:
    assert PROVIDERS.problem(host) is None


@pytest.mark.parametrize("host", ["localhost", "app.localhost", "127.0.0.1", "::1", "10.0.0.1", "192.168.0.9"])
def test_and_some_of_them_not_for_tenants(host: str) -> None:
    assert TENANTS.problem(host) == NOT_PUBLIC


@pytest.mark.parametrize("guard", [PROVIDERS, TENANTS])
def test_no_socket_is_made_for_a_refused_address(guard: Any) -> None:
    for address in (("169.254.169.254", 80), ("fe80::1%2", 80, 0, 2), ("::ffff:169.254.169.254", 80, 0, 0)):
        with pytest.raises(Refused):
            guard.socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", address))


# --- At the moment of connecting -----------------------------------------------------------------------------


class Rebinding:
    """Stands in for the resolver: what the name means, one look-up after the other; the last meaning stays."""

    def __init__(self, *meanings: list[tuple[str, int]]) -> None:
        self.meanings = list(meanings)

    async def __call__(self, host: Any, port: int, **_: Any) -> list[Any]:
        found = self.meanings.pop(0) if len(self.meanings) > 1 else self.meanings[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in found]


def fast() -> FastTransport:
    return FastTransport(headers={}, max_bytes=1000)


def full() -> FullTransport:
    return FullTransport(Way(), headers={}, max_bytes=1000)


both_clients = pytest.mark.parametrize("client", [fast, full])


async def ask(transport: Any, url: str) -> Reply | Failure:
    found: Reply | Failure = await transport.send("POST", URL(url), headers={}, body=b"{}", seconds=5.0)
    return found


def refused(found: Reply | Failure) -> None:
    assert isinstance(found, Failure)
    assert found.kind is Kind.CONNECT
    assert "nothing is sent there" in found.message


@both_clients
@pytest.mark.parametrize("host", ["169.254.169.254", "[::ffff:169.254.169.254]", "0.0.0.0"])
def test_a_literal_address_is_looked_at_when_it_is_connected_to(client: Any, host: str) -> None:
    async def work() -> None:
        transport = client()
        refused(await ask(transport, f"http://{host}:1/v1"))
        await transport.close()

    asyncio.run(work())


@both_clients
def test_a_name_that_comes_to_mean_something_else_gains_nothing(client: Any) -> None:
    async def work() -> None:
        async with Answering() as there:
            good = [("127.0.0.1", there.port)]
            asyncio.get_running_loop().getaddrinfo = Rebinding(good, [("169.254.169.254", there.port)])  # type: ignore[method-assign, assignment]
            transport = client()
            assert isinstance(await ask(transport, f"http://rebound.example:{there.port}/v1"), Reply)
            await transport.close()
            transport = client()  # which knows no address of it, and has no connection
            refused(await ask(transport, f"http://rebound.example:{there.port}/v1"))
            await transport.close()
            assert len(there.heads) == 1

    asyncio.run(work())


@both_clients
def test_of_several_addresses_a_refused_one_is_left_out(client: Any) -> None:
    async def work() -> None:
        async with Answering() as there:
            meanings = [("169.254.169.254", there.port), ("127.0.0.1", there.port)]
            asyncio.get_running_loop().getaddrinfo = Rebinding(meanings)  # type: ignore[method-assign, assignment]
            transport = client()
            assert isinstance(await ask(transport, f"http://mixed.example:{there.port}/v1"), Reply)
            await transport.close()

    asyncio.run(work())


def test_behind_a_proxy_the_proxy_and_the_written_host_are_looked_at() -> None:
    async def work() -> None:
        async with Proxy() as proxy:
            through = Way(proxy=f"http://127.0.0.1:{proxy.port}", proxy_from="option proxy")
            transport = FullTransport(through, headers={}, max_bytes=1000)
            for host in ("169.254.169.254", "0xa9fea9fe", "metadata.google.internal"):
                found = await ask(transport, f"http://{host}/v1")
                assert isinstance(found, Failure)
                assert found.kind is Kind.CONNECT
            assert proxy.heads == []
            await transport.close()

    asyncio.run(work())
    with pytest.raises(CredentialUnavailable, match="option proxy"):
        FullTransport(Way(proxy="http://169.254.1.1:3128", proxy_from="option proxy"), headers={}, max_bytes=1)
    with pytest.raises(ValueError, match="proxy: It leads to"):
        WayOptions(proxy="http://169.254.1.1:3128")


@pytest.mark.parametrize("options", [WayOptions(), WayOptions(client_certificate="")])
@both_clients
def test_a_redirect_is_not_followed_and_so_carries_no_credential(client: Any, options: WayOptions) -> None:
    async def work() -> None:
        with Upstream() as upstream, Upstream() as elsewhere:
            for status in (301, 302, 303, 307, 308):
                upstream.answer(redirect(f"{elsewhere.base_url}/x", status=status))
            transport = client()
            for status in (301, 302, 303, 307, 308):
                for_one = {"Authorization": "Bearer sk-very-secret"}
                found = await transport.send("POST", URL(upstream.base_url), headers=for_one, body=b"{}", seconds=5.0)
                assert found.status == status
            await transport.close()
            assert elsewhere.requests == []

    asyncio.run(work())


def test_the_way_out_is_chosen_as_before() -> None:
    transport = open_transport("http://10.0.0.1", options=WayOptions(), environment={}, headers={}, max_bytes=1)
    assert isinstance(transport, FastTransport)

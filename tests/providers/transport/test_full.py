"""U11: the client for proxies and certificates, over real connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from providers.base import CredentialUnavailable, Failure
from providers.failures import Kind
from providers.transport import Reply, Transport, WayOptions, open_transport
from providers.transport.full import FullTransport
from tests.answers import Answer, drop
from tests.providers.transport.certificates import Authority
from tests.providers.transport.proxy import Proxy, Server, Upstream
from tests.upstream import Upstream as Recorder

SECRET = "hunter2 of proxies"
NAME = "upstream.example"


class Silent(Server):
    """Takes a connection, and says nothing."""

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@contextlib.asynccontextmanager
async def opened(url: str, environment: Any = None, **options: Any) -> AsyncIterator[Transport]:
    transport = open_transport(
        url, options=WayOptions(**options), environment=environment or {}, headers={"X-Own": "1"}, max_bytes=1000
    )
    try:
        yield transport
    finally:
        await transport.close()


async def ask(transport: Transport, url: str, *, method: str = "POST", seconds: float = 20.0) -> Reply | Failure:
    return await transport.send(method, URL(url), headers={"X-Call": "2"}, body=b"{}", seconds=seconds)


def refused(found: Reply | Failure) -> Failure:
    assert isinstance(found, Failure)
    assert found.kind is Kind.CONNECT
    assert SECRET not in found.message
    return found


def test_u11_an_encrypted_upstream_is_reached_through_a_proxy(authority: Authority, tmp_path: Path) -> None:
    async def work() -> None:
        async with Upstream(authority.server_context(tmp_path, NAME)) as there, Proxy(hosts={NAME: there.port}) as proxy:
            url = f"https://{NAME}/v1"
            async with opened(url, ca=authority.certificate, proxy=f"http://127.0.0.1:{proxy.port}") as transport:
                for _ in range(2):
                    found = await ask(transport, url)
                    assert isinstance(found, Reply)
                    assert (found.status, found.body) == (200, b"hi")
            assert [head.split(b"\r\n")[0] for head in proxy.heads] == [f"CONNECT {NAME}:443 HTTP/1.1".encode()]
            assert len(there.heads) == 2
            assert there.heads[0].startswith(b"POST /v1 HTTP/1.1\r\nHost: upstream.example\r\n")
            for header in (b"X-Own: 1", b"X-Call: 2", b"Accept-Encoding: identity", b"User-Agent: batchyard"):
                assert header in there.heads[0]

    asyncio.run(work())


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_u11_a_plain_upstream_is_reached_through_the_proxy_of_the_environment(variable: str) -> None:
    async def work() -> None:
        async with Upstream() as there, Proxy(hosts={NAME: there.port}) as proxy:
            url = f"http://{NAME}/v1"
            async with opened(url, {variable: f"http://127.0.0.1:{proxy.port}"}) as transport:
                assert isinstance(await ask(transport, url), Reply)
            assert proxy.heads[0].startswith(f"POST {url} HTTP/1.1\r\n".encode())

    asyncio.run(work())


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_u11_a_proxy_is_told_user_and_password(scheme: str, authority: Authority, tmp_path: Path) -> None:
    async def work() -> None:
        tls = authority.server_context(tmp_path, NAME) if scheme == "https" else None
        async with Upstream(tls) as there, Proxy(secret=f"us/er:{SECRET}", hosts={NAME: there.port}) as proxy:
            url, at = f"{scheme}://{NAME}/v1", f"127.0.0.1:{proxy.port}"
            known = f"http://us%2Fer:{SECRET.replace(' ', '%20')}@{at}"
            async with opened(url, ca=authority.certificate, proxy=known) as transport:
                assert isinstance(await ask(transport, url), Reply)
                assert b"Proxy-Authorization" not in there.heads[0] or scheme == "http"
            for wrong in (f"http://{at}", f"http://us%2Fer:{SECRET[:-1].replace(' ', '%20')}@{at}"):
                async with opened(url, ca=authority.certificate, proxy=wrong) as transport:
                    found = refused(await ask(transport, url))
                    assert f"The proxy {at} answered 407 and asks for a user and a password" in found.message
            assert len(there.heads) == 1

    asyncio.run(work())


def test_u11_a_proxy_that_refuses_or_is_not_there_is_said_to_be_so(authority: Authority) -> None:
    url = f"https://{NAME}/v1"

    async def work() -> None:
        for answer, said in (
            (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "answered 502"),
            (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "answered 403"),
            (b"nonsense\r\n\r\n", "did not let it through"),
        ):
            async with Proxy(refuses=answer) as proxy:
                at = f"127.0.0.1:{proxy.port}"
                async with opened(url, proxy=f"http://user:{SECRET}@{at}") as transport:
                    message = refused(await ask(transport, url)).message
                    assert said in message
                    assert at in message
        async with opened(url, proxy=f"http://user:{SECRET}@{at}") as transport:  # which has ended
            assert f"The proxy {at} cannot be reached: Connection refused" in refused(await ask(transport, url)).message

    asyncio.run(work())


def test_u11_a_proxy_that_hangs_takes_the_time_of_a_connection(authority: Authority) -> None:
    async def work() -> None:
        async with Silent() as proxy, opened(f"https://{NAME}", proxy=f"http://127.0.0.1:{proxy.port}") as transport:
            assert "Timed out" in refused(await ask(transport, f"https://{NAME}", seconds=0.3)).message

    asyncio.run(work())


@pytest.mark.parametrize("kept_as", ["PEM", "file", "variable"])
def test_u11_a_ca_of_ones_own_is_trusted(kept_as: str, authority: Authority, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(authority.certificate)

    async def work() -> None:
        async with Upstream(authority.server_context(tmp_path)) as there:
            url = f"https://127.0.0.1:{there.port}/v1"
            ca = {"PEM": authority.certificate, "file": str(file), "variable": ""}[kept_as]
            async with opened(url, {} if ca else {"REQUESTS_CA_BUNDLE": str(file)}, ca=ca) as transport:
                assert isinstance(await ask(transport, url), Reply)
            async with opened(url) as transport:
                assert "CERTIFICATE_VERIFY_FAILED" in refused(await ask(transport, url)).message
            async with opened(url, ca=Authority().certificate) as transport:
                assert "CERTIFICATE_VERIFY_FAILED" in refused(await ask(transport, url)).message

    asyncio.run(work())


@pytest.mark.parametrize("kept_as", ["PEM", "files", "one file"])
def test_u11_a_client_certificate_is_shown(kept_as: str, authority: Authority, tmp_path: Path) -> None:
    mine = authority.sign()
    paths = tmp_path / "mine.crt", tmp_path / "mine.key"
    paths[0].write_text(mine.certificate)
    paths[1].write_text(mine.key)
    options = {
        "PEM": {"client_certificate": mine.certificate, "client_key": mine.key},
        "files": {"client_certificate": str(paths[0]), "client_key": str(paths[1])},
        "one file": {"client_certificate": str(mine.written(tmp_path, "both"))},
    }[kept_as]

    async def work() -> None:
        async with Upstream(authority.server_context(tmp_path, asks_for_certificate=True)) as there:
            url = f"https://127.0.0.1:{there.port}/v1"
            async with opened(url, ca=authority.certificate, **options) as transport:
                assert isinstance(await ask(transport, url), Reply)
            async with opened(url, ca=authority.certificate) as transport:
                assert isinstance(await ask(transport, url), Failure)
            assert len(there.heads) == 1

    asyncio.run(work())


def test_u11_what_is_not_on_this_machine_is_said_without_quoting_it(authority: Authority, tmp_path: Path) -> None:
    mine = authority.sign()
    for options in (
        {"ca": str(tmp_path / "nowhere.pem")},
        {"ca": "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----"},
        {"client_certificate": str(tmp_path / "nowhere.pem"), "client_key": mine.key},
        {"client_certificate": mine.certificate, "client_key": authority.sign().key},
    ):
        with pytest.raises(CredentialUnavailable) as caught:
            open_transport("https://x", options=WayOptions(**options), environment={}, headers={}, max_bytes=1)
        assert "BEGIN" not in str(caught.value)
    with pytest.raises(CredentialUnavailable, match="HTTPS_PROXY: a SOCKS proxy"):
        open_transport("https://x", options=WayOptions(), environment={"HTTPS_PROXY": "socks5://p"}, headers={}, max_bytes=1)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "GET"])
def test_nothing_is_sent_again_behind_the_callers_back(method: str) -> None:
    """aiohttp would send PUT and GET again when a connection that it kept has ended."""

    async def work(recorder: Recorder) -> None:
        async with opened(recorder.base_url, proxy=recorder.origin) as transport:
            assert isinstance(transport, FullTransport)
            assert isinstance(await ask(transport, recorder.base_url, method=method), Reply)
            recorder.answer(drop())
            found = await ask(transport, recorder.base_url, method=method)
            assert isinstance(found, Failure)
            assert found.kind is Kind.CONNECTION_LOST

    with Recorder() as recorder:
        asyncio.run(work(recorder))
        assert len(recorder.requests) == 2


def test_no_redirect_is_followed_and_no_cookie_is_kept() -> None:
    async def work(recorder: Recorder) -> None:
        from_wire = (
            b"HTTP/1.1 307 Elsewhere\r\nLocation: /other\r\nSet-Cookie: a=b\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        )
        recorder.answer(Answer(raw=from_wire))
        async with opened(recorder.base_url, proxy=recorder.origin) as transport:
            found = await ask(transport, recorder.base_url)
            assert isinstance(found, Reply)
            assert found.status == 307
            await ask(transport, recorder.base_url)

    with Recorder() as recorder:
        asyncio.run(work(recorder))
        assert [request.path.endswith("/v1") for request in recorder.requests] == [True, True]
        assert "cookie" not in recorder.requests[1].headers

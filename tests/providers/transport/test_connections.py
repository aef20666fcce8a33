"""Connections: kept and used again, given up when they should be, and no request sent twice. Over real HTTP."""

import asyncio
from collections.abc import Iterable

import pytest
from yarl import URL

from providers.transport import connections
from providers.transport.connections import Client
from providers.transport.interface import ConnectFailed, ConnectionLost, MaxBytes
from tests.answers import babble, drop, say, stay_silent
from tests.providers.transport.conftest import Run, post
from tests.servers import free_port
from tests.upstream import Upstream

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


async def none_is_left(client: Client) -> None:
    """Wait until every connection has ended."""
    for _ in range(1000):
        if not any(pool.connections for pool in client._pools.values()):
            return
        await asyncio.sleep(0.01)
    pytest.fail("a connection is left")


def test_a_request_arrives_as_it_was_given(session: Run, upstream: Upstream) -> None:
    async def work(client: Client) -> None:
        await post(client, f"{upstream.base_url}/echo?a=b%20c", b'{"a": 1}')

    session(work)

    (request,) = upstream.requests
    assert (request.method, request.path, request.body) == ("POST", "/v1/echo?a=b%20c", b'{"a": 1}')
    assert request.headers == {
        "host": f"127.0.0.1:{upstream.port}",
        "accept": "application/json",
        "idempotency-key": "key",
        "content-length": "8",
    }


def test_connections_are_used_again(session: Run, upstream: Upstream) -> None:
    async def work(client: Client) -> None:
        for _ in range(3):
            await asyncio.gather(*[post(client, upstream.base_url) for _ in range(20)])

    session(work)

    assert len(upstream.requests) == 60
    assert upstream.connections == 20


def test_an_idle_connection_is_dropped_in_time(session: Run, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "KEEPALIVE_SECONDS", 0.05)

    async def work(client: Client) -> None:
        await post(client, upstream.base_url)
        await none_is_left(client)
        await post(client, upstream.base_url)

    session(work)

    assert upstream.connections == 2


def test_a_connection_that_the_upstream_has_closed_is_not_used_again(session: Run, upstream: Upstream) -> None:
    async def work(client: Client) -> None:
        await post(client, upstream.base_url)
        upstream.stop()
        upstream.start()
        await none_is_left(client)
        await post(client, upstream.base_url)

    session(work)

    assert [request.repeat for request in upstream.requests] == [1, 2]


def test_a_dropped_request_is_not_sent_again(session: Run, upstream: Upstream) -> None:
    async def work(client: Client) -> None:
        await post(client, upstream.base_url)
        upstream.answer(drop())
        with pytest.raises(ConnectionLost):
            await post(client, upstream.base_url, b"dropped")

    session(work)

    assert [request.repeat for request in upstream.requests] == [1, 1]


def test_a_connection_is_not_used_again_after_more_than_an_answer(session: Run, upstream: Upstream) -> None:
    async def work(client: Client) -> None:
        upstream.answer(babble(ANSWER * 2))
        assert (await post(client, upstream.base_url)).body == b"hi"
        await post(client, upstream.base_url)

    session(work)

    assert upstream.connections == 2


def test_a_request_given_up_ends_its_connection(session: Run, upstream: Upstream) -> None:
    async def work(client: Client) -> None:
        upstream.answer(stay_silent())
        task = asyncio.ensure_future(post(client, upstream.base_url))
        await asyncio.to_thread(upstream.wait_until, lambda it: it.in_flight == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(upstream.wait_until, lambda it: it.abandoned == 1)

    session(work)

    assert len(upstream.requests) == 1


def test_each_request_has_its_own_deadline(session: Run, upstream: Upstream) -> None:
    async def work(client: Client) -> None:
        await post(client, upstream.base_url, seconds=600)
        upstream.answer(stay_silent())
        with pytest.raises(TimeoutError):
            await post(client, upstream.base_url, seconds=0.1)
        await post(client, upstream.base_url, seconds=0.3)
        upstream.behave(lambda _: say(b"{}"))
        await asyncio.sleep(0.35)
        assert (await post(client, upstream.base_url, seconds=20)).body == b"{}"

    session(work)

    assert upstream.abandoned == 1


def test_an_upstream_that_is_not_there_is_told_apart(session: Run) -> None:
    async def work(client: Client) -> None:
        for url, why in (
            (f"http://127.0.0.1:{free_port()}", "Connection refused"),
            ("http://nowhere.invalid/", "not known|resolution|No address"),
        ):
            with pytest.raises(ConnectFailed, match=why):
                await post(client, url)

    session(work)


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\ny", "a\rb", "a\x00b"])
def test_a_header_cannot_begin_another(session: Run, upstream: Upstream, value: str) -> None:
    async def work(client: Client) -> None:
        with pytest.raises(ValueError, match="line end"):
            await client.send("POST", URL(upstream.base_url), headers={"X": value}, body=b"", seconds=5)

    session(work)

    assert not upstream.requests


def test_a_request_given_up_as_its_answer_comes_leaves_the_next_one_on_the_connection_alone(session: Run) -> None:
    async def work(client: Client) -> None:
        del client
        pool = connections._Pool(scheme="http", host="host", port=80, most=MaxBytes(2**20, 2**16))
        connection = connections._Connection(pool)
        connection.connection_made(Wire())
        soon = asyncio.get_running_loop().time() + 20
        first = asyncio.ensure_future(connection.exchange([b"first"], deadline=soon))
        await asyncio.sleep(0)

        connection.data_received(ANSWER)
        first.cancel()
        second = connection.exchange([b"second"], deadline=soon)
        answered = second.send(None)  # begun before the first has heard of its end
        await asyncio.wait([first])
        connection.data_received(ANSWER)

        assert first.cancelled()
        assert answered.done()
        second.close()
        connection.connection_lost(None)

    session(work)


class Wire(asyncio.Transport):
    """Takes everything, and goes nowhere."""

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        pass

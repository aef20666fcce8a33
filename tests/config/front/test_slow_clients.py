"""Clients that are too slow for the front: given up in time, while the steady ones are waited for."""

import contextlib
import json
import socket
import threading

import pytest

from tests.config.front.conftest import FORM, PIECE, PIECES, Views, content_of, status_of
from tests.config.front.served import Served, head, rest_of, served
from tests.waiting import PATIENCE, until


def test_half_a_head_is_waited_for_only_so_long(front: Served) -> None:
    assert status_of(front.ask(b"GET / HTTP/1.1\r\nX-Slow: ")) == 408
    assert status_of(front.ask(b"")) == 408


def test_a_head_without_an_end_is_refused(front: Served) -> None:
    with front.connect(b"GET / HTTP/1.1\r\nX-Long: ") as client:
        client.sendall(b"x" * 70_000)
        assert status_of(client.recv(1000)) == 431


def test_a_small_body_that_does_not_come_takes_no_thread(front: Served, views: Views) -> None:
    answer = front.ask(head("POST", "/length", Content_Length=1000, **FORM) + b"half")

    assert (status_of(answer), views.asked) == (408, [])


def test_a_client_of_an_api_is_told_so_in_its_own_words(front: Served) -> None:
    error = json.loads(content_of(front.ask(head("POST", "/v1/files", Content_Length=1000) + b"half")))["error"]

    assert error["code"] == "request_timeout"


@pytest.mark.parametrize("begun", [0, 70_000])
def test_more_of_a_body_than_anybody_may_send_is_not_read_of_a_stranger(front: Served, begun: int) -> None:
    with front.connect(head("POST", "/reads", Content_Length=1_000_000) + b"x" * begun) as client:
        assert content_of(client.recv(1000)) == b"Stranger"
    in_chunks = head("POST", "/reads", Transfer_Encoding="chunked") + (b"3e8\r\n" + b"x" * 1000 + b"\r\n") * 70
    with front.connect(in_chunks) as client:
        assert content_of(client.recv(1000)) == b"Stranger"


@pytest.mark.parametrize("begun", [0, 70_000])
def test_a_large_body_that_does_not_come_is_an_error_for_who_reads_it(front: Served, begun: int) -> None:
    answer = front.ask(head("POST", "/length", Content_Length=1_000_000) + b"x" * begun)

    assert (status_of(answer), content_of(answer)) == (400, b"TooLate")
    assert b"connection: close" in answer


def test_a_body_that_trickles_in_is_not_waited_for(front: Served) -> None:
    with front.connect(head("POST", "/length", Content_Length=1000)) as client:
        client.settimeout(0.1)
        answer = b""
        while not answer:
            client.sendall(b"x")
            try:
                answer = client.recv(1000)
            except TimeoutError:
                continue
        assert status_of(answer) == 408


def test_a_body_that_comes_slowly_but_steadily_is_waited_for(views: Views) -> None:
    with served(views.table(), head_seconds=0.5) as front, front.connect(head("POST", "/length", Content_Length=5000)) as client:
        for _ in range(25):
            client.sendall(b"x" * 200)
            threading.Event().wait(0.1)
        assert client.recv(1000).endswith(b"5000")


def test_no_body_may_take_longer_than_any_may(views: Views) -> None:
    with (
        served(views.table(), body_seconds=1.0) as front,
        front.connect(head("POST", "/length", Content_Length=60_000)) as client,
    ):
        client.settimeout(0.1)
        answer = b""
        while not answer:
            client.sendall(b"x" * 500)
            try:
                answer = client.recv(1000)
            except TimeoutError:
                continue
        assert status_of(answer) == 408


def test_who_does_not_read_is_dropped_and_the_answer_is_closed(front: Served, views: Views) -> None:
    with front.connect(head("GET", "/streams"), reads=False) as client:
        assert views.closed.wait(PATIENCE)
        assert len(rest_of(client)) < PIECES * len(PIECE)


@pytest.mark.parametrize("path", ["/file", "/address", "/streams"])
def test_who_reads_none_of_many_answers_is_dropped_too(front: Served, caplog: pytest.LogCaptureFixture, path: str) -> None:
    with front.connect(reads=False) as client:
        client.settimeout(2)  # a server that is merely busy reads on before that
        with contextlib.suppress(TimeoutError, ConnectionError):
            for _ in range(3000):
                client.sendall(head("GET", path) * 100)
        until(lambda: has_ended(client))
    assert "Traceback" not in caplog.text


def test_who_reads_slowly_but_steadily_is_waited_for(front: Served) -> None:
    with front.connect(head("GET", "/streams"), reads=False) as client:
        for _ in range(30):
            assert client.recv(5000)
            threading.Event().wait(0.1)
        assert not has_ended(client)


def has_ended(client: socket.socket) -> bool:
    """Whether the server has ended a connection whose client reads nothing."""
    established = 1
    return client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != established

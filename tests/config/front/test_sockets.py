"""The front over real sockets: how it answers, whom it gives up, and that others do not notice."""

import socket
import time

import pytest

from tests.config.front.conftest import CLOSE, LATE, PIECE, PIECES, Views, content_of, status_of
from tests.config.front.served import Served, head, rest_of
from tests.waiting import PATIENCE, until

# --- Bodies


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 3_000_000])
def test_a_body_arrives_whole(front: Served, size: int) -> None:
    assert content_of(front.ask(head("POST", "/length", Content_Length=size, **CLOSE) + b"x" * size)) == str(size).encode()


@pytest.mark.parametrize("chunks", [0, 1, 10, 3000])
def test_a_body_in_chunks_arrives_whole(front: Served, chunks: int) -> None:
    body = b"3e8\r\n" + b"x" * 1000 + b"\r\n"
    answer = front.ask(head("POST", "/length", Transfer_Encoding="chunked", **CLOSE) + body * chunks + b"0\r\n\r\n")

    assert content_of(answer) == str(1000 * chunks).encode()


def test_a_client_that_sends_no_more_is_answered_for_what_there_is(front: Served) -> None:
    for size in (1000, 1_000_000):
        with front.connect(head("POST", "/length", Content_Length=size) + b"x" * (size // 2)) as client:
            client.shutdown(socket.SHUT_WR)
            assert content_of(rest_of(client)) == str(size // 2).encode()


def test_a_client_that_asks_first_is_told_to_go_on(front: Served) -> None:
    with front.connect(head("POST", "/length", Content_Length=2, Expect="100-continue", **CLOSE)) as client:
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"{}")
        assert content_of(rest_of(client)) == b"2"


def test_a_large_body_is_refused_unread_and_unasked(front: Served) -> None:
    with front.connect(head("POST", "/refuses", Content_Length=1_000_000, Expect="100-continue")) as client:
        assert status_of(client.recv(1000)) == 401


def test_a_client_may_send_on_for_a_while_after_its_refusal(front: Served) -> None:
    with front.connect(head("POST", "/refuses", Content_Length=50_000_000)) as client:
        for _ in range(50):
            client.sendall(b"x" * 1_000_000)
        assert status_of(client.recv(1000)) == 401


# --- Answers


def test_who_asks_for_the_head_gets_no_more(front: Served, views: Views) -> None:
    whole, streamed = (front.ask(head("HEAD", path, **CLOSE)) for path in ("/address", "/streams"))

    assert (status_of(whole), content_of(whole)) == (200, b"")
    assert (status_of(streamed), content_of(streamed)) == (200, b"")
    assert b"content-length: 0" not in streamed
    assert views.closed.is_set()


def test_answers_that_are_held_back_take_no_thread(front: Served, views: Views) -> None:
    """S4"""
    began = time.monotonic()
    late = [front.connect(head("POST", "/late", Content_Length=0, **CLOSE)) for _ in range(20)]
    until(lambda: len(views.asked) == len(late))
    assert content_of(front.ask(head("GET", "/address", **CLOSE))) == b"127.0.0.1"
    assert time.monotonic() - began < LATE

    assert [content_of(rest_of(client)) for client in late] == [b"late"] * len(late)
    assert time.monotonic() - began >= LATE


def test_an_answer_in_pieces_arrives_whole_and_the_connection_serves_on(front: Served) -> None:
    answer = front.ask(head("GET", "/streams") + head("GET", "/address", **CLOSE))

    assert answer.count(b"x" * 1000) == PIECES * 100
    assert answer.endswith(b"127.0.0.1")


def test_an_answer_that_breaks_off_does_not_look_complete(front: Served, caplog: pytest.LogCaptureFixture) -> None:
    answer = front.ask(head("GET", "/breaks"))

    assert len(content_of(answer)) > len(PIECE)
    assert not answer.endswith(b"0\r\n\r\n")
    assert "ZeroDivisionError" in caplog.text


def test_a_file_arrives_whole(front: Served) -> None:
    answer = front.ask(head("GET", "/file", **CLOSE))

    assert answer.count(b"x" * 1000) == 200


def test_a_large_answer_does_not_wait_in_memory_for_who_reads_slowly(front: Served, views: Views) -> None:
    with front.connect(head("GET", "/large"), reads=False) as client:
        until(lambda: views.asked)
        assert not views.closed.is_set()
        assert rest_of_one(client, len(PIECE) * PIECES) == len(PIECE) * PIECES
        assert views.closed.wait(PATIENCE)


def rest_of_one(client: socket.socket, size: int) -> int:
    """How many bytes of an answer's content of this size come."""
    found = bytearray()
    while b"\r\n\r\n" not in found:
        found += client.recv(65_536)
    came = len(content_of(found))
    while came < size and (piece := client.recv(1_000_000)):
        came += len(piece)
    return came


def test_a_connection_serves_one_request_after_the_other(front: Served, views: Views) -> None:
    with front.connect() as client:
        for _ in range(5):
            client.sendall(head("POST", "/length", Content_Length=3) + b"abc")
            assert client.recv(1000).endswith(b"3")


def test_what_was_begun_is_answered_when_the_server_stops(front: Served, views: Views) -> None:
    with front.connect(head("GET", "/waits")) as client, front.connect() as idle:
        until(lambda: views.asked)
        front.stop()
        assert rest_of(idle) == b""
        views.go_on.set()
        assert content_of(rest_of(client)) == b"at last"

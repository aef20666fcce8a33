"""The front over real sockets: how it answers, whom it gives up, and that others do not notice."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from pytest_django import Settings

from batches.http.callers.senders import answer_late, vouch
from config.front.exchange import Environ
from tests.config.front.served import PATIENCE, Served, head, rest_of, served, until

PIECES = 500
PIECE = b"x" * 100_000  # of these, more than all buffers between a server and a client hold
LATE = 1.0  # seconds
CLOSE = {"Connection": "close"}
FORM = {"Content_Type": "application/x-www-form-urlencoded"}


class Views:
    """A few views, and what became of them."""

    def __init__(self) -> None:
        self.asked: list[Environ] = []
        self.go_on = threading.Event()
        self.closed = threading.Event()

    def address(self, environ: Environ) -> HttpResponse:
        self.asked.append(environ)
        return HttpResponse(environ["REMOTE_ADDR"])

    def length(self, environ: Environ) -> HttpResponse:
        """Reads the body of anybody; how long it is, or why it could not be read."""
        vouch(environ)
        return self.reads(environ)

    def reads(self, environ: Environ) -> HttpResponse:
        self.asked.append(environ)
        size = 0
        try:
            while piece := environ["wsgi.input"].read(10_000):
                size += len(piece)
        except OSError as error:
            return HttpResponse(type(error).__name__, status=400)
        return HttpResponse(str(size))

    def refuses(self, environ: Environ) -> HttpResponse:
        """Reads no body."""
        self.asked.append(environ)
        return HttpResponse("no", status=401)

    def waits(self, environ: Environ) -> HttpResponse:
        """Answers when it is told to. The key says whose project it is by its first letter."""
        if key := environ.get("HTTP_AUTHORIZATION"):
            vouch(environ, project=key[0])
        self.asked.append(environ)
        self.go_on.wait(PATIENCE)
        return HttpResponse("at last")

    def late(self, environ: Environ) -> HttpResponse:
        """Answers at once; the answer is to be held back."""
        self.asked.append(environ)
        answer_late(environ, seconds=LATE)
        return HttpResponse("late")

    def streams(self, environ: Environ) -> StreamingHttpResponse:
        self.asked.append(environ)
        response = StreamingHttpResponse(PIECE for _ in range(PIECES))
        response._resource_closers.append(self.closed.set)  # type: ignore[attr-defined]
        return response

    def large(self, environ: Environ) -> HttpResponse:
        self.asked.append(environ)
        response = HttpResponse(PIECE * PIECES, headers={"Content-Length": str(len(PIECE) * PIECES)})
        response._resource_closers.append(self.closed.set)  # type: ignore[attr-defined]
        return response

    def breaks(self, _environ: Environ) -> StreamingHttpResponse:
        def pieces() -> Iterator[bytes]:
            yield PIECE
            raise ZeroDivisionError

        return StreamingHttpResponse(pieces())

    def file(self, _environ: Environ) -> Any:
        return FileResponse(BytesIO(PIECE * 2))

    def table(self) -> dict[str, Any]:
        names = ("address", "length", "reads", "refuses", "waits", "streams", "large", "breaks", "file", "late")
        return {f"/{name}": getattr(self, name) for name in names} | {"/v1/files": self.length}


@pytest.fixture
def views() -> Iterator[Views]:
    views = Views()
    yield views
    views.go_on.set()


@pytest.fixture
def front(views: Views) -> Iterator[Served]:
    with served(views.table()) as front:
        yield front


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def content_of(answer: bytes | bytearray) -> bytes | bytearray:
    return answer.partition(b"\r\n\r\n")[2]


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


# --- Clients that are too slow


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


# --- Room for everybody


def test_who_waits_longest_gives_way_to_a_new_client(views: Views) -> None:
    with served(views.table(), connections=2, head_seconds=PATIENCE) as front:
        first, second = front.connect(), front.connect(b"GET /addr")
        until(lambda: content_of(front.ask(head("GET", "/address", **CLOSE))) == b"127.0.0.1")

        assert rest_of(first) == b""
        second.sendall(b"ess HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert content_of(rest_of(second)) == b"127.0.0.1"


def test_an_address_with_all_its_connections_harms_only_itself(views: Views) -> None:
    with served(views.table(), each=2, head_seconds=PATIENCE) as front:
        other = front.connect(address="127.0.0.9")
        greedy = [front.connect(address="127.0.0.2") for _ in range(5)]
        until(lambda: all(rest_of(client) == b"" for client in greedy[:3]))

        for client in (other, greedy[4]):
            client.sendall(head("GET", "/address", **CLOSE))
            assert status_of(rest_of(client)) == 200


def test_where_everybody_is_being_served_a_new_client_is_told_to_come_again(views: Views) -> None:
    with served(views.table(), connections=2) as front:
        clients = [front.connect(head("GET", "/waits", **CLOSE), address=f"127.0.0.{number}") for number in (2, 3)]
        until(lambda: len(views.asked) == 2)

        answer = front.ask(b"")
        assert status_of(answer) == 503
        assert b"retry-after: 1" in answer
        views.go_on.set()
        assert [content_of(rest_of(client)) for client in clients] == [b"at last"] * 2


def test_behind_a_proxy_requests_are_counted_by_their_clients(views: Views, settings: Settings) -> None:
    settings.TRUST_PROXY = True

    def asked_by(address: str) -> bytes:
        return head("GET", "/waits", X_Forwarded_For=f"10.0.0.1, {address}", **CLOSE)

    with served(views.table(), requests=1) as front:
        first = front.connect(asked_by("192.0.2.1"))
        until(lambda: len(views.asked) == 1)
        refused = front.ask(asked_by("192.0.2.1"))
        assert (status_of(refused), b"retry-after: 1" in refused) == (429, True)
        second = front.connect(asked_by("192.0.2.2"))
        until(lambda: len(views.asked) == 2)

        views.go_on.set()
        assert [content_of(rest_of(client)) for client in (first, second)] == [b"at last"] * 2


def test_a_client_with_many_slow_requests_leaves_threads_to_others(front: Served, views: Views) -> None:
    greedy = [front.connect(head("GET", "/waits", **CLOSE), address="127.0.0.2") for _ in range(10)]
    until(lambda: len(views.asked) == 2)

    assert content_of(front.ask(head("GET", "/address", **CLOSE))) == b"127.0.0.1"
    assert len([environ for environ in views.asked if environ["PATH_INFO"] == "/waits"]) == 2
    views.go_on.set()
    assert [content_of(rest_of(client)) for client in greedy] == [b"at last"] * 10


def test_the_keys_of_one_project_are_one_client_wherever_they_come_from(front: Served, views: Views) -> None:
    views.go_on.set()
    for key in ("p1", "p2"):
        front.ask(head("GET", "/waits", Authorization=key, **CLOSE))
    views.go_on.clear()
    views.asked.clear()

    clients = [
        front.connect(head("GET", "/waits", Authorization=f"p{number}", **CLOSE), address=f"127.0.0.{number + 1}")
        for number in (1, 2, 1, 2)
    ]
    until(lambda: len(views.asked) == 2)
    other = front.connect(head("GET", "/address", Authorization="q1", **CLOSE), address="127.0.0.2")

    assert content_of(rest_of(other)) == b"127.0.0.2"
    assert len(views.asked) == 3
    views.go_on.set()
    assert [content_of(rest_of(client)) for client in clients] == [b"at last"] * 4


def test_slow_uploads_and_slow_readers_leave_threads_to_others(front: Served, views: Views) -> None:
    slow = [front.connect(head("POST", "/length", Content_Length=1_000_000), address="127.0.0.2") for _ in range(2)]
    slow += [front.connect(head("GET", "/streams"), reads=False, address="127.0.0.3") for _ in range(2)]
    until(lambda: len(views.asked) == 4)

    answers = [front.ask(head("GET", "/address", **CLOSE)) for _ in range(10)]

    assert {content_of(answer) for answer in answers} == {b"127.0.0.1"}


# --- Probes


def test_probes_are_answered_whatever_the_threads_do(front: Served, views: Views) -> None:
    for number in range(8):
        front.connect(head("GET", "/waits"), address=f"127.0.0.{number + 2}")
    until(lambda: len(views.asked) == 4)

    alive, ready = (json.loads(content_of(front.ask(head("GET", path, **CLOSE)))) for path in ("/healthz", "/readyz"))

    assert alive == {"status": "alive"}
    assert ready == {"status": "ready", "checks": {"database": "ok"}}
    views.go_on.set()


def test_a_portal_that_lacks_something_says_so_at_once(front: Served) -> None:
    front.ask(head("GET", "/readyz", **CLOSE))
    front.checks["database"] = "gone"
    until(lambda: status_of(front.ask(head("GET", "/readyz", **CLOSE))) == 503)
    front.checks["database"] = "ok"

    assert status_of(front.ask(head("GET", "/readyz", **CLOSE))) == 200


def test_a_probe_only_reads(front: Served) -> None:
    assert status_of(front.ask(head("POST", "/healthz", Content_Length=0))) == 405
    answer = front.ask(head("HEAD", "/healthz", **CLOSE))
    assert (status_of(answer), content_of(answer)) == (200, b"")
    assert b"no-store" in answer

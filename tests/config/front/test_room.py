"""Room for everybody: no client takes all connections or threads, and probes are answered whatever the threads do."""

import json

from pytest_django import Settings

from tests.config.front.conftest import CLOSE, Views, content_of, status_of
from tests.config.front.served import Served, head, rest_of, served
from tests.waiting import PATIENCE, until

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

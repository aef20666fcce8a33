"""Requests are counted in the front, and readers of `/metrics` need no thread of Django's."""

import socket
import struct
import threading
from collections import Counter
from http import HTTPStatus

import pytest
from pytest_django import Settings

from batches.services.telemetry import counts
from config.answers.metrics import Answer
from config.front import metrics
from config.front.metrics import face_of
from tests.config.front.conftest import CLOSE, Views, content_of, status_of
from tests.config.front.served import Served, head, served
from tests.waiting import PATIENCE, until

AT_ONCE = struct.pack("ii", 1, 0)  # a value of SO_LINGER: closing resets the connection


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    """What the process of the tests has counted before a test is no part of it."""
    counts.take()


def requests() -> dict[tuple[str, ...], int]:
    return {labels: int(number) for (name, labels), number in counts.take().items() if name == "batchyard_http_requests"}


@pytest.mark.parametrize(
    ("path", "headers", "face"),
    [
        ("/v1/batches", {}, "openai"),
        ("/v1/batches", {b"anthropic-version": b"2023-06-01"}, "anthropic"),
        ("/v1/messages/batches", {}, "anthropic"),
        ("/bifrost/v1/batches", {}, "bifrost"),
        ("/openai/v1/batches", {}, "novita"),
        ("/api/accounting/v1/x", {}, "merge"),
        ("/api/v1/batches", {}, "api"),
        ("/console/overview/", {}, "console"),
        ("/admin/", {}, "admin"),
        ("/static/x.css", {}, "static"),
        ("/metrics", {}, "metrics"),
        ("/", {}, "other"),
        ("", {}, "other"),
        ("*", {}, "other"),
        ("/a-path-of-a-client/é\x00", {b"x": b"\xff"}, "other"),
    ],
)
def test_a_face_is_one_of_a_few_words(path: str, headers: dict[bytes, bytes], face: str) -> None:
    assert face_of(path, headers) == face


def test_each_request_counts_by_face_and_class_of_its_answer(front: Served) -> None:
    front.ask(head("GET", "/address", **CLOSE))
    front.ask(head("GET", "/refuses", **CLOSE))
    front.ask(head("GET", "/healthz", **CLOSE))

    assert requests() == {("other", "2xx"): 1, ("other", "4xx"): 1}


def test_a_client_that_leaves_before_its_answer_counts_too(front: Served, views: Views) -> None:
    with front.connect(head("GET", "/waits")) as client:
        until(lambda: bool(views.asked))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    front.ask(head("GET", "/address", **CLOSE))  # when it is answered, the end of the other connection has been seen
    views.go_on.set()

    found: Counter[tuple[str, ...]] = Counter()

    def both() -> bool:
        found.update(requests())
        return found.total() == 2

    until(both)
    assert found == {("other", metrics.GONE): 1, ("other", "2xx"): 1}


def test_the_time_to_an_answer_is_measured_to_its_beginning(front: Served) -> None:
    front.ask(head("GET", "/late", **CLOSE))

    found = counts.take()
    assert 1.0 <= found["batchyard_http_request_seconds", ("other", "sum")] < PATIENCE


def test_what_was_counted_is_told_some_time_later_and_at_the_end(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "TELL_SECONDS", 0.05)
    told = threading.Event()

    with served(views.table(), tell=told.set) as front:
        front.ask(head("GET", "/address", **CLOSE))
        assert told.wait(PATIENCE)


def test_readers_are_answered_while_every_thread_is_busy(views: Views) -> None:
    page = Answer(HTTPStatus.OK, b"figures 1\n", {"content-type": "text/plain"})

    with served(views.table(), slots=1, page=lambda *_, **__: page) as front, front.connect(head("GET", "/waits")):
        until(lambda: bool(views.asked))
        answer = front.ask(head("GET", "/metrics", **CLOSE))
        views.go_on.set()

    assert (status_of(answer), content_of(answer)) == (200, b"figures 1\n")


def test_a_reader_does_not_wait_for_ever(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "PATIENCE_SECONDS", 0.05)
    go_on = threading.Event()

    def slow(*_: object, **__: object) -> Answer:
        go_on.wait(PATIENCE)
        return Answer(HTTPStatus.OK)

    with served(views.table(), page=slow) as front:
        answer = front.ask(head("GET", "/metrics", **CLOSE))
        go_on.set()

    assert status_of(answer) == 503


def test_strangers_reach_what_others_reach_at_an_unknown_path(views: Views, settings: Settings) -> None:
    settings.METRICS_NETWORKS = []

    with served(views.table() | {"/metrics": views.address}) as front:
        answer = front.ask(head("GET", "/metrics", **CLOSE))

    assert content_of(answer) == b"127.0.0.1"
    assert len(views.asked) == 1


def test_strangers_are_told_of_a_token_at_once(front: Served, settings: Settings) -> None:
    settings.METRICS_NETWORKS, settings.METRICS_TOKEN = [], "0123456789abcdef"

    refused, opened, post = (
        front.ask(head(method, "/metrics", **CLOSE, **headers))
        for method, headers in (
            ("GET", {}),
            ("GET", {"Authorization": "Bearer 0123456789abcdef"}),
            ("POST", {"Content_Length": 9}),
        )
    )

    assert [status_of(answer) for answer in (refused, opened, post)] == [401, 200, 401]
    assert b"www-authenticate: Bearer" in refused

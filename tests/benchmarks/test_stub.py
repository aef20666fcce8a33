"""The stub upstream: a real process that answers, counts and misbehaves as told."""

import http.client
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest

from tests.benchmarks.stub import Behaviour, chat_completion, refusal, rendered
from tests.benchmarks.upstream import Upstream, upstream


@pytest.fixture(scope="module")
def running() -> Iterator[Upstream]:
    with upstream() as stub:
        yield stub


@pytest.fixture
def stub(running: Upstream) -> Upstream:
    running.reset()
    return running


def asked(stub: Upstream, body: bytes) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", stub.port, timeout=10)
    connection.request("POST", "/v1/chat/completions", body=body)
    answer: dict[str, Any] = json.load(connection.getresponse())
    connection.close()
    return answer


def test_it_answers_a_chat_completion_with_usage(stub: Upstream) -> None:
    answer = asked(stub, b'{"user":"one"}')

    assert answer["choices"][0]["message"]["content"].startswith("four")
    assert answer["usage"]["total_tokens"] == 46


def test_it_counts_requests_and_sees_repeated_markers(stub: Upstream) -> None:
    for marker in (b"one", b"two", b"one"):
        asked(stub, b'{"user":"%b"}' % marker)

    stats = stub.stats()

    assert (stats["requests"], stats["markers"], stats["repeated"]) == (3, 2, 1)
    assert stats["first_at"] is not None


def test_it_knows_how_many_requests_it_has_at_once() -> None:
    with upstream(latency_ms=200) as slow:
        slow.reset()
        with ThreadPoolExecutor(4) as threads:
            wait([threads.submit(asked, slow, b'{"user":"%d"}' % number) for number in range(16)])
        stats = slow.stats()

    assert 2.5 < stats["mean_in_flight"] <= 4.0
    assert stats["first_at"] < stats["last_at"] < stats["answered_at"]


def test_what_is_asked_of_the_stub_itself_does_not_count_as_a_request(stub: Upstream) -> None:
    asked(stub, b'{"user":"one"}')
    stub.reset()
    asked(stub, b'{"user":"one"}')
    stub.stats()
    asked(stub, b'{"user":"two"}')

    stats = stub.stats()

    assert stats["requests"] == 2
    assert stats["mean_in_flight"] < 1


def test_a_refusal_says_when_to_come_back_if_told_to() -> None:
    assert b"Retry-After: 0.1\r\n" in refusal(retry_after=0.1)
    assert b"Retry-After" not in refusal()


def test_pipelined_requests_in_any_pieces_are_each_answered(stub: Upstream) -> None:
    body = b'{"user":"pipe"}'
    request = b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    stream = request * 3
    with socket.create_connection(("127.0.0.1", stub.port), timeout=10) as connection:
        for start in range(0, len(stream), 7):
            connection.sendall(stream[start : start + 7])
        received = b""
        while received.count(b'"usage"') < 3:
            received += connection.recv(2**16)

    assert stub.stats()["requests"] == 3


def test_an_answer_has_about_the_size_asked_for() -> None:
    assert len(chat_completion(1024)) == 1024
    assert rendered("200 OK", b"{}").endswith(b"Content-Length: 2\r\n\r\n{}")


def test_rates_are_shares_of_all_requests() -> None:
    behaviour = Behaviour(b"fine", too_many=0.1, broken=0.2, dropped=0.3)

    chosen = [behaviour.choose() for _ in range(2000)]

    assert chosen.count(b"fine") == pytest.approx(800, abs=100)
    assert chosen.count(None) == pytest.approx(600, abs=100)
    assert sum(answer is not None and b"429" in answer for answer in chosen) == pytest.approx(200, abs=60)

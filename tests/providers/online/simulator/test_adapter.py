"""The simulator: made-up answers that are always the same, and failures on request."""

import asyncio
import base64
import struct
import time
import uuid
from collections import Counter
from typing import Any

import msgspec
import pytest

from providers.base import ACCOUNTING_ENDPOINTS, Connection, Outcome, Success
from providers.budget import Budget
from providers.failures import Kind
from providers.online.simulator import adapter as simulator
from providers.online.simulator.adapter import SimulatorAdapter
from tests.providers.calls import CHAT, call, failed, send, succeeded

MESSAGES = [{"role": "user", "content": "two plus two?"}]


def simulate(*calls: Any, **options: Any) -> list[Outcome]:
    return send("simulator", Connection("simulator", "", "", options), *calls)


def chat(number: int = 0, *, attempt: int = 0, turn: int = 1, **fields: Any) -> Any:
    body = {"model": "m", "messages": [{"role": "user", "content": f"question {number}"}], **fields}
    return call(body, key=f"object{number}-{turn}-{attempt}")


def kinds(outcomes: list[Outcome]) -> list[str]:
    return ["succeeded" if isinstance(outcome, Success) else outcome.kind.value for outcome in outcomes]


def test_the_same_request_gets_the_same_answer_whatever_its_key() -> None:
    first, again, other = simulate(chat(1), chat(1, attempt=3, turn=2), chat(2))
    assert first == again
    assert first != other


def test_an_answer_says_that_it_is_simulated() -> None:
    answer = msgspec.json.decode(succeeded(simulate(chat(7))[0]).body)
    assert answer["system_fingerprint"] == "simulated"
    assert answer["choices"][0]["message"]["content"] == "Simulated answer to: question 7"


@pytest.mark.parametrize(
    "content", ["hello", [{"type": "text", "text": "hello"}], [{"type": "image_url"}, {"type": "input_text", "text": "hello"}]]
)
def test_content_parts_are_understood(content: Any) -> None:
    outcome = succeeded(simulate(call({"model": "m", "messages": [{"role": "user", "content": content}]}))[0])
    assert b"Simulated answer to: hello" in outcome.body


def test_embeddings_come_one_for_each_input_with_the_dimensions_asked_for() -> None:
    wanted = call({"model": "m", "input": ["a", "b", "a"], "dimensions": 300}, endpoint="/v1/embeddings")
    data = msgspec.json.decode(succeeded(simulate(wanted)[0]).body)["data"]
    assert [item["index"] for item in data] == [0, 1, 2]
    assert {len(item["embedding"]) for item in data} == {300}
    assert data[0]["embedding"] == data[2]["embedding"] != data[1]["embedding"]
    assert sum(number**2 for number in data[0]["embedding"]) == pytest.approx(1, abs=0.01)


def test_embeddings_come_packed_when_asked_for() -> None:
    wanted = {"model": "m", "input": [1, 2, 3], "dimensions": 4}
    plain, packed = simulate(
        call(wanted, endpoint="/v1/embeddings"), call({**wanted, "encoding_format": "base64"}, endpoint="/v1/embeddings")
    )
    (numbers,) = msgspec.json.decode(succeeded(plain).body)["data"]
    (text,) = msgspec.json.decode(succeeded(packed).body)["data"]
    assert struct.unpack("<4f", base64.b64decode(text["embedding"])) == pytest.approx(numbers["embedding"], abs=1e-6)


def test_a_record_gets_an_id_that_depends_on_it_and_on_its_kind() -> None:
    record = {"total_amount": 80, "model": {}, "messages": 1}
    calls = [call(record, endpoint=endpoint) for endpoint in sorted(ACCOUNTING_ENDPOINTS) * 2]
    answers = [msgspec.json.decode(succeeded(outcome).body) for outcome in simulate(*calls)]
    ids = [answer["id"] for answer in answers]
    assert len({str(uuid.UUID(text)) for text in ids} & set(ids)) == len(ACCOUNTING_ENDPOINTS)
    assert ids[: len(ids) // 2] == ids[len(ids) // 2 :]
    assert {answer["answered_by"] for answer in answers} == {"simulated"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": MESSAGES}, "model"),
        ({"model": "", "messages": MESSAGES}, "model"),
        ({"model": 5, "messages": MESSAGES}, "model"),
        ({"model": "m"}, "messages"),
        ({"model": "m", "messages": []}, "messages"),
        ({"model": "m", "messages": "hi"}, "messages"),
        ({"model": "m", "messages": MESSAGES, "simulate": {"status": 200}}, "simulate"),
        ({"model": "m", "messages": MESSAGES, "simulate": {"colour": "red"}}, "simulate"),
        ({"model": "m", "messages": MESSAGES, "simulate": "failure"}, "simulate"),
        (b"[]", ""),
        (b"{", ""),
        (b'"\xff"', ""),
        (b"[" * 100_000, ""),
    ],
)
def test_a_request_that_no_upstream_takes_is_refused(body: Any, param: str) -> None:
    failure = failed(simulate(call(body))[0])
    assert (failure.kind, failure.http_status, failure.param) == (Kind.INVALID_REQUEST, 400, param)


# --- Options -----------------------------------------------------------------------------------------------


def test_a_share_of_bodies_always_fails() -> None:
    calls = [chat(number) for number in range(400)]
    first, again = simulate(*calls, failure_rate=0.25), simulate(*calls, failure_rate=0.25)
    counted = Counter(kinds(first))
    assert kinds(first) == kinds(again)
    assert 60 < 400 - counted["succeeded"] < 140
    assert counted["invalid_request"] > 20
    assert counted["server_error"] > 20


def test_a_share_of_sends_is_told_to_slow_down_and_a_repeat_gets_through() -> None:
    outcomes = simulate(*[chat(n) for n in range(200)], rate_limit_rate=0.5, retry_after_seconds=2.5)
    limited = [n for n, outcome in enumerate(outcomes) if not isinstance(outcome, Success)]
    assert 60 < len(limited) < 140
    assert failed(outcomes[limited[0]]).retry_after == 2.5
    repeats = simulate(*[chat(limited[0], attempt=attempt) for attempt in range(1, 20)], rate_limit_rate=0.5)
    assert "succeeded" in kinds(repeats)


def test_rates_of_none_and_all() -> None:
    assert kinds(simulate(chat(1), failure_rate=0.0)) == ["succeeded"]
    assert kinds(simulate(chat(1), rate_limit_rate=1.0)) == ["rate_limited"]
    assert failed(simulate(chat(1), failure_rate=1.0)[0]).http_status in {400, 500}


def test_latency_counts_against_the_time_of_a_call() -> None:
    late = call({"model": "m", "messages": MESSAGES}, timeout=0.05)
    assert kinds(simulate(late, latency_ms=5000)) == ["timeout"]
    assert kinds(simulate(late, latency_ms=1, latency_jitter_ms=1)) == ["succeeded"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"failure_rate": 1.5}, "failure_rate"),
        ({"rate_limit_rate": -0.1}, "rate_limit_rate"),
        ({"latency_ms": "slow"}, "latency_ms"),
        ({"latency_ms": float("nan")}, "latency_ms"),
        ({"retry_after_seconds": None}, "retry_after_seconds"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_bad_option_is_named(options: dict[str, Any], named: str) -> None:
    assert named in SimulatorAdapter.problems(base_url="", options=options)["options"].split(" The options are ")[0]
    with pytest.raises(ValueError, match=named):
        SimulatorAdapter(Connection("simulator", "", "", options))


def test_a_base_url_is_refused() -> None:
    assert "base_url" in SimulatorAdapter.problems(base_url="http://host/v1", options={})


# --- Steering ----------------------------------------------------------------------------------------------


def test_a_request_can_ask_to_fail() -> None:
    steered = {"status": 429, "retry_after": 3, "code": "slow", "message": "wait"}
    failure = failed(simulate(chat(simulate=steered))[0])
    assert (failure.kind, failure.code, failure.message, failure.retry_after) == (Kind.RATE_LIMITED, "slow", "wait", 3)


@pytest.mark.parametrize("failure", ["timeout", "connect_error", "connection_lost"])
def test_a_request_can_ask_not_to_be_answered(failure: str) -> None:
    assert kinds(simulate(chat(simulate={"failure": failure}))) == [failure]


def test_steering_works_on_every_endpoint() -> None:
    for endpoint in sorted(SimulatorAdapter.endpoints):
        body = {"model": "m", "messages": MESSAGES, "input": "x", "prompt": "x", "simulate": {"status": 503}}
        assert kinds(simulate(call(body, endpoint=endpoint))) == ["overloaded"]


def test_only_the_first_sends_of_an_object_fail_counted_over_its_rounds() -> None:
    steered = {"status": 400, "times": 2}
    outcomes = simulate(
        chat(501, simulate=steered),
        chat(502, simulate=steered),
        chat(501, simulate=steered, attempt=1),
        chat(501, simulate=steered, turn=2),
        chat(502, simulate=steered, attempt=1),
    )
    assert kinds(outcomes) == ["invalid_request", "invalid_request", "invalid_request", "succeeded", "invalid_request"]


def test_counting_is_remembered_by_the_process_not_by_the_connection() -> None:
    steered = chat(601, simulate={"status": 500, "times": 1})
    assert kinds(simulate(steered)) == ["server_error"]
    assert kinds(simulate(steered)) == ["succeeded"]


def test_memory_of_sends_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulator, "MAX_REMEMBERED", 10)
    steered = {"status": 500, "times": 1}
    assert kinds(simulate(chat(700, simulate=steered))) == ["server_error"]
    for number in range(701, 720):
        simulate(chat(number, simulate=steered))
    assert kinds(simulate(chat(700, simulate=steered))) == ["server_error"], "it was forgotten"


def test_steering_a_latency_overrides_the_option() -> None:
    body = {"model": "m", "messages": MESSAGES, "simulate": {"latency_ms": 0}}
    assert kinds(simulate(call(body, endpoint=CHAT, timeout=0.5), latency_ms=60_000)) == ["succeeded"]


# --- How long answers may be ----------------------------------------------------------------------------------


def embeddings(count: int, dimensions: int, **more: Any) -> Any:
    return call({"model": "m", "input": ["a"] * count, "dimensions": dimensions, **more}, endpoint="/v1/embeddings")


def test_an_answer_that_would_be_too_long_is_refused_before_it_is_made() -> None:
    """E11: 79 MB of numbers."""
    began = time.monotonic()
    outcomes = simulate(*[embeddings(2048, 4096)] * 10, *[embeddings(2048, 4096, encoding_format="base64")] * 10)
    assert {failed(outcome).kind for outcome in outcomes} == {Kind.RESPONSE_TOO_LARGE}
    assert "33554432" in failed(outcomes[0]).message
    assert time.monotonic() - began < 30, "they were made"


@pytest.mark.parametrize("endpoint", ["/v1/moderations", "/v1/embeddings", CHAT])
def test_whatever_is_made_is_held_to_the_limit(endpoint: str) -> None:
    """E11: a long answer by another way than its dimensions."""
    body = {"model": "m" * 500, "input": ["a"] * 300, "messages": MESSAGES}
    [outcome] = send("simulator", Connection("simulator", "", "", {}, max_response_bytes=400), call(body, endpoint=endpoint))
    assert failed(outcome).kind is Kind.RESPONSE_TOO_LARGE


def test_a_long_answer_is_made_beside_the_others_and_within_the_budget() -> None:
    """E11: the event loop goes on meanwhile."""
    wanted = embeddings(200, 1536)

    async def run() -> None:
        adapter, budget = SimulatorAdapter(Connection("simulator", "", "", {})), Budget(4 * 1024**2)
        Budget.current.set(budget)
        ticks, making = 0, asyncio.gather(*(adapter.send(wanted) for _ in range(3)))
        while not making.done():
            ticks += 1
            await asyncio.sleep(0.001)
        found = [succeeded(outcome).body for outcome in await making]
        assert len(set(found)) == 1
        assert len(msgspec.json.decode(found[0])["data"]) == 200
        assert ticks > 10
        assert budget.used == 0

    asyncio.run(run())

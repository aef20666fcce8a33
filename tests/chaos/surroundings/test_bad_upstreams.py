"""The upstream misbehaves while a batch runs. Each object gets its own outcome, and is sent no more often than necessary."""

import json
from collections import defaultdict

import pytest

from tests.answers import Answer, Request, babble, break_off, drop, refuse, say, stay_silent, succeed
from tests.benchmarks.inputs import custom_id
from tests.chaos.client import LATENCY, marker, usual
from tests.chaos.stage import Stage

LINES = 400
HIT_EVERY = 8  # the first send of one object in so many meets the fault
ASKED = 1.0  # the seconds that a 429 asks to wait
LARGE = 10_000_000


def hit(request: Request) -> bool:
    return number(request) % HIT_EVERY == 1


def number(request: Request) -> int:
    return int(marker(request).rpartition("-")[2])


@pytest.mark.servers
@pytest.mark.parametrize(
    ("fault", "answered"),
    [
        (stay_silent(), False),
        (drop(), False),
        (break_off(), False),
        (break_off(chunked=True), False),
        (babble(), True),
        (say(b'{"error":{"message":"busy","code":503}}'), True),
        (refuse(500), True),
        (refuse(529, retry_after=0.2), True),
    ],
    ids=["silence", "dropped", "cut in the body", "cut in a chunk", "no HTTP", "an error in a success", "500", "overloaded"],
)
def test_what_the_upstream_spoils_is_sent_once_more(grown_up: Stage, fault: Answer, answered: bool) -> None:
    run = grown_up.begin(LINES, lambda request: fault if hit(request) and request.repeat == 1 else usual(request))

    grown_up.assert_one_outcome_each(run)

    keys = defaultdict(list)
    for name, key in grown_up.sent():
        keys[name].append(key)
    spoilt = {custom_id(row) for row in range(LINES) if row % HIT_EVERY == 1}
    assert {name: len(found) for name, found in keys.items()} == {
        custom_id(row): 1 + (custom_id(row) in spoilt) for row in range(LINES)
    }
    # A call that may have been carried out unanswered keeps its key; an answered one gets a new one.
    assert {len(set(keys[name])) for name in spoilt} == {2 if answered else 1}


@pytest.mark.servers
def test_a_storm_of_429_is_waited_out_and_nobody_comes_back_too_early(grown_up: Stage) -> None:
    refused: dict[str, list[float]] = defaultdict(list)

    def storm(request: Request) -> Answer:
        if request.number > LINES:
            return usual(request)
        refused[marker(request)].append(request.at)
        return refuse(429, retry_after=ASKED)

    run = grown_up.begin(LINES, storm)

    grown_up.assert_one_outcome_each(run)

    for request in grown_up.upstream.requests:
        assert not any(0 < request.at - at < ASKED for at in refused[marker(request)])


@pytest.mark.servers
def test_answers_of_ten_megabytes_are_kept_whole(grown_up: Stage) -> None:
    body = json.dumps({"choices": [{}], "text": "é" * (LARGE // 2)}, ensure_ascii=False).encode()
    run = grown_up.begin(100, lambda request: say(body) if number(request) % 10 == 1 else usual(request))

    output, _ = grown_up.results(grown_up.assert_one_outcome_each(run))

    assert {len(output[custom_id(row)]["response"]["body"]["text"]) for row in range(100) if row % 10 == 1} == {LARGE // 2}
    grown_up.assert_one_key_each()


@pytest.mark.servers
def test_an_answer_that_comes_twice_is_nobody_elses(grown_up: Stage) -> None:
    def twice(request: Request) -> Answer:
        body = json.dumps({"for": marker(request)}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        return Answer(raw=(head + body) * 2, hold_open=True) if hit(request) else succeed(body, delay=LATENCY)

    run = grown_up.begin(LINES, twice)

    output, error = grown_up.results(grown_up.assert_one_outcome_each(run))

    assert {name: line["response"]["body"]["for"] for name, line in output.items()} == {name: name for name in output}
    assert (len(output), error) == (LINES, {})
    assert len(grown_up.upstream.requests) == LINES


@pytest.mark.servers
def test_an_answer_that_comes_too_late_is_asked_for_again_under_the_same_key(grown_up: Stage) -> None:
    late = float(grown_up.portal.environment["REQUEST_TIMEOUT_SECONDS"]) + 1
    run = grown_up.begin(LINES, lambda request: succeed(delay=late) if hit(request) and request.repeat == 1 else usual(request))

    grown_up.assert_one_outcome_each(run)

    assert grown_up.repeated() == {custom_id(row) for row in range(LINES) if row % HIT_EVERY == 1}
    grown_up.assert_one_key_each()

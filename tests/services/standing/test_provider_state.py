"""The state of a provider, as a table of what is known and what is said."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from batches.models import ProviderHealth
from batches.services.standing.provider_state import ProviderCode, provider_state, spell
from providers.models import Provider

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SOON, JUST_NOW = NOW + timedelta(seconds=30), NOW - timedelta(seconds=3)
LONG_AGO = NOW - timedelta(minutes=3)
WORKING, DOWN, SILENT = ProviderCode.WORKING, ProviderCode.DOWN, ProviderCode.NOT_ANSWERING
OPEN = {"breaker": "open", "breaker_until": SOON, "failed_in_a_row": 515}
HELD = {"held_since": LONG_AGO, "hold_strikes": 7, "probe_at": SOON}


def health(**noted: Any) -> ProviderHealth:
    return ProviderHealth(**{"concurrency": 10, "updated_at": NOW, "answered_at": JUST_NOW} | noted)


def recent(calls: int, *, succeeded: int = 0, refused: int = 0, unanswered: int = 0) -> dict[str, int]:
    outcomes = {"recent_succeeded": succeeded, "recent_refused": refused, "recent_unanswered": unanswered}
    return {"recent_calls": calls, **outcomes}


@pytest.mark.parametrize(
    ("noted", "code", "sentence"),
    [
        ({}, WORKING, "0 calls are in flight to up; the limit is 10."),
        ({"in_flight": 1, "concurrency": 7}, WORKING, "1 call is in flight to up; the limit is 10, and 7 at present"),
        ({"updated_at": LONG_AGO, **recent(5)}, ProviderCode.IDLE, "Nothing is sent to up at present."),
        # A provider that does not work ...
        ({**OPEN, "breaker_kind": "connect_error"}, DOWN, "up is not reachable (515 calls in a row failed)."),
        ({**OPEN, "breaker_kind": "timeout"}, DOWN, "up does not answer (515 calls in a row failed)."),
        ({**OPEN, "breaker_kind": "server_error"}, DOWN, "up answers with errors (515 calls in a row failed)."),
        ({**OPEN, "breaker_kind": "of another release"}, DOWN, "up fails (515 calls in a row failed)."),
        ({**OPEN, "updated_at": LONG_AGO}, DOWN, "up fails"),
        ({**OPEN, "breaker": "half_open", "breaker_until": JUST_NOW}, DOWN, "up fails"),
        ({**OPEN, "breaker_until": JUST_NOW, "updated_at": LONG_AGO}, ProviderCode.IDLE, ""),
        # ... one that hangs: O4 ...
        (
            {"in_flight": 10, "oldest_sent_at": LONG_AGO, "answered_at": LONG_AGO},
            SILENT,
            "10 calls are in flight, the oldest for",
        ),
        (
            {"in_flight": 1, "oldest_sent_at": LONG_AGO, "answered_at": None},
            SILENT,
            "up does not answer: 1 call is in flight, for 3",
        ),
        ({"in_flight": 10, "oldest_sent_at": LONG_AGO}, WORKING, ""),  # others are answered
        ({"in_flight": 10, "oldest_sent_at": JUST_NOW, "answered_at": LONG_AGO}, WORKING, ""),  # they may still be
        (recent(4, unanswered=4), SILENT, "up does not answer: none of the last 4 calls was answered."),
        (recent(2, unanswered=2), WORKING, ""),
        (recent(4, succeeded=1, unanswered=3), WORKING, ""),
        # ... one that turns calls away: O3 ...
        (
            {**recent(100, refused=96), "concurrency": 7},
            ProviderCode.RATE_LIMITING,
            "Rate-limited by up: sending 7 at a time instead of 10, 96 of the last 100 calls turned away.",
        ),
        (recent(100, succeeded=88, refused=12), ProviderCode.RATE_LIMITING, "Rate-limited by up: 12 of the last 100 calls"),
        (recent(100, succeeded=90, refused=10), WORKING, ""),
        (recent(1, refused=1), WORKING, ""),
        ({**HELD, "hold_kind": "rate_limited"}, ProviderCode.RATE_LIMITING, "up asks to wait for more than a minute"),
        # ... one whose account fails, and one that answers with failures.
        ({**HELD, "hold_kind": "quota_exhausted"}, ProviderCode.ACCOUNT_PROBLEM, "up has an account problem (7 calls in a row"),
        ({**HELD, **OPEN, "hold_kind": "authentication", "updated_at": LONG_AGO}, ProviderCode.ACCOUNT_PROBLEM, ""),
        (recent(20, succeeded=9), ProviderCode.FAILING, "up answers, but 11 of the last 20 calls failed."),
        (recent(19, succeeded=1), WORKING, ""),
        ({"limited_until": SOON, "limited_reason": "60 a minute"}, ProviderCode.AT_LIMIT, "used up for the moment: 60 a minute."),
        ({"limited_until": JUST_NOW}, WORKING, ""),
    ],
)
def test_a_provider_is_what_the_first_of_its_facts_says(noted: dict[str, Any], code: ProviderCode, sentence: str) -> None:
    """O3, O4, O5: a provider that hung or was rate-limiting was working or throttled, and its numbers were slots."""
    found = provider_state(Provider(name="up", max_concurrency=10), health(**noted), now=NOW)
    assert found.code is code
    assert sentence in found.sentence
    assert found.sentence.endswith(".")


@pytest.mark.parametrize(
    ("noted", "code", "sentence"),
    [
        ({"concurrency": 4}, ProviderCode.RATE_LIMITING, "up asks to wait for more than a minute (7 calls in a row failed)."),
        ({"limited_until": SOON, "limited_reason": "60 a minute"}, ProviderCode.RATE_LIMITING, "up asks to wait"),
        (recent(5, succeeded=5), WORKING, "1 of its models is held: only test calls are sent there."),
        ({"updated_at": LONG_AGO}, ProviderCode.IDLE, ""),
        (OPEN, DOWN, ""),
    ],
)
def test_a_provider_whose_only_model_in_use_is_held_is_not_working(
    noted: dict[str, Any], code: ProviderCode, sentence: str
) -> None:
    """O3: all calls were turned away with a long wait, the batch was rate-limited, and its provider was working."""
    held = health(**HELD, hold_kind="rate_limited", model="m-1")
    found = provider_state(Provider(name="up", max_concurrency=10), health(**noted), models=[held, health(model="m-2")], now=NOW)
    assert found.code is code
    assert sentence in found.sentence
    assert found.is_trouble is (code is not WORKING and code is not ProviderCode.IDLE)


@pytest.mark.parametrize(
    ("noted", "is_trouble", "is_closed"),
    [
        (OPEN, True, True),
        (recent(4, unanswered=4), True, True),
        (recent(100, refused=96), True, True),
        (recent(100, succeeded=40, refused=60), True, False),
        (recent(100, succeeded=88, refused=12), False, False),
        (recent(20), False, False),
        ({}, False, False),
    ],
)
def test_it_is_trouble_when_hardly_any_call_succeeds(noted: dict[str, Any], is_trouble: bool, is_closed: bool) -> None:
    found = provider_state(Provider(name="up", max_concurrency=10), health(**noted), now=NOW)
    assert (found.is_trouble, found.is_closed) == (is_trouble, is_closed)


def test_acts_of_people_come_first(settings: Settings) -> None:
    down, provider = health(**OPEN), Provider(name="up")
    assert provider_state(provider, down, stopped=True, now=NOW).code is ProviderCode.SENDING_STOPPED
    assert provider_state(provider, None, now=NOW).code is ProviderCode.IDLE
    assert provider_state(Provider(name="up", enabled=False), down, stopped=True, now=NOW).code is ProviderCode.DISABLED
    settings.SIMULATOR = False
    assert provider_state(Provider(name="up", adapter="simulator"), down, now=NOW).code is ProviderCode.SWITCHED_OFF


def test_the_number_of_calls_in_flight_is_not_that_of_slots() -> None:
    """O5: 256 of 256 stood beside 18."""
    found = provider_state(Provider(name="up", max_concurrency=256), health(**OPEN, in_use=256, in_flight=18), now=NOW)
    assert (found.in_flight, found.limit) == (18, 256)


def test_every_state_has_a_word_and_a_meaning() -> None:
    assert {code.word for code in ProviderCode} >= {"Working", "Rate-limiting", "Not answering", "Down", "Account problem"}
    assert all(code.meaning.endswith(".") for code in ProviderCode)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (119.9, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (172_800, "2 days"), (-5, "0 s")],
)
def test_a_length_is_told_in_its_largest_unit(seconds: float, words: str) -> None:
    assert spell(timedelta(seconds=seconds)) == words

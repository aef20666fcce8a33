"""Reading what an upstream says is left of its rate limits."""

from datetime import UTC, datetime, timedelta

import pytest
from multidict import CIMultiDict

from providers.rate_limits import LONGEST, exhausted_for, seconds_until

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
IN_9 = (NOW + timedelta(seconds=9)).isoformat()
IN_20 = (NOW + timedelta(seconds=20)).isoformat()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("120ms", 0.12),
        ("1m30.5s", 90.5),
        ("2h", 7200.0),
        ("1h2m3s4ms", 3723.004),
        ("0s", 0.0),
        ("12", 12.0),
        ("0.25", 0.25),
        ("-3", 0.0),
        (str(NOW.timestamp() + 9), 9.0),
        (IN_9, 9.0),
        ("2026-11-21T08:00:09Z", 9.0),
        ("2026-11-21T09:00:09+01:00", 9.0),
        ("2026-11-21T08:00:09", 9.0),
        ("2026-11-21T07:00:00Z", 0.0),
        ("9999h", LONGEST),
        ("2027-11-21T08:00:00Z", LONGEST),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("1s and more", None),
    ],
)
def test_a_reset_in_every_spelling(raw: str, expected: float | None) -> None:
    found = seconds_until(raw, now=NOW)
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"x-request-id": "1", "Retry-After": "3"}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1s"}, 1.0),
        ({"X-RateLimit-Remaining-Requests": "0", "X-RateLimit-Reset-Requests": "1s"}, 1.0),
        ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "1s"}, None),
        ({"x-ratelimit-remaining-requests": "0"}, None),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, 360.0),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "120ms",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "2s",
            },
            2.0,
        ),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "120ms",
                "x-ratelimit-remaining-tokens": "999",
                "x-ratelimit-reset-tokens": "2s",
            },
            0.12,
        ),
        ({"anthropic-ratelimit-requests-remaining": "3", "anthropic-ratelimit-requests-reset": IN_9}, None),
        ({"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": IN_9}, 9.0),
        ({"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": "soon"}, None),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": IN_9,
                "anthropic-ratelimit-tokens-remaining": "0",
                "anthropic-ratelimit-tokens-reset": IN_20,
            },
            20.0,
        ),
        (
            {
                "anthropic-ratelimit-requests-remaining": "7",
                "anthropic-ratelimit-output-tokens-remaining": "0",
                "anthropic-ratelimit-output-tokens-reset": IN_20,
            },
            20.0,
        ),
    ],
)
def test_every_limit_that_is_used_up_has_to_be_filled_again(headers: dict[str, str], expected: float | None) -> None:
    assert exhausted_for(CIMultiDict(headers), now=NOW) == expected


SIX_MINUTES = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry-After": "1", **SIX_MINUTES}, 1.0),
        ({"retry-after-ms": "250", **SIX_MINUTES}, 0.25),
        ({"Retry-After": "600", **SIX_MINUTES}, 600.0),
        ({"Retry-After": "soon", **SIX_MINUTES}, 360.0),
        ({"Retry-After": "2", "anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": IN_20}, 2.0),
        ({"Retry-After": "2", "ratelimit-remaining": "0", "ratelimit-reset": "50"}, 2.0),
        ({"Retry-After": "1", "x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "6m0s"}, None),
    ],
)
def test_u12_retry_after_decides_where_there_is_one(headers: dict[str, str], expected: float | None) -> None:
    assert exhausted_for(CIMultiDict(headers), now=NOW) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-ratelimit-limit-requests": "100", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "60s"}, 0.6),
        ({**SIX_MINUTES, "x-ratelimit-limit-tokens": "36000"}, 0.01),
        (
            {
                "anthropic-ratelimit-requests-limit": "50",
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": IN_20,
            },
            0.4,
        ),
        ({"ratelimit-limit": "100;w=60", "ratelimit-remaining": "0", "ratelimit-reset": "60"}, 0.6),
        (
            {"x-ratelimit-limit": "20", "x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{(NOW.timestamp() + 9) * 1000:.0f}"},
            0.45,
        ),
        ({"x-ratelimit-limit-requests": "0", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "60s"}, 60.0),
        ({"x-ratelimit-limit-requests": "1", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "60s"}, 60.0),
        ({"x-ratelimit-limit-requests": "9", "x-ratelimit-remaining-requests": "-1", "x-ratelimit-reset-requests": "10s"}, 2.0),
        ({"x-ratelimit-limit-requests": "9", "x-ratelimit-remaining-requests": "0"}, None),
    ],
)
def test_u12_a_reset_is_the_refill_of_a_bucket(headers: dict[str, str], expected: float | None) -> None:
    found = exhausted_for(CIMultiDict(headers), now=NOW)
    assert found == (None if expected is None else pytest.approx(expected, abs=0.001))

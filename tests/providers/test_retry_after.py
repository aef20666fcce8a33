"""Reading how long an upstream asks to wait."""

from datetime import UTC, datetime

import pytest
from multidict import CIMultiDict

from providers.rate_limits import LONGEST, retry_after

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "30"}, 30.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"Retry-After": "Sat, 21 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"Retry-After": "Sat, 21 Nov 2026 12:00:30 -0000"}, 30.0),
        ({"Retry-After": "Sat, 21 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"Retry-After": "Sat, 99 Nov 2026 11:00:00 GMT"}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "nan"}, None),
        ({"retry-after-ms": "1500", "Retry-After": "30"}, 1.5),
        ({"retry-after-ms": "-1"}, 0.0),
        ({"retry-after-ms": "x", "Retry-After": "30"}, 30.0),
        ({"Retry-After": "60s"}, 60.0),
        ({"Retry-After": "1m30s"}, 90.0),
        ({"Retry-After": "250ms"}, 0.25),
        ({"Retry-After": "2026-11-21T12:00:09Z"}, 9.0),
        ({"Retry-After": " 7 "}, 7.0),
        ({"Retry-After": "-3"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "1e400"}, None),
    ],
)
def test_retry_after_in_every_spelling(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after(CIMultiDict(headers), now=NOW) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (f"{NOW.timestamp() + 30:.0f}", 30.0),
        (f"{NOW.timestamp() + 30:.3f}", 30.0),
        (f"{(NOW.timestamp() + 30) * 1000:.0f}", 30.0),
        (f"{(NOW.timestamp() + 30) * 1e6:.0f}", 30.0),
        (f"{NOW.timestamp() - 30:.0f}", 0.0),
    ],
)
def test_u7_a_number_that_can_only_be_a_moment_is_counted_from_now(raw: str, expected: float) -> None:
    for headers in ({"Retry-After": raw}, {"retry-after-ms": f"{float(raw) * 1000:.0f}"}):
        assert retry_after(CIMultiDict(headers), now=NOW) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("raw", ["86401", "999999999", "1e300", "9999h", "99999999999", "Fri, 21 Nov 2200 12:00:00 GMT"])
def test_u7_no_wait_is_taken_to_last_longer_than_a_day(raw: str) -> None:
    assert retry_after(CIMultiDict({"Retry-After": raw}), now=NOW) == LONGEST

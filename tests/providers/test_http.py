"""Reading how long an upstream asks to wait."""

from datetime import UTC, datetime

import pytest
from multidict import CIMultiDict

from providers.rate_limits import retry_after

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
    ],
)
def test_retry_after_in_every_spelling(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after(CIMultiDict(headers), now=NOW) == expected

"""What `limits` makes of arrivals."""

import pytest

from tests.benchmarks.limits import worst


@pytest.mark.parametrize(
    ("arrivals", "expected"),
    [([], 0), ([1.0], 1), ([0.0, 59.9, 60.0], 2), ([0.0, 30.0, 59.9, 60.0, 60.1], 4), ([0.0, 70.0, 71.0, 72.0], 3)],
)
def test_the_worst_minute_may_begin_at_any_time(arrivals: list[float], expected: int) -> None:
    assert worst(arrivals) == expected

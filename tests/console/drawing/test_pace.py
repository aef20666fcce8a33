"""The pace of a batch, from its counts by minute."""

from datetime import UTC, datetime, timedelta

import pytest

from batches.console.drawing.pace import recently
from batches.models import BatchMinute

NOW = datetime(2026, 1, 1, 12, 0, 40, tzinfo=UTC)
BEGUN = NOW - timedelta(hours=1)


def minutes(*settled: int) -> list[BatchMinute]:
    """So many objects that settled in this minute, in the one before, and so on."""
    this = NOW.replace(second=0)
    return [BatchMinute(minute=this - timedelta(minutes=ago), succeeded=count) for ago, count in enumerate(settled)]


@pytest.mark.parametrize(
    ("settled", "begun", "expected"),
    [
        ((100, 100, 100, 100, 100, 100), BEGUN, (100, 40.0)),
        ((100, 2, 2, 2, 2, 2), BEGUN, (100, 40.0)),  # a load that is gone does not count any more
        ((2, 2, 100), BEGUN, (104, 160.0)),
        ((1, 1, 1, 1, 1, 1, 1000), BEGUN, (6, 340.0)),  # too few: all of the last minutes count
        ((), BEGUN, (0, 340.0)),
        ((5, 5, 5), NOW - timedelta(seconds=70), (10, 70.0)),  # it was begun only then
        ((50,), NOW - timedelta(seconds=10), (50, 10.0)),
    ],
)
def test_it_is_measured_over_the_shortest_span_that_tells_it(
    settled: tuple[int, ...], begun: datetime, expected: tuple[int, float]
) -> None:
    """O23: an estimate remembered a load for five minutes after it was gone: 10 h where 75 min was true."""
    assert recently(begun, minutes(*settled), now=NOW) == expected

"""Periods that are asked for by a word, wherever their reader is."""

from datetime import datetime

import pytest
from django.utils import timezone

from batches.filters.periods import span_of

MORNING = "2026-11-22T09:30:00+00:00"


@pytest.mark.parametrize(
    ("period", "zone", "now", "begin", "end"),
    [
        ("90m", "UTC", MORNING, "2026-11-22T08:00:00+00:00", None),
        ("9999w", "UTC", MORNING, "1835-04-05T09:30:00+00:00", None),
        ("today", "UTC", MORNING, "2026-11-22T00:00:00+00:00", None),
        ("today", "Asia/Tokyo", MORNING, "2026-11-21T15:00:00+00:00", None),
        ("last_night", "UTC", MORNING, "2026-11-21T18:00:00+00:00", "2026-11-22T08:00:00+00:00"),
        ("last_night", "UTC", "2026-11-22T03:00:00+00:00", "2026-11-21T18:00:00+00:00", "2026-11-22T08:00:00+00:00"),
        ("last_night", "UTC", "2026-11-22T23:00:00+00:00", "2026-11-21T18:00:00+00:00", "2026-11-22T08:00:00+00:00"),
        ("last_night", "America/New_York", MORNING, "2026-11-21T23:00:00+00:00", "2026-11-22T13:00:00+00:00"),
        # The clocks go forward in this night, which is an hour shorter.
        ("last_night", "Europe/Berlin", "2026-03-29T10:00:00+00:00", "2026-03-28T17:00:00+00:00", "2026-03-29T06:00:00+00:00"),
    ],
)
def test_o25_a_period_begins_and_ends_where_its_reader_is(period: str, zone: str, now: str, begin: str, end: str | None) -> None:
    """O25: there was no preset for last night."""
    with timezone.override(zone):
        span = span_of(period, now=datetime.fromisoformat(now))
    assert span == (datetime.fromisoformat(begin), datetime.fromisoformat(end) if end else None)

"""The pace of a batch, and the time when it will be done, from its counts per minute."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from batches.console.drawing.charts import Sparkline
from batches.models import Batch, BatchMinute
from batches.rules.states import BatchStatus
from batches.services.tally.assess import RECENT, is_at_risk

MINUTE = timedelta(minutes=1)
MOST_MINUTES = 120  # only so many latest minutes are drawn


@dataclass(frozen=True, slots=True)
class Pace:
    """The pace of a batch: objects `per_minute` over the last minutes. `done_at` is None while no object settles.

    `late` is the result of the task `assess`.
    """

    per_minute: float
    done_at: datetime | None
    late: bool


def latest_minutes(batch: Batch) -> list[BatchMinute]:
    """The latest minutes with any event, in order of time."""
    return list(BatchMinute.objects.filter(batch=batch).order_by("-minute")[:MOST_MINUTES])[::-1]


def pace(batch: Batch, minutes: Sequence[BatchMinute], *, now: datetime) -> Pace | None:
    """The pace of a running batch; None for any other batch."""
    if batch.status != BatchStatus.IN_PROGRESS or batch.in_progress_at is None:
        return None
    begun = max(batch.in_progress_at, _whole(now - RECENT))
    settled = sum(row.succeeded + row.failed for row in minutes if row.minute >= _whole(begun))
    seconds, remaining = (now - begun).total_seconds(), batch.counts.pending
    late = is_at_risk(
        remaining=remaining,
        recent=settled,
        seconds=seconds,
        left=batch.expires_at - now,
        window=batch.expires_at - batch.created_at,
    )
    if not settled:
        return Pace(0, None, late)
    per_minute = settled / (max(seconds, 1) / 60)
    return Pace(per_minute, now + timedelta(minutes=min(remaining / per_minute, 60 * 24 * 365)), late)


def course(batch: Batch, minutes: Sequence[BatchMinute], *, now: datetime) -> Sparkline | None:
    """The objects of each minute, up to the last full minute; None if there are too few minutes for a line."""
    settled = {row.minute: row.succeeded + row.failed for row in minutes}
    if not settled:
        return None
    last = max(settled) if batch.is_terminal else _whole(now) - MINUTE
    first = max(min(settled), last - MINUTE * (MOST_MINUTES - 1))
    values = [settled.get(first + MINUTE * number, 0) for number in range((last - first) // MINUTE + 1)]
    return Sparkline(values, "Requests a minute") if len(values) > 1 else None


def _whole(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)

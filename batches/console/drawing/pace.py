"""The pace of a batch, and the time when it will be done, from its counts per minute."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from batches.console.drawing.charts import Sparkline
from batches.models import Batch, BatchMinute
from batches.rules.execution import Execution
from batches.rules.states import BatchStatus
from batches.services.tally.late_batches import RECENT, is_at_risk

MINUTE = timedelta(minutes=1)
ENOUGH = 20  # so many objects tell a pace within about a fifth
LEAST_SECONDS = 30.0  # outcomes are recorded in flushes, so that a shorter span says little
MOST_MINUTES = 120  # only so many latest minutes are drawn


@dataclass(frozen=True, slots=True)
class Pace:
    """The pace of a batch: objects `per_minute` lately. `done_at` is None while no object settles.

    `late` is the rule of the task `assess`; of a delegated batch it is what was decided about its provider jobs.
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
    settled, seconds = recently(batch.in_progress_at, minutes, now=now)
    late = batch.at_risk_since is not None
    if batch.execution == Execution.DIRECT:
        late = is_at_risk(
            remaining=batch.counts.pending,
            recent=settled,
            seconds=seconds,
            left=batch.expires_at - now,
            window=batch.expires_at - batch.created_at,
        )
    if not settled:
        return Pace(0, None, late)
    per_minute = settled / (max(seconds, 1) / 60)
    return Pace(per_minute, now + timedelta(minutes=min(batch.counts.pending / per_minute, 60 * 24 * 365)), late)


def recently(begun: datetime, minutes: Sequence[BatchMinute], *, now: datetime) -> tuple[int, float]:
    """How many objects settled lately, and in how many seconds.

    It is the shortest span of the last minutes in which ENOUGH objects settled, so that a load or a trouble that is over does not
    count any more; else all of RECENT.
    """
    settled, seconds = 0, 0.0
    for number in range(RECENT // MINUTE + 1):
        start = _whole(now) - number * MINUTE
        settled += sum(row.succeeded + row.failed for row in minutes if row.minute == start)
        seconds = (now - max(begun, start)).total_seconds()
        if start <= begun or (settled >= ENOUGH and seconds >= LEAST_SECONDS):
            break
    return settled, seconds


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

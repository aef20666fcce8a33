"""How fast a running batch goes, and when it will be done."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from batches.models import Batch, BatchObject
from batches.states import BatchStatus

WINDOW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Pace:
    """`per_minute` over the last minutes. `done_at` is None while nothing moves; `late` when that is past the deadline."""

    per_minute: float
    done_at: datetime | None
    late: bool


def pace(batch: Batch, *, now: datetime) -> Pace | None:
    """The pace of a batch that runs; None for any other."""
    if batch.status != BatchStatus.IN_PROGRESS or batch.in_progress_at is None:
        return None
    since = max(batch.in_progress_at, now - WINDOW)
    settled = BatchObject.objects.filter(batch=batch, settled_at__gte=since).count()
    minutes = max((now - since).total_seconds(), 1) / 60
    per_minute = settled / minutes
    if not settled:
        return Pace(0, None, late=now >= batch.expires_at)
    done_at = now + timedelta(minutes=min(batch.counts.pending / per_minute, 60 * 24 * 365))
    return Pace(per_minute, done_at, late=done_at > batch.expires_at)

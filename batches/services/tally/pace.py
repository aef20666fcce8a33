"""pace: count the objects and attempts that each batch recorded in each minute."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from django.db.models import F, Sum
from uuid_utils.compat import uuid7

from batches.models import BatchMinute, bulk
from batches.rules.execution import Execution
from batches.services.tally.attempts import TURNED_AWAY
from batches.services.tally.outcomes import Settled, Tried
from providers.base import Success

_COUNTED = ("succeeded", "failed", "retried", "throttled", "latency_ms")


def note_pace(settled: Sequence[Settled], tried: Sequence[Tried], *, now: datetime) -> None:
    """Add recorded outcomes to the present minute of their batches, in the transaction that records them."""
    counts: dict[uuid.UUID, list[int]] = {}
    for item in settled:
        count = counts.setdefault(item.batch_id, [0] * len(_COUNTED))
        count[0 if isinstance(item.outcome, Success) else 1] += 1
        count[4] += item.latency_ms or 0
    for attempt in tried:
        count = counts.setdefault(attempt.batch_id, [0] * len(_COUNTED))
        count[2] += 1
        count[3] += attempt.failure.kind in TURNED_AWAY
    minute = now.replace(second=0, microsecond=0)
    rows = [(uuid7(), batch_id, minute, *count) for batch_id, count in sorted(counts.items())]
    bulk.add(BatchMinute, ("id", "batch", "minute", *_COUNTED), rows, keys=("batch", "minute"), added=_COUNTED)


def call_seconds(provider_id: uuid.UUID, *, since: datetime) -> float | None:
    """How long a direct call to a provider has taken on average since then; None if none was made.

    Batches with other ways of being carried out do not count: their rows of provider jobs have no latency.
    """
    minutes = BatchMinute.objects.filter(minute__gte=since, batch__provider=provider_id, batch__execution=Execution.DIRECT)
    found = minutes.aggregate(calls=Sum(F("succeeded") + F("failed")), latency=Sum("latency_ms"))
    return found["latency"] / found["calls"] / 1000 if found["calls"] and found["latency"] else None

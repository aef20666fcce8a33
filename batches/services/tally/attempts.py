"""attempts: count the direct calls that an executor has recorded, by provider: their kinds and how long they took."""

import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set

from batches.models import Batch
from batches.services.tally.outcomes import Settled, Tried
from batches.services.telemetry.catalogue import ATTEMPT_SECONDS, ATTEMPTS, THROTTLES
from batches.services.telemetry.counts import count, observe
from providers.base import Failure
from providers.failures import Kind

SUCCEEDED = "succeeded"  # the kind of a call that succeeded
TURNED_AWAY = frozenset({Kind.RATE_LIMITED, Kind.OVERLOADED})


def count_attempts(
    settled: Sequence[Settled], tried: Sequence[Tried], batches: Mapping[uuid.UUID, Batch], *, lost: Set[uuid.UUID]
) -> None:
    """Count these calls, but for those of lost slices, which are not on record. Call it when the others are."""
    kinds: Counter[tuple[uuid.UUID, Kind | None]] = Counter()
    took: defaultdict[uuid.UUID, list[float]] = defaultdict(list)
    for item in settled:
        if item.slice_id not in lost:
            outcome = item.outcome
            kind = outcome.kind if isinstance(outcome, Failure) else None
            provider_id = batches[item.batch_id].provider_id
            kinds[provider_id, kind] += 1
            if kind is not Kind.PORTAL and item.latency_ms is not None:  # else no call was made
                took[provider_id].append(item.latency_ms / 1000)
    for attempt in tried:
        if attempt.slice_id not in lost:
            provider_id = batches[attempt.batch_id].provider_id
            kinds[provider_id, attempt.failure.kind] += 1
            took[provider_id].append(attempt.latency_ms / 1000)
    for (provider_id, kind), number in kinds.items():
        count(ATTEMPTS, provider_id.hex, SUCCEEDED if kind is None else kind.value, by=number)
        if kind in TURNED_AWAY:
            count(THROTTLES, provider_id.hex, by=number)
    for provider_id, seconds in took.items():
        observe(ATTEMPT_SECONDS, provider_id.hex, seconds=seconds)

"""hand_over: lay provider jobs over the open slices of a batch."""

import logging
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Q
from uuid_utils.compat import uuid7

from batches.models import Batch, ProviderJob, Slice
from batches.models.batch import BatchQuerySet
from batches.rules.execution import Execution
from batches.rules.states import BatchStatus
from batches.services.core import wake
from batches.services.delegation.give_up import fail_lost
from batches.services.delegation.wire_ids import marker_of
from batches.services.policy.execution import profile_of
from providers.jobs.profiles import Profile

logger = logging.getLogger(__name__)

BATCHES_AT_ONCE = 20
ROW_OVERHEAD = 160  # bytes of a row's id and of what its family puts around the body, at most
FILLED = 0.9  # of what a provider allows, a job takes at most this part


@dataclass(frozen=True, slots=True)
class Size:
    """The most that one job may hold."""

    rows: int
    bytes: int


def size_for(profile: Profile) -> Size:
    """The size of jobs at this kind of batch API: small ones, so that each comes home on its own."""
    return Size(min(settings.JOB_ROWS, int(profile.rows * FILLED)), min(settings.JOB_BYTES, int(profile.bytes * FILLED)))


def hand_over_some(*, now: datetime) -> int:
    """Lay jobs over the slices of batches that are to be handed over and have slices without a job. How many batches."""
    found = list(_waiting().order_by("created_at").values_list("pk", flat=True)[:BATCHES_AT_ONCE])
    for batch_id in found:
        hand_over(batch_id, now=now)
    return len(found)


def anything_to_hand_over() -> bool:
    """Whether a batch waits for its jobs."""
    return _waiting().exists()


def _waiting() -> BatchQuerySet:
    free = Exists(Slice.objects.filter(batch=OuterRef("pk"), pending__gt=0, provider_job=None))
    hybrid = Q(execution=Execution.HYBRID, taken_back_at=None)
    return Batch.objects.filter(free, hybrid | Q(execution=Execution.DELEGATED), status=BatchStatus.IN_PROGRESS)


@transaction.atomic
def hand_over(batch_id: uuid.UUID, *, now: datetime) -> list[ProviderJob]:
    """Lay jobs over every open slice of a running batch that has none. The new jobs; none if there was nothing to do.

    Requests that were in JOB_ATTEMPTS jobs already and came home from none of them fail.
    """
    running = Batch.objects.select_for_update(no_key=True, of=("self",)).select_related("provider")
    batch = running.filter(pk=batch_id, status=BatchStatus.IN_PROGRESS).first()
    if batch is None or not Execution(batch.execution).is_handed_over:
        return []
    profile = profile_of(batch.provider)
    if profile is None:  # an operator took the provider's batch API away, or the batch was moved
        _send_directly(batch, now=now)
        return []
    free = Slice.objects.select_for_update(of=("self",)).filter(batch=batch, pending__gt=0, provider_job=None)
    pieces = list(free.order_by("first_line"))
    attempts = _attempts(batch)
    jobs: list[ProviderJob] = []
    laid: list[tuple[ProviderJob, Sequence[Slice]]] = []
    for some in grouped(pieces, size_for(profile)):
        attempt = 1 + max(attempts.get(piece.first_line, 0) for piece in some)
        if attempt > settings.JOB_ATTEMPTS:
            fail_lost(batch, some, attempts=attempt - 1, now=now)
            continue
        job = _new_job(batch, profile, some, attempt=attempt, now=now)
        jobs.append(job)
        laid.append((job, some))
    ProviderJob.objects.bulk_create(jobs)
    for job, group in laid:
        Slice.objects.filter(pk__in=[piece.pk for piece in group]).update(provider_job=job, not_before=None)
    if jobs:
        wake.delegate()
    return jobs


def _send_directly(batch: Batch, *, now: datetime) -> None:
    """Let the executors carry out what has no job, if the batch may be sent directly at all."""
    if batch.execution == Execution.HYBRID:
        Batch.objects.filter(pk=batch.pk, taken_back_at=None).update(taken_back_at=now)
        wake.execute()


def grouped(pieces: Sequence[Slice], size: Size) -> Iterator[list[Slice]]:
    """Runs of consecutive slices that fit into one job. A slice that is too large by itself is a job by itself."""
    group = list[Slice]()
    rows = taken = 0
    for piece in pieces:
        weight = piece.input_end - piece.input_start + piece.total * ROW_OVERHEAD
        is_next = bool(group) and group[-1].last_line + 1 == piece.first_line
        if group and not (is_next and rows + piece.pending <= size.rows and taken + weight <= size.bytes):
            yield group
            group, rows, taken = [], 0, 0
        group.append(piece)
        rows, taken = rows + piece.pending, taken + weight
    if group:
        yield group


def _attempts(batch: Batch) -> dict[int, int]:
    """How many jobs each slice was in that came back from some, by its first line."""
    found: dict[int, int] = {}
    ended = ProviderJob.objects.filter(batch=batch).values("first_line", "last_line").annotate(attempt=Max("attempt"))
    spans = [(row["first_line"], row["last_line"], row["attempt"]) for row in ended.order_by()]
    if not spans:
        return found
    lines = Slice.objects.filter(batch=batch, pending__gt=0, provider_job=None).values_list("first_line", flat=True)
    for line in lines:
        found[line] = max((attempt for first, last, attempt in spans if first <= line <= last), default=0)
    return found


def _new_job(batch: Batch, profile: Profile, group: Sequence[Slice], *, attempt: int, now: datetime) -> ProviderJob:
    pk = uuid7()
    return ProviderJob(
        id=pk,
        batch=batch,
        provider=batch.provider,
        family=profile.name,
        model=batch.model,
        window=profile.windows[0],
        marker=marker_of(pk),
        attempt=attempt,
        first_line=group[0].first_line,
        last_line=group[-1].last_line,
        rows=sum(piece.pending for piece in group),
        created_at=now,
        updated_at=now,
        poll_at=now,
    )

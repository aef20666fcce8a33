"""hand_over: lay provider jobs over the open slices of a batch."""

import logging
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Exists, Max, OuterRef
from uuid_utils.compat import uuid7

from batches.models import Batch, Event, ProviderJob, Slice
from batches.models.batch import BatchQuerySet
from batches.rules.actors import ENGINE
from batches.rules.display.counted import counted
from batches.rules.execution import Execution, Recall
from batches.rules.states import Act, BatchStatus
from batches.rules.wire_ids import marker_of
from batches.services.control.pause import pause
from batches.services.core import wake
from batches.services.core.lease import is_free
from batches.services.delegation.give_up import fail_lost
from batches.services.delegation.take_back import recall_at, send_directly, tell
from batches.services.policy.execution import obstacle_of, profile_of
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
    """Lay jobs over the slices of batches that are to be handed over and have slices without a job. How many got jobs.

    A batch that cannot be handed over keeps no other one from it.
    """
    done = 0
    order = ("-precedence", "-priority", "created_at")
    for batch_id in list(_waiting(now=now).order_by(*order).values_list("pk", flat=True)[:BATCHES_AT_ONCE]):
        try:
            done += bool(hand_over(batch_id, now=now))
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("batch %s could not be handed over", batch_id)
    return done


def anything_to_hand_over(*, now: datetime) -> bool:
    """Whether a batch waits for its jobs."""
    return _waiting(now=now).exists()


def _waiting(*, now: datetime) -> BatchQuerySet:
    """The batches with slices for jobs. A paused batch gets none, nor does one whose requests were taken back."""
    free = Exists(Slice.objects.filter(is_free(now), batch=OuterRef("pk"), pending__gt=0, provider_job=None))
    handed_over = [Execution.HYBRID, Execution.DELEGATED]
    return Batch.objects.filter(
        free, execution__in=handed_over, taken_back_at=None, paused_at=None, status=BatchStatus.IN_PROGRESS
    )


@transaction.atomic
def hand_over(batch_id: uuid.UUID, *, now: datetime) -> list[ProviderJob]:
    """Lay jobs over every open slice of a running batch that has none. The new jobs; none if there was nothing to do.

    Requests that were in JOB_ATTEMPTS jobs already and came home from none of them fail.
    """
    running = Batch.objects.select_for_update(no_key=True, of=("self",)).select_related("provider", "project")
    batch = running.filter(pk=batch_id, status=BatchStatus.IN_PROGRESS).first()
    if batch is None or not Execution(batch.execution).is_handed_over:
        return []
    free = Slice.objects.select_for_update(of=("self",)).filter(batch=batch, pending__gt=0, provider_job=None)
    # Executors may still hold slices of a batch that was moved a moment ago.
    pieces = list(free.filter(is_free(now)).order_by("first_line"))
    open_requests = sum(piece.pending for piece in pieces)
    if not pieces:
        return []
    profile = profile_of(batch.provider)
    problem = obstacle_of(batch, provider=batch.provider)
    if problem or profile is None:
        _go_on_without(batch, problem, requests=open_requests, now=now)
        return []
    if now >= recall_at(batch, family=profile.name, open_requests=open_requests):
        _too_late(batch, requests=open_requests, now=now)
        return []
    attempts = _attempts(batch, pieces)
    laid: list[tuple[ProviderJob, Sequence[Slice]]] = []
    for some in grouped(pieces, size_for(profile)):
        attempt = 1 + max(attempts[piece.first_line] for piece in some)
        if attempt > settings.JOB_ATTEMPTS:
            fail_lost(batch, some, attempts=attempt - 1, now=now)
            continue
        job = _new_job(batch, profile, some, attempt=attempt, now=now)
        laid.append((job, some))
    jobs = ProviderJob.objects.bulk_create(job for job, _ in laid)
    for job, group in laid:
        Slice.objects.filter(pk__in=[piece.pk for piece in group]).update(provider_job=job, not_before=None)
    if jobs:
        rows = sum(job.rows for job in jobs)
        many = f"{counted(rows, 'request')} in {counted(len(jobs), 'job')}"
        tell(batch, Act.HANDED_OVER, f"{many}, at {batch.provider}.", now=now)
        wake.delegate()
    return jobs


def _go_on_without(batch: Batch, problem: str, *, requests: int, now: datetime) -> None:
    """Go on with requests that may not be handed over any more. A hybrid batch is sent directly.

    A delegated batch is paused: whoever asked for it did not ask for the price of direct calls.
    """
    if batch.execution == Execution.HYBRID:
        send_directly(batch, requests=requests, why=problem, now=now)
    else:
        pause(batch, actor=ENGINE, now=now, reason=problem)


def _too_late(batch: Batch, *, requests: int, now: datetime) -> None:
    """Create no job that would be taken back at once. A hybrid batch is sent directly; in a delegated one the rest expires."""
    why = "A job would miss the deadline."
    if batch.execution == Execution.HYBRID:
        send_directly(batch, requests=requests, why=why, now=now)
    elif Batch.objects.filter(pk=batch.pk, taken_back_at=None).update(taken_back_at=now):
        many = counted(requests, "request")
        tell(batch, Act.TAKEN_BACK, f"{many} will expire. {why}", now=now)


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


def _attempts(batch: Batch, pieces: Sequence[Slice]) -> dict[int, int]:
    """How many jobs at its provider each of these slices was in and came back from, by its first line.

    A job counts only if the provider had it and nobody took it back. After a retry of failed requests counting begins anew.
    """
    had = ProviderJob.objects.filter(batch=batch, provider=batch.provider_id, started_at__isnull=False)
    had = had.exclude(recall=Recall.PERSON)
    retried_at = Event.objects.filter(batch=batch, act=Act.RETRIED).aggregate(latest=Max("created_at"))["latest"]
    if retried_at is not None:
        had = had.filter(created_at__gt=retried_at)
    ended = had.values("first_line", "last_line").annotate(attempt=Max("attempt"))
    spans = [(row["first_line"], row["last_line"], row["attempt"]) for row in ended.order_by()]
    lines = [piece.first_line for piece in pieces]
    return {line: max((attempt for first, last, attempt in spans if first <= line <= last), default=0) for line in lines}


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

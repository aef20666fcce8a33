"""finalize: give every object an outcome, write the result files, and end the batch."""

import logging
import uuid
from contextlib import ExitStack
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from uuid_utils.compat import uuid7

from batches.models import COUNT_FIELDS, Batch, BatchError, BatchObject, File, ProviderJob, Slice
from batches.rules.actors import ENGINE
from batches.rules.execution import JobState
from batches.rules.states import BatchStatus, ObjectStatus
from batches.services.core.direct import stopped_lately
from batches.services.core.lease import at_work, hold, lease_batch
from batches.services.core.transition import transition
from batches.services.lifecycle.layout import clear, lay_out_unchecked
from batches.services.lifecycle.result_writer import Inconsistent, ResultFiles, result_files
from batches.services.storage.store import undone_on_error
from batches.services.tally.recount import recount
from batches.services.tally.recoveries import count_recoveries, lock_lineage
from batches.services.tally.result_rows import Uncalled, insert_uncalled
from batches.services.telemetry.catalogue import OBJECTS_SETTLED
from batches.services.telemetry.counts import count_on_commit

logger = logging.getLogger(__name__)

SLICES_A_TRANSACTION = 20
STORED_A_SECOND = 1024**2  # bytes; with a slower file storage the lease may end, and the work be done twice
WINDING_UP = frozenset({BatchStatus.FINALIZING, BatchStatus.CANCELLING})
UNCHECKED = frozenset({BatchStatus.VALIDATING})


def finalize(batch_id: uuid.UUID, *, now: datetime) -> None:
    """End a batch that has nothing left to run. The call may be repeated at any time, and does nothing while it is too early.

    It also ends a batch whose deadline passed before its validation, if its requests came with the create call: these requests
    are known, and each gets its line in the error file.
    """
    begin(batch_id, now=now)
    owner = uuid7()
    batch = lease_batch(batch_id, statuses=WINDING_UP, owner=owner, now=now) or lease_batch(
        batch_id, statuses=UNCHECKED, owner=owner, now=now, among=Q(expires_at__lte=now, pending__gt=0)
    )
    if batch is None:
        return
    with at_work(batch):
        if not _must_wait(batch, now=now):
            _wind_up(batch)


@transaction.atomic
def begin(batch_id: uuid.UUID, *, now: datetime) -> None:
    """Wind a running batch up when every object has settled. The lock keeps a retry from making objects pending meanwhile."""
    batch = Batch.objects.select_for_update(no_key=True).filter(pk=batch_id, status=BatchStatus.IN_PROGRESS).first()
    if batch and not batch.slices.filter(pending__gt=0).exists():
        transition(batch, BatchStatus.FINALIZING, actor=ENGINE, now=now)


def _must_wait(batch: Batch, *, now: datetime) -> bool:
    """Whether requests may be in flight that can still settle."""
    if batch.status in UNCHECKED:
        return False
    since = batch.cancelling_at if batch.status == BatchStatus.CANCELLING else batch.finalizing_at
    assert since is not None
    if Batch.objects.filter(waits_for_jobs(now), pk=batch.pk).exists():
        return True
    if now >= since + timedelta(seconds=settings.CANCEL_GRACE_SECONDS):
        return False
    return batch.slices.filter(pending__gt=0, lease_expires_at__gt=now).exists()


def waits_for_jobs(now: datetime) -> Q:
    """The condition of a batch whose jobs at its provider still bring rows home, after it was cancelled or its deadline."""
    jobs = ProviderJob.objects.filter(batch=OuterRef("pk"), released_at=None)
    coming = Q(Exists(jobs.filter(state=JobState.COLLECTING)), status=BatchStatus.FINALIZING)
    at_work = jobs.filter(state__in=[JobState.SENDING, JobState.RUNNING, JobState.COLLECTING])
    unfinished = Exists(Slice.objects.filter(batch=OuterRef("pk"), pending__gt=0))
    return Q(unfinished) & stopped_lately(now) & (coming | Q(Exists(at_work), status=BatchStatus.CANCELLING))


def _wind_up(batch: Batch) -> None:
    if batch.in_progress_at is None:
        clear(batch)  # the batch was cancelled before its input was checked to the end
        if batch.announced:
            lay_out_unchecked(batch)
    reason = BatchError.objects.filter(batch=batch, line=None).first()
    while _close_some(batch, reason):
        pass
    batch.count_again()
    with result_files(batch) as files:
        _end(batch, files, _outcome(batch, reason))


def _outcome(batch: Batch, reason: BatchError | None) -> BatchStatus:
    if batch.status == BatchStatus.CANCELLING:
        return BatchStatus.CANCELLED
    if reason is not None:
        return BatchStatus.FAILED
    return BatchStatus.EXPIRED if batch.counts.expired or batch.status in UNCHECKED else BatchStatus.COMPLETED


@transaction.atomic
def _close_some(batch: Batch, reason: BatchError | None) -> bool:
    """Give pending objects of some slices their outcome. The new epoch fences off executors that still hold the slices."""
    hold(batch)
    open_slices = batch.slices.select_for_update().filter(pending__gt=0).order_by("pk")
    pieces = list(open_slices[:SLICES_A_TRANSACTION])
    if not pieces:
        return False
    now = timezone.now()
    identifiers = [piece.pk for piece in pieces]
    Slice.objects.filter(pk__in=identifiers).update(lease_epoch=F("lease_epoch") + 1, lease_owner=None, lease_expires_at=None)
    fate, closed = _fate(batch, reason), 0
    for piece in pieces:
        lines = BatchObject.objects.filter(batch=batch, line__gte=piece.first_line, line__lte=piece.last_line)
        pending = lines.filter(status=ObjectStatus.PENDING)
        if reason is not None:
            _insert_reasons(batch, list(pending.values_list("line", "round")), reason, now=now)
        closed += pending.update(status=fate, settled_at=now)
    recount(identifiers)
    count_on_commit(OBJECTS_SETTLED, fate, by=closed)
    return True


def _fate(batch: Batch, reason: BatchError | None) -> ObjectStatus:
    if batch.status == BatchStatus.CANCELLING:
        return ObjectStatus.CANCELLED
    return ObjectStatus.EXPIRED if reason is None else ObjectStatus.FAILED


def _insert_reasons(batch: Batch, lines: list[tuple[int, int]], reason: BatchError, *, now: datetime) -> None:
    """Insert the results of objects that fail with their batch."""
    failures = (Uncalled(line, round_, reason.code, reason.message) for line, round_ in lines)
    insert_uncalled(batch, failures, kind="", now=now)


def _end(batch: Batch, files: ResultFiles, outcome: BatchStatus) -> None:
    counts = batch.counts
    if not files.is_whole:
        raise Inconsistent(
            f"{batch}: {files.output.lines} output and {files.error.lines} error lines,"
            f" but {counts.succeeded} of {counts.total} succeeded"
        )
    now = timezone.now()
    hold(batch, more=timedelta(seconds=(files.output.size + files.error.size) / STORED_A_SECOND))
    stored: dict[str, File] = {}
    with ExitStack() as kept:
        for column, file in files.store(now=now):
            kept.enter_context(undone_on_error(file))
            stored[column] = file
        _record(batch, files, outcome, stored, now=now)


@transaction.atomic
def _record(batch: Batch, files: ResultFiles, outcome: BatchStatus, stored: dict[str, File], *, now: datetime) -> None:
    if batch.parent_id is not None:
        lock_lineage(batch)  # first, because two retries of one batch may end at once
    hold(batch)
    for file in stored.values():
        file.save(force_insert=True)
    files.record_ranges()
    frozen = {name: getattr(batch.counts, name) for name in COUNT_FIELDS}
    output, error = stored.get("output_file"), stored.get("error_file")
    transition(batch, outcome, actor=ENGINE, now=now, output_file=output, error_file=error, **frozen)
    if batch.parent_id is not None:
        count_recoveries(batch)

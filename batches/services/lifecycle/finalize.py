"""finalize: give every object an outcome, write the result files, and end the batch."""

import logging
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from operator import attrgetter
from time import monotonic
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from uuid_utils.compat import uuid7

from batches.models import COUNT_FIELDS, Batch, BatchError, BatchObject, File, Purpose, Slice, bulk
from batches.rules.actors import ENGINE
from batches.rules.states import BatchStatus, ObjectStatus
from batches.services.core.lease import at_work, hold, lease_batch
from batches.services.core.transition import transition
from batches.services.lifecycle.validate import clear, lay_out
from batches.services.results.object_result import ObjectResult, result_line
from batches.services.results.results import results
from batches.services.storage.store import undone_on_error, write
from batches.services.tally.recount import recount
from batches.services.tally.result_rows import Uncalled, insert_uncalled

logger = logging.getLogger(__name__)

SLICES_A_TRANSACTION = 20
SPOOLED_AT_ONCE = 256 * 1024  # bytes
STORED_A_SECOND = 1024**2  # bytes; a remote file storage that is slower than this may see the work done twice
WINDING_UP = frozenset({BatchStatus.FINALIZING, BatchStatus.CANCELLING})
UNCHECKED = frozenset({BatchStatus.VALIDATING})


class Inconsistent(Exception):
    """The result files do not hold what the counts say."""


def finalize(batch_id: uuid.UUID, *, now: datetime) -> None:
    """End a batch that has nothing left to run. May be called again at any time; does nothing while it is too early.

    It also ends a batch whose deadline passed before its validation, if its requests came with the create call: they are
    known, and each has its line in the error file.
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
    """Move a running batch on when every object has settled. The lock keeps a retry from making one pending meanwhile."""
    batch = Batch.objects.select_for_update(no_key=True).filter(pk=batch_id, status=BatchStatus.IN_PROGRESS).first()
    if batch and not batch.slices.filter(pending__gt=0).exists():
        transition(batch, BatchStatus.FINALIZING, actor=ENGINE, now=now)


def _must_wait(batch: Batch, *, now: datetime) -> bool:
    """Whether something is in flight that may still settle."""
    if batch.status in UNCHECKED:
        return False
    since = batch.cancelling_at if batch.status == BatchStatus.CANCELLING else batch.finalizing_at
    assert since is not None
    if now >= since + timedelta(seconds=settings.CANCEL_GRACE_SECONDS):
        return False
    return batch.slices.filter(pending__gt=0, lease_expires_at__gt=now).exists()


def _wind_up(batch: Batch) -> None:
    if batch.in_progress_at is None:
        clear(batch)  # cancelled before its input was checked to the end
        if batch.announced:
            lay_out(batch)
    reason = BatchError.objects.filter(batch=batch, line=None).first()
    while _close_some(batch, reason):
        pass
    batch.count_again()
    with ResultFiles(batch) as files:
        found = results(batch)
        for piece in batch.slices.order_by("first_line"):
            files.add(piece, islice(found, piece.total))
        _end(batch, files, _outcome(batch, reason))


def _outcome(batch: Batch, reason: BatchError | None) -> BatchStatus:
    if batch.status == BatchStatus.CANCELLING:
        return BatchStatus.CANCELLED
    if reason is not None:
        return BatchStatus.FAILED
    return BatchStatus.EXPIRED if batch.counts.expired or batch.status in UNCHECKED else BatchStatus.COMPLETED


@transaction.atomic
def _close_some(batch: Batch, reason: BatchError | None) -> bool:
    """Give pending objects of some slices their outcome. The new epoch fences off whoever still works on them."""
    hold(batch)
    open_slices = batch.slices.select_for_update().filter(pending__gt=0).order_by("pk")
    pieces = list(open_slices[:SLICES_A_TRANSACTION])
    if not pieces:
        return False
    now = timezone.now()
    identifiers = [piece.pk for piece in pieces]
    Slice.objects.filter(pk__in=identifiers).update(lease_epoch=F("lease_epoch") + 1, lease_owner=None, lease_expires_at=None)
    for piece in pieces:
        lines = BatchObject.objects.filter(batch=batch, line__gte=piece.first_line, line__lte=piece.last_line)
        pending = lines.filter(status=ObjectStatus.PENDING)
        if reason is not None:
            _insert_reasons(batch, list(pending.values_list("line", "round")), reason, now=now)
        pending.update(status=_fate(batch, reason), settled_at=now)
    recount(identifiers)
    return True


def _fate(batch: Batch, reason: BatchError | None) -> ObjectStatus:
    if batch.status == BatchStatus.CANCELLING:
        return ObjectStatus.CANCELLED
    return ObjectStatus.EXPIRED if reason is None else ObjectStatus.FAILED


def _insert_reasons(batch: Batch, lines: list[tuple[int, int]], reason: BatchError, *, now: datetime) -> None:
    """Objects that fail with their batch have a result that says so."""
    failures = (Uncalled(line, round_, reason.code, reason.message) for line, round_ in lines)
    insert_uncalled(batch, failures, kind="", now=now)


@dataclass(slots=True)
class _Sink:
    """One result file in the making, spooled to the local disk."""

    name: str
    spool: TemporaryUploadedFile
    lines: int = 0
    size: int = 0  # bytes, with those that are not in the spool yet
    _held: bytearray = field(default_factory=bytearray)

    def write(self, line: bytes) -> None:
        self._held += line
        self.lines += 1
        self.size += len(line)
        if len(self._held) > SPOOLED_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        self.spool.write(self._held)
        self._held.clear()

    def finished(self) -> TemporaryUploadedFile:
        """The whole file, to be read from its beginning."""
        self._flush()
        self.spool.size = self.size
        self.spool.seek(0)
        return self.spool


class ResultFiles:
    """The output and the error file of a batch, in input order, and where each slice's lines are in them."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.pieces: list[Slice] = []
        self._held_at = monotonic()
        self._resources = ExitStack()

    def __enter__(self) -> "ResultFiles":
        self.output, self.error = (self._sink(kind) for kind in ("output", "error"))
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    def _sink(self, kind: str) -> _Sink:
        name = f"{self.batch}_{kind}.jsonl"
        spool = self._resources.enter_context(TemporaryUploadedFile(name, "application/jsonl", 0, None))
        return _Sink(name, spool)

    def add(self, piece: Slice, found: Iterable[ObjectResult]) -> None:
        """Write the lines of the next slice."""
        output, error = self.output, self.error
        piece.output_start, piece.error_start = output.size, error.size
        for result in found:
            if not piece.first_line <= result.line <= piece.last_line:
                raise Inconsistent(f"{self.batch}: line {result.line} is not where the lines {piece} are")
            if not result.body and not result.error_code:
                raise Inconsistent(f"{self.batch}: line {result.line} is {result.status}, but nothing says what came of it")
            (output if result.status == ObjectStatus.SUCCEEDED else error).write(result_line(result))
            self._hold_on()
        piece.output_end, piece.error_end = output.size, error.size
        self.pieces.append(piece)

    def _hold_on(self) -> None:
        """Keep the lease on the batch, however long writing takes."""
        if monotonic() > self._held_at + settings.LEASE_SECONDS / 5:
            hold(self.batch)
            self._held_at = monotonic()

    def store(self, *, now: datetime) -> Iterator[tuple[str, File]]:
        """The files that have lines, in the file storage but not yet known to anybody, with the column they belong in."""
        seconds = self.batch.output_lifetime_seconds
        for column, sink in (("output_file", self.output), ("error_file", self.error)):
            if sink.lines:
                yield (
                    column,
                    write(
                        sink.finished(),
                        project=self.batch.project,
                        purpose=Purpose.BATCH_OUTPUT,
                        filename=sink.name,
                        now=now,
                        lifetime=timedelta(seconds=seconds) if seconds else None,
                    ),
                )


def _end(batch: Batch, files: ResultFiles, outcome: BatchStatus) -> None:
    counts = batch.counts
    if (files.output.lines, files.error.lines) != (counts.succeeded, counts.unsuccessful):
        raise Inconsistent(
            f"{batch}: {files.output.lines} output and {files.error.lines} error lines,"
            f" but {counts.succeeded} of {counts.total} succeeded"
        )
    now = timezone.now()
    hold(batch, more=timedelta(seconds=(files.output.size + files.error.size) / STORED_A_SECOND))
    stored: dict[str, Any] = {}
    with ExitStack() as kept:
        for column, file in files.store(now=now):
            kept.enter_context(undone_on_error(file))
            stored[column] = file
        _record(batch, files, outcome, stored, now=now)


@transaction.atomic
def _record(batch: Batch, files: ResultFiles, outcome: BatchStatus, stored: dict[str, Any], *, now: datetime) -> None:
    hold(batch)
    for file in stored.values():
        file.save(force_insert=True)
    record_ranges(files.pieces)
    frozen = {name: getattr(batch.counts, name) for name in COUNT_FIELDS}
    transition(batch, outcome, actor=ENGINE, now=now, **stored, **frozen)


def record_ranges(pieces: Iterable[Slice]) -> None:
    # In the order in which everybody locks slices, so that nobody waits in a circle.
    ordered = sorted(pieces, key=attrgetter("pk"))
    ranges = [(piece.output_start, piece.output_end, piece.error_start, piece.error_end, piece.pk) for piece in ordered]
    with bulk.cursor() as cursor:
        cursor.executemany(_RANGES, [(*offsets, bulk.adapt(Slice, "id", pk)) for *offsets, pk in ranges])


_RANGES = f"""
    UPDATE {Slice._meta.db_table}
       SET output_start = %s, output_end = %s, error_start = %s, error_end = %s
     WHERE id = %s
"""  # noqa: S608 - the name of a table only

"""validate: check a batch's input, line by line, and lay out its objects and slices."""

import logging
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from itertools import islice

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from uuid_utils.compat import uuid7

from batches.models import (
    INVALID_LINE,
    LAST_LINE,
    Batch,
    BatchError,
    BatchObject,
    BatchResult,
    OnInvalid,
    Slice,
    bulk,
    unnamed,
)
from batches.rules.actors import ENGINE
from batches.rules.errors import LostRace, QuotaExceeded
from batches.rules.line_rules import LineChecker, Problem
from batches.rules.states import BatchStatus, ObjectStatus
from batches.services.core import wake
from batches.services.core.lease import at_work, hold, lease_batch
from batches.services.core.transition import transition
from batches.services.intake.input_lines import Checked, InputOutOfReach, checked_file
from batches.services.intake.input_rules import rules_for
from batches.services.policy.quota import require_room
from batches.services.tally.error_groups import forget_errors, new_error, record_errors
from batches.services.tally.result_rows import Uncalled, insert_uncalled
from batches.services.tally.workers import process_name
from providers.failures import Source

logger = logging.getLogger(__name__)

SLICES_A_TRANSACTION = 20


class _Bad(Enum):
    """What becomes of lines that are no valid requests."""

    STOP = "stop"  # nothing is laid out any more
    SKIP = "skip"  # each is an object that has failed
    KEEP = "keep"  # each is an object like any other: none of them will be sent


@dataclass(slots=True)
class _Piece:
    """A slice in the making. `good` lines wait with their custom_ids, `bad` ones failed with the first of their problems."""

    first_line: int
    last_line: int
    start: int
    end: int
    good: list[tuple[int, str]] = field(default_factory=list)
    bad: list[tuple[int, str, Problem]] = field(default_factory=list)

    @property
    def total(self) -> int:
        return len(self.good) + len(self.bad)


@dataclass(slots=True)
class _Findings:
    """The first of the problems, how many there are, and of how many lines."""

    problems: int = 0
    of_the_whole: int = 0
    good_lines: int = 0
    bad_lines: int = 0
    kept: list[Problem] = field(default_factory=list)

    def add(self, problem: Problem) -> None:
        self.problems += 1
        self.of_the_whole += problem.line is None
        if len(self.kept) < settings.MAX_STORED_ERRORS:
            self.kept.append(problem)

    def fails(self, bad: _Bad) -> bool:
        """Whether the input as a whole is not good enough."""
        if bad is _Bad.KEEP:
            return bool(self.of_the_whole)
        return bool(self.problems) if bad is _Bad.STOP else bool(self.of_the_whole) or not self.good_lines


def validate(batch_id: uuid.UUID, *, now: datetime) -> None:
    """Check the whole input. A good one goes on to in_progress, a bad one fails with every problem counted.

    Lines that are no valid requests make an input bad, unless the batch skips them and there are good ones. Streams: holds
    a few slices' custom_ids and the set of all custom_ids in memory, never the input. May be called again at any time: a
    batch that is not waiting for validation, or is being validated elsewhere, is left alone. Where this worker cannot read
    the input although it may be there, validation is put off, and the batch says why.
    """
    batch = lease_batch(batch_id, statuses=frozenset({BatchStatus.VALIDATING}), owner=uuid7(), now=now)
    if batch is None:
        return
    try:
        with at_work(batch):  # when it is cancelled or expires meanwhile, whoever moved it clears up
            clear(batch)
            checker, findings = LineChecker(rules_for(batch)), _Findings()
            bad = _Bad.SKIP if batch.on_invalid == OnInvalid.SKIP else _Bad.STOP
            _lay_out(batch, checker, findings, bad=bad)
            if not findings.fails(bad):
                _start(batch, findings, model=checker.model)
            if findings.fails(bad):
                _fail(batch, findings)
    except InputOutOfReach as error:
        reason = f"Worker {process_name()} could not read its input: {error}."
        logger.warning("%s is validated later. %s", batch, reason)
        waiting = Batch.objects.filter(pk=batch.pk, status=BatchStatus.VALIDATING, lease_epoch=batch.lease_epoch)
        waiting.update(put_off_reason=reason[:200])


def lay_out(batch: Batch) -> None:
    """Lay out every request of an input that came with its create call, and will not run; nothing when it is gone."""
    findings = _Findings()
    rules = replace(rules_for(batch), max_lines=LAST_LINE)
    _lay_out(batch, LineChecker(rules), findings, bad=_Bad.KEEP)
    if findings.fails(_Bad.KEEP):
        clear(batch)


@transaction.atomic
def clear(batch: Batch) -> None:
    """Remove whatever an earlier validation laid out, under the batch's lease."""
    hold(batch)
    remove_objects(batch)


def remove_objects(batch: Batch) -> None:
    """Remove a batch's objects and slices, and what came of lines that were skipped."""
    BatchObject.objects.filter(batch=batch).delete()
    Slice.objects.filter(batch=batch).delete()
    if batch.on_invalid == OnInvalid.SKIP:
        BatchResult.objects.filter(batch=batch).delete()
        forget_errors(batch)


@dataclass(slots=True)
class _Hold:
    """Keeps the lease on a batch while its input is read, however slow the storage is."""

    batch: Batch
    held_at: datetime = field(default_factory=timezone.now)

    def __call__(self) -> None:
        """Raises LostRace when the lease is gone, or the deadline has passed of a batch that waits for it to be wound up."""
        now = timezone.now()
        if self.batch.announced and self.batch.status == BatchStatus.VALIDATING and now >= self.batch.expires_at:
            raise LostRace
        if now >= self.held_at + timedelta(seconds=settings.LEASE_SECONDS / 5):
            hold(self.batch)
            self.held_at = now


def _lay_out(batch: Batch, checker: LineChecker, findings: _Findings, *, bad: _Bad) -> None:
    checked = checked_file(batch.input_file, checker, note=findings.add, tick=_Hold(batch))
    pieces = _pieces(checked, findings, keep=bad is _Bad.KEEP)
    while group := list(islice(pieces, SLICES_A_TRANSACTION)):
        with transaction.atomic():
            hold(batch)
            if bad is not _Bad.STOP or not findings.problems:
                _insert(batch, group)


def _pieces(checked: Iterable[Checked], findings: _Findings, *, keep: bool) -> Iterator[_Piece]:
    """The lines put together as slices, up to SLICE_LINES and about SLICE_BYTES each."""
    piece: _Piece | None = None
    for found in checked:
        line = found.line
        if piece and (piece.total >= settings.SLICE_LINES or line.end - piece.start > settings.SLICE_BYTES):
            yield piece
            piece = None
        if piece is None:
            piece = _Piece(line.number, line.number, line.start, line.end)
        piece.last_line, piece.end = line.number, line.end
        if found.problems and not keep:
            for problem in found.problems:
                findings.add(problem)
            findings.bad_lines += 1
            piece.bad.append((line.number, found.custom_id, _of_line(found.problems)))
        else:
            findings.good_lines += 1
            piece.good.append((line.number, found.custom_id))
    if piece:
        yield piece


def _of_line(problems: list[Problem]) -> Problem:
    """All that is wrong with one line, as one reason."""
    return replace(problems[0], message=" ".join(problem.message for problem in problems))


def _insert(batch: Batch, pieces: list[_Piece]) -> None:
    now = timezone.now()
    Slice.objects.bulk_create(
        Slice(
            batch=batch,
            first_line=piece.first_line,
            last_line=piece.last_line,
            input_start=piece.start,
            input_end=piece.end,
            total=piece.total,
            pending=len(piece.good),
            failed=len(piece.bad),
            last_settled_at=now if piece.bad else None,
        )
        for piece in pieces
    )
    batch_id, pending, failed = batch.pk, ObjectStatus.PENDING.value, ObjectStatus.FAILED.value
    common = ("id", "batch", "line", "custom_id", "status", "round", "attempts", "request_id")
    good = ((uuid7(), line, custom_id) for piece in pieces for line, custom_id in piece.good)
    bulk.insert(
        BatchObject, common, ((pk, batch_id, line, name or unnamed(line, pk), pending, 1, 0, "") for pk, line, name in good)
    )
    bad = [(uuid7(), line, custom_id, problem) for piece in pieces for line, custom_id, problem in piece.bad]
    if not bad:
        return
    bulk.insert(
        BatchObject,
        (*common, "kind", "settled_at"),
        ((pk, batch_id, line, name or unnamed(line, pk), failed, 1, 0, "", INVALID_LINE, now) for pk, line, name, _ in bad),
    )
    failures = (Uncalled(line, 1, problem.code, problem.message) for _, line, _, problem in bad)
    insert_uncalled(batch, failures, kind=INVALID_LINE, now=now)
    record_errors([_error(batch, problem, now=now, round_=1) for *_, problem in bad], {batch.pk: batch})


def _start(batch: Batch, findings: _Findings, *, model: str) -> None:
    """Have the batch run, unless its project has too many objects waiting already: that is a problem, too."""
    skipped = findings.bad_lines
    note = f"{skipped} invalid line{' was' if skipped == 1 else 's were'} skipped." if skipped else ""
    about = {"model": model, "error_count": skipped, "put_off_reason": ""}
    if skipped:  # what was never sent says nothing about how the batch goes
        about |= {"acknowledged_settled": skipped, "acknowledged_failed": skipped}
    try:
        with transaction.atomic():
            hold(batch)
            if not batch.announced:  # announced ones are counted since the batch was created
                objects = batch.slices.aggregate(pending=Sum("pending", default=0))["pending"]
                require_room(batch.project, pending_objects=objects)
            transition(batch, BatchStatus.IN_PROGRESS, actor=ENGINE, now=timezone.now(), note=note, **about)
            wake.execute()
    except QuotaExceeded as error:
        findings.add(Problem(error.code, error.message, ""))


def _fail(batch: Batch, findings: _Findings) -> None:
    now = timezone.now()
    with transaction.atomic():
        clear(batch)
        record_errors([_error(batch, problem, now=now) for problem in findings.kept], {batch.pk: batch})
        count = findings.problems
        note = f"The input has {count} problem{'' if count == 1 else 's'}."
        transition(batch, BatchStatus.FAILED, actor=ENGINE, now=now, note=note, error_count=count)


def _error(batch: Batch, problem: Problem, *, now: datetime, round_: int | None = None) -> BatchError:
    return new_error(
        batch,
        line=problem.line,
        round_=round_,
        code=problem.code,
        message=problem.message,
        param=problem.param,
        source=Source.CALLER.value,
        now=now,
    )

"""layout: make objects and slices of the lines of a batch's input, and take them away again."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from itertools import islice

from django.conf import settings
from django.db import transaction
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
from batches.rules.errors import LostRace
from batches.rules.line_rules import LineChecker, Problem
from batches.rules.states import BatchStatus, ObjectStatus
from batches.services.core.lease import hold
from batches.services.intake.input_lines import Checked, Problems, checked_file
from batches.services.intake.input_rules import rules_for
from batches.services.tally.error_groups import forget_errors, new_error, record_errors
from batches.services.tally.result_rows import Uncalled, insert_uncalled
from providers.failures import Source

SLICES_A_TRANSACTION = 20


class Bad(Enum):
    """What becomes of lines that are no valid requests."""

    STOP = "stop"  # nothing is laid out any more
    SKIP = "skip"  # each is an object that has failed
    KEEP = "keep"  # each is an object like any other: none of them will be sent


@dataclass(slots=True)
class Findings(Problems):
    """What is wrong with an input that is laid out, and how many of its lines are good."""

    good_lines: int = 0

    def fails(self, bad: Bad) -> bool:
        """Whether the input as a whole is not good enough."""
        if bad is Bad.KEEP:
            return bool(self.of_the_whole)
        return bool(self.count) if bad is Bad.STOP else bool(self.of_the_whole) or not self.good_lines


def lay_out(batch: Batch, checker: LineChecker, findings: Findings, *, bad: Bad) -> None:
    """Read the input, and lay out what of it is to be laid out, a few slices in a transaction. Raises InputOutOfReach."""
    checked = checked_file(batch.input_file, checker, note=findings.add, tick=_Hold(batch))
    pieces = _pieces(checked, findings, keep=bad is Bad.KEEP)
    while group := list(islice(pieces, SLICES_A_TRANSACTION)):
        with transaction.atomic():
            hold(batch)
            if bad is not Bad.STOP or not findings.count:
                _insert(batch, group)


def lay_out_unchecked(batch: Batch) -> None:
    """Lay out every request of an input that came with its create call, and will not run; nothing when it is gone."""
    findings = Findings()
    rules = replace(rules_for(batch), max_lines=LAST_LINE)
    lay_out(batch, LineChecker(rules), findings, bad=Bad.KEEP)
    if findings.fails(Bad.KEEP):
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


def _pieces(checked: Iterable[Checked], findings: Findings, *, keep: bool) -> Iterator[_Piece]:
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
    record_errors([input_error(batch, problem, now=now, round_=1) for *_, problem in bad], {batch.pk: batch})


def input_error(batch: Batch, problem: Problem, *, now: datetime, round_: int | None = None) -> BatchError:
    """A problem of the input as an error, not yet stored."""
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

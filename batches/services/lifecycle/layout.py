"""layout: make objects and slices from the lines of a batch's input, and remove them again."""

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
from batches.rules.lines.line_rules import LineChecker, Problem
from batches.rules.states import BatchStatus, ObjectStatus
from batches.services.core.lease import hold
from batches.services.intake.input_lines import Checked, Problems, checked_file
from batches.services.intake.input_rules import rules_for
from batches.services.tally.error_groups import forget_errors, new_error, record_errors
from batches.services.tally.result_rows import Uncalled, insert_uncalled
from providers.failures import Source

SLICES_A_TRANSACTION = 20


class Bad(Enum):
    """The treatment of lines that are no valid requests."""

    STOP = "stop"  # no further line is laid out
    SKIP = "skip"  # each invalid line becomes a failed object
    KEEP = "keep"  # each invalid line becomes an object like the others, since no object will be sent


@dataclass(slots=True)
class Findings(Problems):
    """The problems of an input that is laid out, and the number of its valid lines."""

    good_lines: int = 0

    def fails(self, bad: Bad) -> bool:
        """Whether the input as a whole is refused."""
        if bad is Bad.KEEP:
            return bool(self.of_the_whole)
        return bool(self.count) if bad is Bad.STOP else bool(self.of_the_whole) or not self.good_lines


def lay_out(batch: Batch, checker: LineChecker, findings: Findings, *, bad: Bad) -> None:
    """Read the input, and lay its lines out, a few slices in a transaction. Raises InputOutOfReach."""
    checked = checked_file(batch.input_file, checker, note=findings.add, tick=_Hold(batch))
    pieces = _pieces(checked, findings, keep=bad is Bad.KEEP)
    while group := list(islice(pieces, SLICES_A_TRANSACTION)):
        with transaction.atomic():
            hold(batch)
            if bad is not Bad.STOP or not findings.count:
                _insert(batch, group)


def lay_out_unchecked(batch: Batch) -> None:
    """Lay out every request of a create call whose batch will not run. If the input is gone, nothing is laid out."""
    findings = Findings()
    rules = replace(rules_for(batch), max_lines=LAST_LINE)
    lay_out(batch, LineChecker(rules), findings, bad=Bad.KEEP)
    if findings.fails(Bad.KEEP):
        clear(batch)


@transaction.atomic
def clear(batch: Batch) -> None:
    """Remove the objects and slices of an earlier validation, under the batch's lease."""
    hold(batch)
    remove_objects(batch)


def remove_objects(batch: Batch) -> None:
    """Remove a batch's objects and slices, and the results and errors of skipped lines."""
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
        """Renew the lease. Raises LostRace when it is gone, or when an announced batch has passed its deadline."""
        now = timezone.now()
        if self.batch.announced and self.batch.status == BatchStatus.VALIDATING and now >= self.batch.expires_at:
            raise LostRace
        if now >= self.held_at + timedelta(seconds=settings.LEASE_SECONDS / 5):
            hold(self.batch)
            self.held_at = now


@dataclass(slots=True)
class _Piece:
    """A slice in the making. `good` are the lines to be sent, with custom_ids; `bad` are the failed lines, with problems."""

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
    """Group the lines into slices of up to SLICE_LINES lines and about SLICE_BYTES bytes."""
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
    """The problems of one line joined to one."""
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
    """A problem of the input as an error that is not stored yet."""
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

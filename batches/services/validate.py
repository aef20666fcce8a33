"""validate: check a batch's input, line by line, and lay out its objects and slices."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import BinaryIO, cast

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from uuid_utils.compat import uuid7

from batches import wake
from batches.actors import ENGINE
from batches.errors import QuotaExceeded
from batches.fingerprints import fingerprint
from batches.jsonl import Line, read_lines
from batches.line_rules import LineChecker, LineRules, Problem
from batches.models import Batch, BatchError, BatchObject, Dialect, Slice, bulk
from batches.services.error_groups import record_errors
from batches.services.lease import at_work, hold, lease_batch
from batches.services.quota import require_room
from batches.services.transition import transition
from batches.states import BatchStatus, ObjectStatus
from providers.failures import Source

SLICES_A_TRANSACTION = 20


@dataclass(slots=True)
class _Piece:
    """A slice in the making."""

    first_line: int
    last_line: int
    start: int
    end: int
    custom_ids: list[tuple[int, str]] = field(default_factory=list)


def validate(batch_id: uuid.UUID, *, now: datetime) -> None:
    """Check the whole input. A good one goes on to in_progress, a bad one fails with every problem counted.

    Streams: holds a few slices' custom_ids and the set of all custom_ids in memory, never the input. May be called
    again at any time: a batch that is not waiting for validation, or is being validated elsewhere, is left alone.
    """
    batch = lease_batch(batch_id, statuses=frozenset({BatchStatus.VALIDATING}), owner=uuid7(), now=now)
    if batch is None:
        return
    with at_work(batch):  # when it is cancelled or expires meanwhile, whoever moved it clears up
        clear(batch)
        checker = LineChecker(rules_for(batch))
        problems = _Problems()
        _lay_out(batch, checker, problems)
        if not problems.count:
            _start(batch, problems, model=checker.model)
        if problems.count:
            _fail(batch, problems)


def rules_for(batch: Batch) -> LineRules:
    """What the lines of this batch must be."""
    from_file = batch.dialect in FROM_FILES
    return LineRules(
        endpoint=batch.endpoint,
        one_model=batch.dialect in OF_ONE_MODEL,
        names_endpoint=batch.dialect != Dialect.NOVITA,
        asks_a_model=batch.endpoint.startswith("/v1/"),
        max_lines=settings.MAX_BATCH_LINES if from_file else settings.MAX_INLINE_REQUESTS,
        max_custom_id_chars=settings.MAX_CUSTOM_ID_CHARS,
        max_line_bytes=settings.MAX_LINE_BYTES,
    )


# The dialects whose clients may write the input file themselves, and those whose contract wants one model in it.
FROM_FILES = frozenset({Dialect.OPENAI, Dialect.NOVITA, Dialect.BIFROST, Dialect.NATIVE})
OF_ONE_MODEL = FROM_FILES - {Dialect.NATIVE}


def lay_out(batch: Batch) -> None:
    """Lay out the objects of an input that was checked when it came; nothing when it turns out not to be good."""
    problems = _Problems()
    _lay_out(batch, LineChecker(rules_for(batch)), problems)
    if problems.count:
        clear(batch)


@transaction.atomic
def clear(batch: Batch) -> None:
    """Remove whatever an earlier validation laid out, under the batch's lease."""
    hold(batch)
    remove_objects(batch)


def remove_objects(batch: Batch) -> None:
    """Remove a batch's objects and slices."""
    BatchObject.objects.filter(batch=batch).delete()
    Slice.objects.filter(batch=batch).delete()


class _Problems:
    """The first of the problems, and how many there are."""

    def __init__(self) -> None:
        self.count = 0
        self.kept: list[Problem] = []

    def add(self, problem: Problem) -> None:
        self.count += 1
        if len(self.kept) < settings.MAX_STORED_ERRORS:
            self.kept.append(problem)


def _lay_out(batch: Batch, checker: LineChecker, problems: _Problems) -> None:
    pieces = _pieces(_lines(batch, checker.rules, problems), checker, problems)
    while group := list(islice(pieces, SLICES_A_TRANSACTION)):
        with transaction.atomic():
            hold(batch)
            if not problems.count:
                _insert(batch, group)


def _lines(batch: Batch, rules: LineRules, problems: _Problems) -> Iterator[Line]:
    """The lines of the input, up to the limit; says when there are none, or too many."""
    number = 0
    try:
        assert batch.input_file is not None
        with batch.input_file.content.open("rb") as source:
            lines = read_lines(cast(BinaryIO, source), max_line_bytes=rules.max_line_bytes)
            for number, line in enumerate(lines, start=1):
                if number <= rules.max_lines:
                    yield line
    except FileNotFoundError:
        problems.add(Problem("input_not_found", "The input file is no longer kept.", "input_file_id"))
        return
    if not number:
        problems.add(Problem("empty_file", "The input file has no lines.", "input_file_id"))
    elif number > rules.max_lines:
        message = f"The input has {number} requests; a batch may have {rules.max_lines}."
        problems.add(Problem("too_many_tasks", message, "input_file_id"))


def _pieces(lines: Iterator[Line], checker: LineChecker, problems: _Problems) -> Iterator[_Piece]:
    """The lines put together as slices, up to SLICE_LINES and about SLICE_BYTES each."""
    piece: _Piece | None = None
    for line in lines:
        custom_id, complaints = checker.check(line)
        for complaint in complaints:
            problems.add(complaint)
        if piece and (len(piece.custom_ids) >= settings.SLICE_LINES or line.end - piece.start > settings.SLICE_BYTES):
            yield piece
            piece = None
        if piece is None:
            piece = _Piece(line.number, line.number, line.start, line.end)
        piece.last_line, piece.end = line.number, line.end
        piece.custom_ids.append((line.number, custom_id))
    if piece:
        yield piece


def _insert(batch: Batch, pieces: list[_Piece]) -> None:
    Slice.objects.bulk_create(
        Slice(
            batch=batch,
            first_line=piece.first_line,
            last_line=piece.last_line,
            input_start=piece.start,
            input_end=piece.end,
            total=len(piece.custom_ids),
            pending=len(piece.custom_ids),
        )
        for piece in pieces
    )
    batch_id, pending = batch.pk, ObjectStatus.PENDING.value
    bulk.insert(
        BatchObject,
        ("id", "batch", "line", "custom_id", "status", "round", "attempts", "request_id"),
        ((uuid7(), batch_id, line, custom_id, pending, 1, 0, "") for piece in pieces for line, custom_id in piece.custom_ids),
    )


def _start(batch: Batch, problems: _Problems, *, model: str) -> None:
    """Have the batch run, unless its project has too many objects waiting already: that is a problem, too."""
    try:
        with transaction.atomic():
            hold(batch)
            if not batch.announced:  # announced ones are counted since the batch was created
                objects = batch.slices.aggregate(total=Sum("total", default=0))["total"]
                require_room(batch.project, pending_objects=objects)
            transition(batch, BatchStatus.IN_PROGRESS, actor=ENGINE, now=timezone.now(), model=model)
            wake.execute()
    except QuotaExceeded as error:
        problems.add(Problem(error.code, error.message, ""))


def _fail(batch: Batch, problems: _Problems) -> None:
    now = timezone.now()
    with transaction.atomic():
        clear(batch)
        errors = [
            BatchError(
                batch=batch,
                line=problem.line,
                code=problem.code,
                message=problem.message[:2000],
                param=problem.param[:200],
                source=Source.CALLER.value,
                fingerprint=fingerprint(
                    source=Source.CALLER.value, provider="", http_status=None, code=problem.code, message=problem.message
                ),
                created_at=now,
            )
            for problem in problems.kept
        ]
        record_errors(errors, {batch.pk: batch})
        count = problems.count
        note = f"The input has {count} problem{'' if count == 1 else 's'}."
        transition(batch, BatchStatus.FAILED, actor=ENGINE, now=now, note=note, error_count=count)

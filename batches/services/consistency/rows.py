"""Objects against slices and results: each line is in one slice, and its result fits its status."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from batches.models import Batch, BatchObject, BatchResult, Slice, bulk
from batches.rules.states import COUNTED, OPEN, BatchStatus, ObjectStatus
from batches.services.consistency.base import BatchesPage, Check, Found, NotMended, parts_of, rows_of, tallied
from batches.services.tally.error_groups import new_error, record_errors
from batches.services.tally.recount import recount
from batches.services.tally.result_rows import OF_ITS_ROUND, Uncalled, insert_uncalled, settle_different
from providers.failures import Kind

_ANSWERED = f"'{ObjectStatus.SUCCEEDED.value}', '{ObjectStatus.FAILED.value}'"
LOST = "result_lost"
LOST_MESSAGE = "What came of this request was recorded, but its result is lost."


def _ranges(page: BatchesPage, now: datetime) -> Found:
    """Compare the lines of slices with their totals. Gaps are allowed here: blank lines may lie between two slices."""
    del now
    before: Slice | None = None
    for piece in Slice.objects.filter(batch__in=page.by_id).order_by("batch_id", "first_line").iterator():
        batch = page.by_id[piece.batch_id]
        if piece.last_line < piece.first_line or piece.total > piece.last_line - piece.first_line + 1:
            yield batch, f"{piece.total} objects cannot be in lines {piece.first_line} to {piece.last_line}", piece.pk
        if piece.input_end <= piece.input_start:
            yield batch, f"lines {piece.first_line} to {piece.last_line} have no bytes of the input", piece.pk
        if before and before.batch_id == piece.batch_id and before.last_line >= piece.first_line:
            yield batch, f"two slices have lines {piece.first_line} to {before.last_line}", piece.pk
        elif before and before.batch_id == piece.batch_id and before.input_end > piece.input_start:
            yield batch, f"the bytes of lines {piece.first_line} to {piece.last_line} begin in those before", piece.pk
        before = piece


def _unsliced(page: BatchesPage, now: datetime) -> Found:
    del now
    shown = [batch for batch in page.batches if batch.status in COUNTED]
    for batch, (there, first) in tallied(_UNSLICED, page, among=shown).items():
        yield batch, f"{there} objects, the first in line {first}, belong to no slice", None


_UNSLICED = f"""
    SELECT o.batch_id, count(*), min(o.line)
      FROM {BatchObject._meta.db_table} o
     WHERE o.batch_id IN ({{batches}}) AND o.line BETWEEN {{first}} AND {{last}}
       AND NOT EXISTS (
           SELECT 1
             FROM (SELECT s.last_line
                     FROM {Slice._meta.db_table} s
                    WHERE s.batch_id = o.batch_id AND s.first_line <= o.line
                    ORDER BY s.first_line DESC
                    LIMIT 1) nearest
            WHERE nearest.last_line >= o.line)
     GROUP BY o.batch_id
"""  # noqa: S608 - names of tables only


def _open(page: BatchesPage) -> list[Batch]:
    """The batches that have not ended. Only these need result rows: afterwards results are in files, and rows may be pruned."""
    return [batch for batch in page.batches if batch.status in OPEN]


_WITHOUT_RESULT = f"""
      FROM {BatchObject._meta.db_table} o
      LEFT JOIN {BatchResult._meta.db_table} r ON {OF_ITS_ROUND}
     WHERE o.batch_id IN ({{batches}}) AND o.line BETWEEN {{first}} AND {{last}}
       AND o.status IN ({_ANSWERED}) AND r.id IS NULL
"""


def _without_result(page: BatchesPage, now: datetime) -> Found:
    del now
    counted = f"SELECT o.batch_id, count(*), min(o.line) {_WITHOUT_RESULT} GROUP BY o.batch_id"
    for batch, (count, line) in tallied(counted, page, among=_open(page)).items():
        yield batch, f"{count} objects, the first in line {line}, have settled without a result", None


def _fail_lost(batch: Batch, subject: Any, now: datetime) -> str:
    del subject
    found = rows_of(f"SELECT o.batch_id, o.line, o.round {_WITHOUT_RESULT}", BatchesPage([batch]))
    lines = [(line, round_) for _, (line, round_) in found]
    _fail(batch, lines, now=now)
    return f"Failed {len(lines)} objects whose result is lost."


def _fail(batch: Batch, lines: Sequence[tuple[int, int]], *, now: datetime) -> None:
    """Fail objects whose outcome is lost. A person may retry them; the portal by itself does not pay for them twice."""
    pieces = _locked(batch)
    failures = [Uncalled(line, round_, LOST, LOST_MESSAGE) for line, round_ in lines]
    kind, source = Kind.PORTAL.value, Kind.PORTAL.source.value
    insert_uncalled(batch, failures, kind=kind, now=now)
    for line, _ in lines:
        objects = BatchObject.objects.filter(batch=batch, line=line)
        objects.update(status=ObjectStatus.FAILED, kind=kind, cost_nanos=None, settled_at=now)
    errors = [
        new_error(batch, line=line, round_=round_, code=LOST, message=LOST_MESSAGE, kind=kind, source=source, now=now)
        for line, round_ in lines
    ]
    record_errors(errors, {batch.pk: batch})
    recount(pieces)


def _locked(batch: Batch) -> list[Any]:
    return list(batch.slices.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))


_DIFFERENT = f"""
      FROM {BatchObject._meta.db_table} o
      JOIN {BatchResult._meta.db_table} r ON {OF_ITS_ROUND}
     WHERE o.batch_id IN ({{batches}}) AND o.line BETWEEN {{first}} AND {{last}} AND o.status <> r.status
"""


def _different(page: BatchesPage, now: datetime) -> Found:
    del now
    counted = f"SELECT o.batch_id, count(*), min(o.line) {_DIFFERENT} GROUP BY o.batch_id"
    for batch, (count, line) in tallied(counted, page).items():
        yield batch, f"{count} objects, the first in line {line}, have another status than their result", None


def _settle(batch: Batch, subject: Any, now: datetime) -> str:
    del subject, now
    if batch.is_terminal:
        raise NotMended("The batch has ended, and its files say the same as its objects.")
    pieces = _locked(batch)
    settled = 0
    for part in parts_of([batch.pk]):
        with bulk.row_by_row():
            settled += settle_different(batch, first_line=part.first_line, last_line=part.last_line)
    recount(pieces)
    return f"Gave {settled} objects the status of their result."


def _pending(page: BatchesPage, now: datetime) -> Found:
    del now
    ended = [batch for batch in page.batches if batch.is_terminal]
    for batch, (count, _) in tallied(_STILL_PENDING, page, among=ended).items():
        yield batch, f"{count} objects are pending although it ended", None


_STILL_PENDING = f"""
    SELECT o.batch_id, count(*), min(o.line)
      FROM {BatchObject._meta.db_table} o
     WHERE o.batch_id IN ({{batches}}) AND o.line BETWEEN {{first}} AND {{last}} AND o.status = '{ObjectStatus.PENDING.value}'
     GROUP BY o.batch_id
"""  # noqa: S608 - the name of a table and a status only


def _end_pending(batch: Batch, subject: Any, now: datetime) -> str:
    del subject
    pending = BatchObject.objects.filter(batch=batch, status=ObjectStatus.PENDING)
    lines = list(pending.values_list("line", "round"))
    fate = {BatchStatus.CANCELLED: ObjectStatus.CANCELLED, BatchStatus.EXPIRED: ObjectStatus.EXPIRED}.get(
        BatchStatus(batch.status)
    )
    if fate is None:
        _fail(batch, lines, now=now)
    else:
        pieces = _locked(batch)
        pending.update(status=fate, settled_at=now)
        recount(pieces)
    return f"Ended {len(lines)} objects that were pending."


CHECKS = (
    Check("slice_ranges", "Slices share no line and no byte of the input, and have room for their objects.", _ranges),
    Check("unsliced_objects", "Every object belongs to one slice.", _unsliced),
    Check(
        "lost_results",
        "What succeeded or failed in a batch that is not over has a result that says how.",
        _without_result,
        _fail_lost,
    ),
    Check("different_results", "An object has the status that the result of its round has.", _different, _settle),
    Check("pending_after_end", "Nothing is pending in a batch that ended.", _pending, _end_pending),
)

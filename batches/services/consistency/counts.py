"""Counts against rows: every object is counted once, and frozen counts are the sums over slices."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from batches.models import COUNT_FIELDS, Batch, BatchObject, Slice, bulk, slice_sums
from batches.rules.states import TERMINAL
from batches.services.consistency.base import BatchesPage, Check, Found, NotMended, rows_of
from batches.services.tally.recount import COUNTED_ANEW, recount

_TRUTH = {"total": "count(o.id)", **COUNTED_ANEW}
_SLICES = f"""
    SELECT s.batch_id, s.id, s.first_line, s.last_line, {", ".join(f"s.{name}, {truth}" for name, truth in _TRUTH.items())}
      FROM {Slice._meta.db_table} s
      LEFT JOIN {BatchObject._meta.db_table} o ON o.batch_id = s.batch_id AND o.line BETWEEN s.first_line AND s.last_line
     WHERE s.batch_id IN ({{batches}}) AND s.first_line BETWEEN {{first}} AND {{last}}
     GROUP BY s.id
    HAVING {" OR ".join(f"s.{name} <> {truth}" for name, truth in _TRUTH.items())}
     ORDER BY s.batch_id, s.first_line
"""  # noqa: S608 - names of tables, columns and statuses only


def _slices(page: BatchesPage, now: datetime) -> Found:
    del now
    for batch, (pk, first_line, last_line, *values) in rows_of(_SLICES, page):
        differ = _differences(dict(zip(_TRUTH, zip(values[::2], values[1::2], strict=True), strict=True)))
        yield batch, f"lines {first_line} to {last_line}: {differ}", bulk.as_uuid(pk)


def _differences(pairs: dict[str, tuple[Any, Any]]) -> str:
    return ", ".join(
        f"{name} is {counted} and ought to be {int(true)}" for name, (counted, true) in pairs.items() if counted != true
    )


def _recount_slice(batch: Batch, pk: Any, now: datetime) -> str:
    del now
    piece = batch.slices.select_for_update(of=("self",)).get(pk=pk)
    objects = BatchObject.objects.filter(batch=batch, line__gte=piece.first_line, line__lte=piece.last_line).count()
    if objects != piece.total:
        raise NotMended(f"It has {objects} of its {piece.total} objects.")
    recount([piece.pk])
    return f"Counted lines {piece.first_line} to {piece.last_line} anew."


def _frozen(page: BatchesPage, now: datetime) -> Found:
    del now
    ended = {batch.pk: batch for batch in page.batches if batch.status in TERMINAL}
    for pk, sums in slice_sums(ended).items():
        batch = ended[pk]
        pairs = {name: (getattr(batch, name), getattr(sums, name)) for name in COUNT_FIELDS}
        if differ := _differences(pairs):
            yield batch, differ, None


def _freeze(batch: Batch, subject: Any, now: datetime) -> str:
    del subject, now
    Batch.objects.filter(pk=batch.pk).update(**asdict(slice_sums([batch.pk])[batch.pk]))
    return "Froze the counts of its slices anew."


CHECKS = (
    Check(
        "slice_counts",
        "The counts, tokens and cost of a slice are those of its objects.",
        _slices,
        _recount_slice,
        unattended=True,
    ),
    Check(
        "frozen_counts",
        "The counts of a batch that ended are the sum over its slices.",
        _frozen,
        _freeze,
        unattended=True,
    ),
)

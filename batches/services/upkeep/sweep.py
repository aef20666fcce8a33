"""sweep: delete rows that nobody reads any more, piece by piece.

A large batch has hundreds of thousands of rows. One statement for all of them would hold locks for seconds, and on SQLite the
lock of the whole database. So a batch is made unread in one short transaction, which notes a Leftover, and the rows follow in
pieces of PRUNE_ROWS. A piece is a range of lines in an index, so that its cost does not grow with what was deleted before it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import models, transaction

from batches.models import (
    Attempt,
    Batch,
    BatchError,
    BatchErrorGroup,
    BatchMinute,
    BatchObject,
    BatchResult,
    Leftover,
    bulk,
)
from batches.services.consistency.orphans import HOT
from batches.services.upkeep.budget import Budget

BATCHES_AT_ONCE = 200
_SWEEP = 0x53574550  # the number of this work

# The tables of each part, in the order of their deletion. Those of the first tuple have an index of lines.
_BY_LINE: tuple[type[models.Model], ...] = (BatchResult, BatchObject, Attempt)
_BY_KEY: tuple[type[models.Model], ...] = (BatchError, BatchErrorGroup, BatchMinute)
TABLES: Mapping[Leftover.Part, tuple[type[models.Model], ...]] = {
    Leftover.Part.RESULTS: (BatchResult,),
    Leftover.Part.EVERYTHING: (*_BY_LINE, *_BY_KEY),
}
assert set(TABLES[Leftover.Part.EVERYTHING]) == set(HOT)


def leave(batch: Batch, part: Leftover.Part, *, now: datetime) -> None:
    """Note that rows of a batch are unread from now on. Must be called in the transaction that makes them so."""
    Leftover.objects.get_or_create(batch_id=batch.pk, part=part, defaults={"project_id": batch.project_id, "created_at": now})


def sweep(*, budget: Budget | None = None) -> bool:
    """Delete rows that are left over, the oldest first. Whether nothing is left. One sweep runs at a time."""
    budget = budget or Budget()
    with bulk.alone(_SWEEP) as is_alone:
        while is_alone and (some := list(Leftover.objects.order_by("created_at", "id")[:BATCHES_AT_ONCE])):
            for leftover in some:
                if not _is_deleted(leftover, budget):
                    return False
    return is_alone


def _is_deleted(leftover: Leftover, budget: Budget) -> bool:
    """Whether all rows of a leftover are deleted, and with them the leftover itself."""
    tables = {table._meta.db_table: table for table in TABLES[Leftover.Part(leftover.part)]}
    names = list(tables)
    place, after = (names.index(leftover.table), leftover.after_line) if leftover.table in names else (0, 0)
    while place < len(names):
        if budget.is_spent:
            return False
        table = tables[names[place]]
        with budget.piece(), transaction.atomic():
            reached = (_lines if table in _BY_LINE else _keys)(table, leftover.batch_id, after)
            place, after = (place + 1, 0) if reached is None else (place, reached)
            if place < len(names):
                Leftover.objects.filter(pk=leftover.pk).update(table=names[place], after_line=after)
    Leftover.objects.filter(pk=leftover.pk).delete()
    return True


def _lines(table: type[models.Model], batch: UUID, after: int) -> int | None:
    """Delete the next lines of a batch. The last of these lines; None if no line was left."""
    rows = table._default_manager.filter(batch=batch, line__gt=after).order_by("line")
    first = rows.values_list("line", flat=True).first()
    if first is None:
        return None
    last = int(first) + settings.PRUNE_ROWS - 1
    with bulk.row_by_row():
        delete_rows(rows.filter(line__lte=last))
    return last


def _keys(table: type[models.Model], batch: UUID, _after: int) -> int | None:
    """Delete the next rows of a table without an index of lines. None if no row was left."""
    keys = list(table._default_manager.filter(batch=batch).order_by().values_list("pk", flat=True)[: settings.PRUNE_ROWS])
    if not keys:
        return None
    delete_rows(table._default_manager.filter(pk__in=keys))
    return 0


def delete_rows(rows: "models.QuerySet[Any]") -> None:
    """Delete rows in one statement. No other row refers to them, so Django need not read them first, which would be slow."""
    rows.order_by()._raw_delete(rows.db)

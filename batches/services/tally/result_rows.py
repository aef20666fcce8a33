"""Result rows, and the objects that they settle: the SQL that joins both, and results of objects that failed without a call."""

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from uuid_utils.compat import uuid7

from batches.models import SUMMED, Batch, BatchObject, BatchResult, bulk
from batches.rules.states import ObjectStatus

# The SQL condition that `r` is the result of the present round of the object `o`.
OF_ITS_ROUND = "r.batch_id = o.batch_id AND r.line = o.line AND r.round = o.round"
_COPIED = ("status", "attempts", "http_status", "latency_ms", *SUMMED, "kind", "retry_after", "request_id")
_SETTLE = f"""
    UPDATE {BatchObject._meta.db_table} AS o
       SET {", ".join(("settled_at = r.created_at", *(f"{name} = r.{name}" for name in _COPIED)))}
      FROM {BatchResult._meta.db_table} AS r
     WHERE {{which}} AND {OF_ITS_ROUND}
"""  # noqa: S608 - names of tables and columns only
# Result ids are ordered by time, so the ids between the first and the last are those just inserted. Some may be of other
# transactions at the same time. Their objects are not pending any more, or their rows are not visible here.
_SETTLE_PENDING = _SETTLE.format(which=f"r.id BETWEEN %s AND %s AND o.status = '{ObjectStatus.PENDING.value}'")
_SETTLE_DIFFERENT = _SETTLE.format(which="o.batch_id = %s AND o.line BETWEEN %s AND %s AND o.status <> r.status")


def settle_pending(first: uuid.UUID, last: uuid.UUID) -> None:
    """Settle the pending objects whose results have just been inserted with ids from `first` to `last`."""
    with bulk.cursor() as cursor:
        cursor.execute(_SETTLE_PENDING, [bulk.adapt(BatchResult, "id", value) for value in (first, last)])


def settle_different(batch: Batch, *, first_line: int, last_line: int) -> int:
    """Settle the objects at these lines again whose status differs from that of their result. Return how many there were."""
    with bulk.cursor() as cursor:
        cursor.execute(_SETTLE_DIFFERENT, [bulk.adapt(Batch, "id", batch.pk), first_line, last_line])
        settled: int = cursor.rowcount
    return settled


class Uncalled(NamedTuple):
    """A round that failed without a call to any upstream, and why."""

    line: int
    round: int
    code: str
    message: str


_UNCALLED_FIELDS = (
    *("id", "batch", "line", "round", "status", "attempts", "kind", "request_id"),
    *("error_code", "error_message", "body", "created_at"),
)


def insert_uncalled(batch: Batch, failures: Iterable[Uncalled], *, kind: str, now: datetime) -> None:
    """Insert the results of objects that failed without a call. The caller updates the objects."""
    pk, failed = batch.pk, ObjectStatus.FAILED.value
    rows = ((uuid7(), pk, one.line, one.round, failed, 0, kind, "", one.code, one.message[:2000], "", now) for one in failures)
    bulk.insert(BatchResult, _UNCALLED_FIELDS, rows)

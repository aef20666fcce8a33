"""recount: compute counts anew from rows. Counts are never added to, so no object can be counted twice."""

import uuid
from collections.abc import Iterable

from batches.models import SUMMED, BatchObject, Slice, bulk
from batches.rules.states import ObjectStatus

# The SQL of each count of a slice over its objects `o`. The count `total` is not among them, since it never changes.
COUNTED_ANEW = {
    **{status.value: f"count(*) FILTER (WHERE o.status = '{status.value}')" for status in ObjectStatus},
    **{name: f"coalesce(sum(o.{name}), 0)" for name in SUMMED},
    "unpriced": f"count(*) FILTER (WHERE o.status = '{ObjectStatus.SUCCEEDED.value}' AND o.cost_nanos IS NULL)",
}
_COLUMNS = {**COUNTED_ANEW, "last_settled_at": "max(o.settled_at)"}
_RECOUNT = f"""
    UPDATE {Slice._meta.db_table} AS s
       SET ({", ".join(_COLUMNS)}) = (
           SELECT {", ".join(_COLUMNS.values())}
             FROM {BatchObject._meta.db_table} AS o
            WHERE o.batch_id = s.batch_id AND o.line BETWEEN s.first_line AND s.last_line)
     WHERE s.id IN ({{slices}})
"""  # noqa: S608 - names of tables, columns and statuses only


def recount(slice_ids: Iterable[uuid.UUID]) -> None:
    """Compute the counts of these slices anew from their objects. A caller that changes objects must lock their slices first."""
    slices = [bulk.adapt(Slice, "id", value) for value in slice_ids]
    if slices:
        with bulk.cursor() as cursor:
            cursor.execute(_RECOUNT.format(slices=bulk.placeholders(slices)), slices)

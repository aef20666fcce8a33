"""The answers of succeeded objects at given lines, wherever they stand in their batch, with a bound on what is read."""

from collections.abc import Collection

from batches.models import Batch, BatchResult, Slice, bulk
from batches.rules.states import ObjectStatus
from batches.services.results.results import are_in_files, batch_key, results_over

_SELECT = f"""
    SELECT line, CASE WHEN {{size}} <= %s THEN body END
      FROM {BatchResult._meta.db_table}
     WHERE batch_id = %s AND status = %s AND line IN ({{lines}})
"""  # noqa: S608 - the name of a table only


def answers_at(batch: Batch, lines: Collection[int], *, most_chars: int, most_slices: int | None = None) -> dict[int, str]:
    """The answers at these lines, by line, without answers longer than `most_chars`. From the rows it is one query.

    Answers that are in files are read slice by slice: those of the first `most_slices` slices, or of all. Raises Gone.
    """
    if not lines:
        return {}
    if are_in_files(batch):
        return _from_files(batch, set(lines), most_chars=most_chars, most_slices=most_slices)
    with bulk.cursor() as cursor:
        statement = _SELECT.format(size=bulk.size_of("body"), lines=bulk.placeholders([*lines]))
        cursor.execute(statement, [most_chars, batch_key(batch), ObjectStatus.SUCCEEDED.value, *lines])
        return {line: body for line, body in cursor.fetchall() if body is not None}


def _from_files(batch: Batch, lines: set[int], *, most_chars: int, most_slices: int | None) -> dict[int, str]:
    pieces = Slice.objects.filter(batch=batch, last_line__gte=min(lines), first_line__lte=max(lines)).order_by("first_line")
    wanted = [(piece, here) for piece in pieces if (here := [n for n in lines if piece.first_line <= n <= piece.last_line])]
    return {
        result.line: result.body
        for _, here in wanted[:most_slices]
        for result in results_over(batch, first_line=min(here), last_line=max(here))
        if result.line in lines and result.status == ObjectStatus.SUCCEEDED and len(result.body) <= most_chars
    }

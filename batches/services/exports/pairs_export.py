"""The export of a comparison: every request of two batches with its outcome in each, and whether the answers say the same."""

from collections.abc import Iterator, Mapping

from django.db.models import QuerySet

from batches.models import Batch, BatchObject
from batches.rules import identifiers
from batches.rules.display.csv_lines import csv_lines
from batches.rules.lines.jsonl import dump, unbroken
from batches.services.exports.form import Compression, Export, Form, exported
from batches.services.results.compare import Pair, Verdict
from batches.services.results.compare_answers import CHUNK, Compared, compared_for_export
from batches.services.results.results import require_results

_FIELDS = ("custom_id", "verdict", "first_line", "first_outcome", "second_line", "second_outcome")
_OF_ANSWERS = ("answers", "first_difference")
_Row = tuple[str, int, str]  # custom_id, line, status


def export_pairs(first: Batch, second: Batch, *, form: Form, compression: Compression, with_bodies: bool) -> Export:
    """Every pair, in the order of the first batch; what only the second batch has comes last.

    Answers are compared only with the right to read them. Raises Gone, at once, if they can no longer be read.
    """
    if with_bodies:
        require_results(first)
        require_results(second)
    records = (
        record for found in every_pair(first, second) for record in _records(first, second, found, with_bodies=with_bodies)
    )
    fields = (*_FIELDS, *_OF_ANSWERS) if with_bodies else _FIELDS
    lines = csv_lines(records, fields) if form is Form.CSV else (_json_line(record) for record in records)
    return exported(
        (line.encode() for line in lines),
        name=f"{identifiers.render('batch_', first.pk)}_compared_with_{identifiers.render('batch_', second.pk)}",
        form=form,
        compression=compression,
        is_partial=not (first.is_terminal and second.is_terminal),
        left_out=() if with_bodies else ("answers",),
    )


def _json_line(record: Mapping[str, object]) -> str:
    return unbroken(dump(record).encode()).decode() + "\n"


def _records(first: Batch, second: Batch, found: list[Pair], *, with_bodies: bool) -> Iterator[dict[str, object]]:
    compared = compared_for_export(first, second, found) if with_bodies else {}
    for pair in found:
        record: dict[str, object] = {
            "custom_id": pair.custom_id,
            "verdict": pair.verdict.value,
            "first_line": pair.first_line,
            "first_outcome": pair.first_status,
            "second_line": pair.second_line,
            "second_outcome": pair.second_status,
        }
        yield {**record, **_of_answers(compared.get(pair.custom_id))} if with_bodies else record


def _of_answers(compared: Compared | None) -> dict[str, object]:
    return {"answers": compared.match.value if compared else "", "first_difference": compared.path if compared else ""}


def every_pair(first: Batch, second: Batch) -> Iterator[list[Pair]]:
    """All pairs, in pieces. Each piece is two queries by index, so that the work grows with the number of requests only."""
    for piece in _pieces(first):
        others = _named(second, piece)
        yield [_pair(row, others.get(row[0])) for row in piece]
    for piece in _pieces(second):
        known = _named(first, piece)
        if rest := [row for row in piece if row[0] not in known]:
            yield [Pair(custom_id, Verdict.ONLY_SECOND, None, "", line, status) for custom_id, line, status in rest]


def _pair(row: _Row, other: _Row | None) -> Pair:
    custom_id, line, status = row
    _, other_line, other_status = other or ("", None, "")
    return Pair(custom_id, Verdict.of(status, other_status), line, status, other_line, other_status)


def _pieces(batch: Batch) -> Iterator[list[_Row]]:
    after = 0
    while piece := list(_rows(batch).filter(line__gt=after)[:CHUNK]):
        yield piece
        _, after, _ = piece[-1]


def _named(batch: Batch, piece: list[_Row]) -> dict[str, _Row]:
    """The rows of the same custom_ids in another batch, by custom_id."""
    return {row[0]: row for row in _rows(batch).filter(custom_id__in=[custom_id for custom_id, _, _ in piece])}


def _rows(batch: Batch) -> QuerySet[BatchObject, _Row]:
    return BatchObject.objects.filter(batch=batch).order_by("line").values_list("custom_id", "line", "status")

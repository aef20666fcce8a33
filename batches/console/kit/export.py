"""Exports of the filtered list of batches: streamed, so that a million rows take no more memory than a page."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from batches.console.kit.access import SignedIn, requires
from batches.console.kit.list_query import question
from batches.console.kit.paging import SORTS, BadSort, Sort, read_sort
from batches.filters import BatchFilter
from batches.models import Batch, load_counts
from batches.rules.jsonl import unbroken
from batches.services.core.access import Right
from batches.services.standing.batch_state import BatchState
from batches.services.standing.look import states_of_batches

PIECE = 500  # the number of batches that are read at once
FORMULA = (*"=+-@＝＋－＠", "\t", "\r", "\n")  # characters with which a spreadsheet may begin a formula
COUNTED = ("total", "pending", "succeeded", "failed", "cancelled", "expired")
FIELDS = (
    *("id", "status", "standing", "project", "provider", "dialect", "endpoint", "model", "remark", "input_file", "created_by"),
    *("metadata", "priority", *COUNTED, "input_tokens", "output_tokens", "cost", "created_at", "deadline", "ended_at"),
)
TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl"}


@require_safe
@requires(Right.READ)
def export_batches(request: SignedIn, form: str) -> HttpResponseBase:
    """All batches that the list's filters match, in the list's order, as CSV or JSON lines; 400 for an unknown filter."""
    now = timezone.now()
    named = ("project", "provider", "input_file", "created_by_key")
    chosen = BatchFilter.asked_by(request.access, question(request.GET), now=now)
    problems = list(chosen.problems)
    sort = SORTS["created"]
    try:
        sort = read_sort(request.GET.get("sort", ""))
    except BadSort as error:
        problems.append(str(error))
    if problems:
        return render(request, "console/not_exported.html", {"problems": problems}, status=400)
    pieces = _in_pieces(chosen.matching.select_related(*named), sort)
    records = (record(batch, state) for piece in pieces for batch, state in _with_states(piece, now=now))
    lines = csv_lines(records, FIELDS) if form == "csv" else map(json_line, records)
    headers = {"Content-Disposition": f'attachment; filename="batches-{now:%Y%m%dT%H%M%SZ}.{form}"'}
    return StreamingHttpResponse(lines, content_type=TYPES[form], headers=headers)


def _in_pieces(matching: QuerySet[Batch], sort: Sort) -> Iterator[list[Batch]]:
    """All rows, piece by piece, by key. So no database cursor stays open, and new rows do not shift the pieces."""
    last: Batch | None = None
    while True:
        rest = matching if last is None else matching.filter(sort.behind(getattr(last, sort.field), last.pk))
        piece = list(sort.ordered(rest)[:PIECE])
        load_counts(piece)
        yield piece
        if len(piece) < PIECE:
            return
        last = piece[-1]


def _with_states(batches: Sequence[Batch], *, now: datetime) -> Iterator[tuple[Batch, BatchState]]:
    states = states_of_batches(batches, now=now)
    return ((batch, states[batch.pk]) for batch in batches)


def record(batch: Batch, state: BatchState) -> dict[str, Any]:
    """The fields of a batch in an export. Times are in UTC."""
    counts = batch.counts
    return {
        "id": str(batch),
        "status": batch.status,
        "standing": state.word,
        "project": batch.project.slug,
        "provider": batch.provider.name,
        "dialect": batch.dialect,
        "endpoint": batch.endpoint,
        "model": batch.model,
        "remark": batch.remark,
        "input_file": batch.input_file.filename if batch.input_file else "",
        "created_by": str(batch.created_by_key or batch.created_by),
        "metadata": batch.metadata,
        "priority": batch.priority,
        **{name: getattr(counts, name) for name in COUNTED},
        "input_tokens": counts.input_tokens,
        "output_tokens": counts.output_tokens,
        "cost": None if counts.cost is None else f"{counts.cost:f}",
        "created_at": moment(batch.created_at),
        "deadline": moment(batch.expires_at),
        "ended_at": moment(batch.ended_at),
    }


def moment(value: datetime | None) -> str | None:
    """A time in UTC, in the format of exports."""
    return None if value is None else value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def json_line(one: dict[str, Any]) -> bytes:
    """A record as a line of JSON."""
    return unbroken(json.dumps(one, ensure_ascii=False).encode()) + b"\n"


class _Echo:
    """A file whose `write` returns the text."""

    def write(self, text: str) -> str:
        return text


def csv_lines(records: Iterable[dict[str, Any]], fields: Sequence[str]) -> Iterator[str]:
    """Records as CSV, line by line. No cell begins a formula."""
    writer = csv.DictWriter(_Echo(), fields)
    yield "\ufeff" + str(writer.writeheader())  # the mark tells spreadsheets that this is UTF-8
    for one in records:
        yield str(writer.writerow({name: cell(value) for name, value in one.items()}))


def cell(value: object) -> object:
    """A value as a cell of CSV. A text that could be a formula gets an apostrophe in front, so that no spreadsheet runs it."""
    if value is None:
        return ""
    if isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str):
        return value
    value = value.replace("\0", "\ufffd")
    return f"'{value}" if value.lstrip(" ").startswith(FORMULA) else value

"""Exports of the filtered list of batches: streamed, so that a million rows take no more memory than a page."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from django.http import HttpResponseBase, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from batches.console.kit.access import SignedIn, requires
from batches.console.kit.exports import not_exported
from batches.console.kit.lists.list_query import LOOK, POSITION, question
from batches.console.kit.lists.paging import SORTS, BadSort, in_pieces, read_sort
from batches.filters import BatchFilter
from batches.models import Batch, load_counts
from batches.rules.display.csv_lines import csv_lines
from batches.rules.lines.jsonl import unbroken
from batches.services.core.access import Right
from batches.services.exports.form import CONTENT_TYPES, Form
from batches.services.standing.batch_state import BatchState
from batches.services.standing.look import states_of_batches

PIECE = 500  # the number of batches that are read at once
COUNTED = ("total", "pending", "succeeded", "failed", "cancelled", "expired")
NET = ("succeeded", "failed", "cancelled", "expired")  # these are exported a second time as they are after retries
FIELDS = (
    *("id", "status", "standing", "project", "provider", "dialect", "endpoint", "model", "remark", "input_file", "created_by"),
    *("metadata", "priority", *COUNTED, "input_tokens", "output_tokens", "cost", "created_at", "deadline", "ended_at"),
    *(f"net_{name}" for name in NET),
)


@require_safe
@requires(Right.READ)
def export_batches(request: SignedIn, form: str) -> HttpResponseBase:
    """All batches that the list's filters match, in the list's order, as CSV or JSON lines; 400 for an unknown filter."""
    now = timezone.now()
    named = ("project", "provider", "input_file", "created_by_key")
    chosen = BatchFilter.asked_by(request.access, question(request.GET), now=now)
    problems = [*chosen.problems, *_repeated(request)]
    sort = SORTS["created"]
    try:
        sort = read_sort(request.GET.get("sort", ""))
    except BadSort as error:
        problems.append(str(error))
    if problems:
        return not_exported(request, problems, back=f"{reverse('console:batches')}?view=all")
    pieces = in_pieces(chosen.matching.select_related(*named), sort, size=PIECE)
    records = (record(batch, state) for piece in pieces for batch, state in _with_states(piece, now=now))
    lines = csv_lines(records, FIELDS) if form == "csv" else map(json_line, records)
    headers = {"Content-Disposition": f'attachment; filename="batches-{now:%Y%m%dT%H%M%SZ}.{form}"'}
    return StreamingHttpResponse(lines, content_type=CONTENT_TYPES[Form(form)], headers=headers)


def _repeated(request: SignedIn) -> Iterator[str]:
    """Sentences about parameters of the list's look that are given more than once. The filters tell of their own."""
    for name in (*LOOK, *POSITION):
        if len(request.GET.getlist(name)) > 1:
            yield f"The parameter “{name}” is given more than once."


def _with_states(batches: Sequence[Batch], *, now: datetime) -> Iterator[tuple[Batch, BatchState]]:
    load_counts(batches)
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
        **{f"net_{name}": getattr(batch.net_counts, name) for name in NET},
    }


def moment(value: datetime | None) -> str | None:
    """A time in UTC, in the format of exports."""
    return None if value is None else value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def json_line(one: dict[str, Any]) -> bytes:
    """A record as a line of JSON."""
    return unbroken(json.dumps(one, ensure_ascii=False).encode()) + b"\n"

"""The page of one batch: how it stands, what happened, why objects failed, and every object."""

import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_safe

from batches.console import curl
from batches.console.access import SignedIn, find_batch, requires
from batches.console.live import respond
from batches.console.pace import pace
from batches.console.paging import BadPosition, Page, objects_page
from batches.console.standing import progress, standing
from batches.error_groups import error_groups
from batches.filters import BatchObjectFilter
from batches.models import Batch, BatchError, BatchObject, Counts, File
from batches.services.access import Right
from batches.states import MOVES, BatchStatus, ObjectStatus

PAGE_SIZE = 50
FIRST_ERRORS = 50  # validation errors shown before "show all"


@dataclass(frozen=True, slots=True)
class Tile:
    """A count that filters the table of objects."""

    label: str
    count: int
    status: str
    tone: str


@dataclass(frozen=True, slots=True)
class FileLink:
    """One of the batch's files: what it is, and whether it can still be had."""

    label: str
    which: str
    file: File
    kept: bool


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """An object, and the code of the error that its latest round ended with."""

    object: BatchObject
    error_code: str


@require_safe
@requires(Right.READ)
def batch_page(request: SignedIn, batch_id: uuid.UUID) -> HttpResponseBase:
    """Everything about one batch."""
    now = timezone.now()
    batch = find_batch(request, batch_id)
    chosen = BatchObjectFilter(request.GET, queryset=BatchObject.objects.filter(batch=batch), now=now)
    problems = list(chosen.problems)
    try:
        page = objects_page(chosen.matching, after=request.GET.get("after"), before=request.GET.get("before"), size=PAGE_SIZE)
    except BadPosition as error:
        problems.append(str(error))
        page = Page([])
    context: dict[str, object] = {
        "batch": batch,
        "now": now,
        "counts": batch.counts,
        "standing": standing(batch, now=now),
        "progress": progress(batch),
        "pace": pace(batch, now=now),
        "overdue": not batch.is_terminal and batch.expires_at <= now,
        "throttled": batch.is_throttled(now=now),
        "tiles": list(_tiles(batch.counts)),
        "live": not batch.is_terminal,
        "events": list(batch.events.all()),
        "groups": error_groups(batch) if batch.counts.failed else [],
        "files": list(_files(batch, now=now)),
        "page": page,
        "rows": _with_error_codes(batch, page.rows),
        "problems": problems,
        "filter": chosen,
        "filtered": bool(chosen.chosen) if not chosen.problems else True,
        "statuses": request.GET.getlist("status"),
        "may_cancel": BatchStatus.CANCELLING in MOVES[BatchStatus(batch.status)]
        and request.access.may(Right.ACT, batch.project_id),
        "may_clone": request.access.may(Right.ACT, batch.project_id),
        "curl": curl.retrieve_batch(request, batch),
        **_errors_of_batch(batch, everything=request.GET.get("validation") == "all"),
    }
    return respond(request, "console/batch.html", regions="console/batch_regions.html", context=context)


def _tiles(counts: Counts) -> Iterable[Tile]:
    yield Tile("Total", counts.total, "", "")
    yield Tile("Succeeded", counts.succeeded, ObjectStatus.SUCCEEDED, "good")
    yield Tile("Failed", counts.failed, ObjectStatus.FAILED, "bad")
    if counts.cancelled:
        yield Tile("Cancelled", counts.cancelled, ObjectStatus.CANCELLED, "mute")
    if counts.expired:
        yield Tile("Expired", counts.expired, ObjectStatus.EXPIRED, "warn")
    if counts.pending:
        yield Tile("Left", counts.pending, ObjectStatus.PENDING, "wait")


def _files(batch: Batch, *, now: datetime) -> Iterable[FileLink]:
    named = (
        ("Input", "input", batch.input_file),
        ("Output", "output", batch.output_file),
        ("Errors", "errors", batch.error_file),
    )
    for label, which, file in named:
        if file is not None:
            yield FileLink(label, which, file, is_kept(file, now=now))


def is_kept(file: File, *, now: datetime) -> bool:
    """Whether the file may still be read: neither deleted nor expired."""
    return file.deleted_at is None and file.purged_at is None and (file.expires_at is None or file.expires_at > now)


def _with_error_codes(batch: Batch, objects: list[BatchObject]) -> list[ObjectRow]:
    lines = [row.line for row in objects if row.status == ObjectStatus.FAILED]
    errors = BatchError.objects.filter(batch=batch, line__in=lines, round__isnull=False).values_list("line", "round", "code")
    codes = {(line, round_): code for line, round_, code in errors} if lines else {}
    return [ObjectRow(row, codes.get((row.line, row.round), "")) for row in objects]


def _errors_of_batch(batch: Batch, *, everything: bool) -> dict[str, object]:
    """What was wrong with the input, as far as it is stored; or why the batch as a whole could not run."""
    errors = list(BatchError.objects.filter(batch=batch, round__isnull=True))
    if not batch.error_count:
        return {"reason": errors[0] if errors else None}
    return {
        "validation_errors": errors if everything else errors[:FIRST_ERRORS],
        "validation_codes": Counter(error.code for error in errors).most_common(),
        "stored_errors": len(errors),
    }

"""The page of one batch: its state, its latest events, the reasons of failures, and its objects."""

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.http import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from batches.console.drawing.batch_state import badge, progress
from batches.console.drawing.count_tiles import status_tiles
from batches.console.drawing.latency import latency
from batches.console.drawing.pace import course, latest_minutes, pace
from batches.console.kit.access import SignedIn, find_batch, requires
from batches.console.kit.extras import extras_told
from batches.console.kit.guards import guards_in_force
from batches.console.kit.lists.paging import BadPosition, KeysetPage, objects_page
from batches.console.kit.lists.way_back import around, kept
from batches.console.kit.live import respond, unchanged
from batches.console.pages.acts.new_batch_form import as_query
from batches.console.pages.acts.retry_batch import retriable
from batches.console.pages.batches.batch_jobs import how_it_runs
from batches.console.pages.batches.family import after_retries, family
from batches.console.pages.batches.page_around import page_around
from batches.filters import BatchObjectFilter
from batches.models import Batch, BatchError, BatchObject, Counts, File
from batches.rules.states import ObjectStatus
from batches.services.core.access import Access, Right
from batches.services.insight.groups_in_batch import error_groups
from batches.services.insight.waiting import Cause, Stand, stand
from batches.services.insight.withheld import unquoting, unquoting_groups
from batches.services.results.attempts import load_attempts
from batches.services.retry.elsewhere import elsewhere

PAGE_SIZE = 50
FIRST_ERRORS = 50  # the validation errors that are shown before "show all"
LATEST_EVENTS = 6  # the events that are shown; the page of the history has all


@dataclass(frozen=True, slots=True)
class FileLink:
    """A file of the batch, and whether it is still kept."""

    label: str
    which: str
    file: File
    kept: bool


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """An object, the code of the error that its latest round ended with, and the object of a retry that has taken it up."""

    object: BatchObject
    error_code: str
    elsewhere: BatchObject | None


@require_safe
@requires(Right.READ)
def batch_page(request: SignedIn, batch_id: uuid.UUID) -> HttpResponseBase:
    """Everything about one batch."""
    now = timezone.now()
    batch = find_batch(request, batch_id)
    if same := unchanged(request, [batch, batch.counts], now=now):
        return same
    chosen = BatchObjectFilter(request.GET, queryset=BatchObject.objects.filter(batch=batch), now=now)
    problems = list(chosen.problems)
    try:
        page = objects_page(chosen.matching, after=request.GET.get("after"), before=request.GET.get("before"), size=PAGE_SIZE)
    except BadPosition as error:
        problems.append(str(error))
        page = KeysetPage([])
    minutes, found = latest_minutes(batch), stand(batch, now=now)
    context: dict[str, object] = {
        **page_around(request, batch, page="batch"),
        "now": now,
        "counts": batch.counts,
        "standing": badge(found.state),
        "progress": progress(batch),
        "pace": pace(batch, minutes, now=now) if found.state.code.moves else None,  # a batch that waits has no known end
        "spark": course(batch, minutes, now=now),
        "overdue": not batch.is_terminal and batch.expires_at <= now,
        **_why_it_waits(found),
        "tiles": status_tiles(_counted(batch.counts), chosen=request.GET.getlist("status"), table="objects", kept=kept(request)),
        "live": not batch.is_terminal,
        "events": list(batch.events.select_related("operation").order_by("-created_at", "-pk")[:LATEST_EVENTS])[::-1],
        "latency": latency(batch),
        "guards": guards_in_force(batch),
        **how_it_runs(batch),
        "extras": list(extras_told(batch)),
        **after_retries(batch, family(batch, request.access)),
        "currency": settings.CURRENCY,
        "groups": unquoting_groups(batch, error_groups(batch), request.access.readable) if batch.counts.failed else [],
        "files": list(_files(batch, now=now)),
        "page": page,
        "rows": _with_error_codes(batch, load_attempts(batch, page.rows), request.access),
        "problems": problems,
        "filter": chosen,
        "around": around(request),
        "filtered": bool(chosen.chosen) if not chosen.problems else True,
        "statuses": request.GET.getlist("status"),
        "retriable": retriable(batch),
        **_errors_of_batch(request, batch, now=now),
    }
    return respond(request, "console/batch.html", regions="console/batch_regions.html", context=context)


_TONES = {
    **dict.fromkeys((Cause.PROVIDER_DISABLED, Cause.ACCOUNT_PROBLEM, Cause.BREAKER_OPEN, Cause.NO_WORKER), "error"),
    **dict.fromkeys((Cause.INPUT_OUT_OF_REACH, Cause.SENDING_STOPPED, Cause.NOT_ANSWERING, Cause.NO_PROGRESS), "error"),
    **dict.fromkeys((Cause.PAUSED, Cause.RATE_LIMITED, Cause.THROTTLED, Cause.UNCERTAIN), "warning"),
}


def _why_it_waits(stands: Stand) -> dict[str, object]:
    """The reason why the batch waits, and the tone of the notice. A reason in the state's own sentence is not said twice."""
    found = stands.waiting
    if found is None:
        return {}
    is_told = found.sentence == stands.state.sentence
    return {"waiting": found, "waiting_is_told": is_told, "waiting_tone": _TONES.get(found.cause, "")}


def _counted(counts: Counts) -> Iterable[tuple[str, int, str, str]]:
    yield "Total", counts.total, "", ""
    yield "Succeeded", counts.succeeded, ObjectStatus.SUCCEEDED, "good"
    yield "Failed", counts.failed, ObjectStatus.FAILED, "bad"
    if counts.cancelled:
        yield "Cancelled", counts.cancelled, ObjectStatus.CANCELLED, "mute"
    if counts.expired:
        yield "Expired", counts.expired, ObjectStatus.EXPIRED, "warn"
    if counts.pending:
        yield "Left", counts.pending, ObjectStatus.PENDING, "wait"


def _files(batch: Batch, *, now: datetime) -> Iterable[FileLink]:
    named = (
        ("Input", "input", batch.input_file),
        ("Output", "output", batch.output_file),
        ("Errors", "errors", batch.error_file),
    )
    for label, which, file in named:
        if file is not None:
            yield FileLink(label, which, file, file.is_readable(now=now))


def _with_error_codes(batch: Batch, objects: Sequence[BatchObject], access: Access) -> list[ObjectRow]:
    lines = [row.line for row in objects if row.status == ObjectStatus.FAILED]
    errors = BatchError.objects.filter(batch=batch, line__in=lines, round__isnull=False) if lines else ()
    codes = {(error.line, error.round): error.code for error in unquoting(errors, access.readable)}
    taken_up = elsewhere(objects, among=access.batches())
    return [ObjectRow(row, codes.get((row.line, row.round), ""), taken_up.get(row.pk)) for row in objects]


def _errors_of_batch(request: SignedIn, batch: Batch, *, now: datetime) -> dict[str, object]:
    """The stored validation errors of the input; or the reason why the batch as a whole could not run."""
    errors = unquoting(BatchError.objects.filter(batch=batch, round__isnull=True), request.access.readable)
    if not batch.error_count or batch.skipped_lines:
        return {"reason": errors[0] if errors else None}
    code = request.GET.get("problem", "")
    chosen = [error for error in errors if code in ("", error.code)]
    may_check = request.access.may(Right.ACT, batch.project_id) and batch.input_file and batch.input_file.is_readable(now=now)
    return {
        "validation_errors": chosen if request.GET.get("validation") == "all" else chosen[:FIRST_ERRORS],
        "codes": Counter(error.code for error in errors).most_common(),
        "code": code,
        "matching_errors": len(chosen),
        "stored_errors": len(errors),
        "bad_lines": len({error.line for error in errors if error.line is not None}),
        "check_address": _check_address(batch) if may_check else "",
    }


def _check_address(batch: Batch) -> str:
    """The address of a report on the input, from which the batch can be started again without its bad lines."""
    query = as_query(batch)
    query.pop("input_file", None)
    return f"{reverse('console:check_input', args=[batch.input_file_id])}?{query.urlencode()}"

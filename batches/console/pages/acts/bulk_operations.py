"""Bulk operations: their list, and the page of each one, on which it is watched, stopped and retried."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponseBase, QueryDict, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from batches.console.drawing.batch_state import Badge, Progress, Tone, percent
from batches.console.drawing.count_tiles import status_tiles
from batches.console.kit.access import SignedIn, requires
from batches.console.kit.exports import not_exported
from batches.console.kit.lists.list_export import moment
from batches.console.kit.lists.list_query import in_words
from batches.console.kit.lists.paging import BadPosition, KeysetPage, keyed_page
from batches.console.kit.live import respond
from batches.filters import BatchFilter, BulkItemFilter
from batches.http.parameters import allow_parameters
from batches.models import BulkAct, BulkItem, BulkOperation
from batches.rules.display.csv_lines import csv_lines
from batches.rules.errors import Conflict, InvalidRequest, NotFound, PortalError
from batches.rules.states import Source
from batches.services.bulk.cancel import cancel_rest
from batches.services.bulk.preview import words
from batches.services.bulk.retry import retry_failed
from batches.services.core.access import Right
from batches.services.exports.form import CONTENT_TYPES, Form

PAGE_SIZE = 50
PIECE = 500  # the number of items that are read at once for the CSV
CSV_FIELDS = ("batch", "project", "remark", "outcome", "note", "ended_at")
ITEM_TONES: dict[str, str] = {
    BulkItem.Status.PENDING: "wait",
    BulkItem.Status.DONE: "good",
    BulkItem.Status.SKIPPED: "warn",
    BulkItem.Status.FAILED: "bad",
}


@dataclass(frozen=True, slots=True)
class Row:
    """An operation with the words that its row shows."""

    operation: BulkOperation
    title: str
    standing: Badge
    progress: Progress


def row_of(operation: BulkOperation) -> Row:
    """The row of an operation, with its state and its progress."""
    title = words(BulkAct(operation.act), operation.total, operation.parameters)
    return Row(operation, title, _standing(operation), _progress(operation))


def _standing(operation: BulkOperation) -> Badge:
    status = BulkOperation.Status(operation.status)
    if status is BulkOperation.Status.PENDING:
        return Badge("Waiting", Tone.WAIT, "The operation starts as soon as a worker is free.")
    if status is BulkOperation.Status.RUNNING:
        return Badge("Running", Tone.RUN, "A worker acts on the batches one by one, the oldest first.")
    if status is BulkOperation.Status.CANCELLED:
        return Badge(
            "Cancelled",
            Tone.MUTE,
            f"Cancelled with {operation.left:,} of {operation.total:,} batches left. Finished acts are not undone.",
        )
    if operation.failed:
        return Badge(
            f"Done, {operation.failed:,} failed", Tone.BAD, f"{operation.failed:,} of {operation.total:,} batches failed."
        )
    if operation.skipped:
        return Badge(
            f"Done, {operation.skipped:,} skipped",
            Tone.WARN,
            f"{operation.skipped:,} of {operation.total:,} batches were skipped.",
        )
    return Badge("Done", Tone.GOOD, "Every batch was acted on." if operation.total else "No batch matched.")


def _progress(operation: BulkOperation) -> Progress:
    total = operation.total
    if not total:
        return Progress(text="No batches")
    came_to = total - operation.left
    named = (("skipped", operation.skipped), ("failed", operation.failed))
    return Progress(
        succeeded=round(100 * operation.done / total, 2),
        failed=round(100 * operation.failed / total, 2),
        percent=percent(came_to, total, ended=operation.ended_at is not None),
        text=" · ".join([f"{came_to:,} of {total:,}", *(f"{count:,} {word}" for word, count in named if count)]),
    )


def find_operation(request: SignedIn, operation_id: uuid.UUID) -> BulkOperation:
    """The person's own operation with this id; any operation for an administrator of the portal. Raises NotFound."""
    operation = request.access.operations().select_related("retry_of").filter(pk=operation_id).first()
    if operation is None:
        raise NotFound
    return operation


@require_safe
@requires(Right.READ)
def bulk_operations(request: SignedIn) -> HttpResponseBase:
    """The operations, the newest first."""
    problems: list[str] = []
    page: KeysetPage[BulkOperation] = KeysetPage([])
    try:
        after, before = request.GET.get("after"), request.GET.get("before")
        page = keyed_page(request.access.operations(), order="-pk", after=after, before=before, size=PAGE_SIZE)
    except BadPosition as error:
        problems.append(str(error))
    rows = [row_of(operation) for operation in page.rows]
    context: dict[str, object] = {
        "rows": rows,
        "page": page,
        "problems": problems,
        "open": sum(row.operation.ended_at is None for row in rows),
        "may_act": request.access.may_somewhere(Right.ACT),
    }
    return respond(request, "console/bulk_operations.html", regions="console/bulk_operations_regions.html", context=context)


@require_safe
@requires(Right.READ)
def bulk_operation(request: SignedIn, operation_id: uuid.UUID) -> HttpResponseBase:
    """The page of an operation: its state, and the outcome of each batch."""
    operation = find_operation(request, operation_id)
    chosen = BulkItemFilter(request.GET, queryset=_items(request, operation), now=timezone.now())
    problems = list(chosen.problems)
    page: KeysetPage[BulkItem] = KeysetPage([])
    try:
        after, before = request.GET.get("after"), request.GET.get("before")
        page = keyed_page(chosen.matching, order="pk", after=after, before=before, size=PAGE_SIZE)
    except BadPosition as error:
        problems.append(str(error))
    context: dict[str, object] = {
        "operation": operation,
        "row": row_of(operation),
        "live": operation.ended_at is None,
        "page": page,
        "tones": ITEM_TONES,
        "problems": problems,
        "statuses": request.GET.getlist("status"),
        "tiles": status_tiles(_counted(operation), chosen=request.GET.getlist("status"), table="items"),
        "retries": operation.retries.all(),
        "retry_token": _retry_token(operation),
        **_query_in_words(request, operation),
    }
    return respond(request, "console/bulk_operation.html", regions="console/bulk_operation_regions.html", context=context)


def _items(request: SignedIn, operation: BulkOperation) -> QuerySet[BulkItem]:
    """The items whose batches the reader may still see."""
    items = BulkItem.objects.filter(operation=operation).select_related("batch__project", "batch__input_file")
    return request.access.within(items, project="batch__project")


def _counted(operation: BulkOperation) -> Iterator[tuple[str, int, str, str]]:
    yield "Total", operation.total, "", ""
    yield "Done", operation.done, BulkItem.Status.DONE, "good"
    if operation.skipped:
        yield "Skipped", operation.skipped, BulkItem.Status.SKIPPED, "warn"
    if operation.failed:
        yield "Failed", operation.failed, BulkItem.Status.FAILED, "bad"
    if operation.left:
        yield "Not reached" if operation.ended_at else "Left", operation.left, BulkItem.Status.PENDING, "wait"


def _query_in_words(request: SignedIn, operation: BulkOperation) -> dict[str, object]:
    """The filter that chose the batches, in words, if it is one of the console's filters and is still valid."""
    if not operation.query or operation.source == Source.ADMIN:
        return {}
    chosen = BatchFilter.asked_by(request.access, QueryDict(operation.query), now=operation.created_before)
    return {} if chosen.problems else in_words(chosen)


def _retry_token(operation: BulkOperation) -> uuid.UUID:
    """The token of a retry. It changes only after a retry, so a double click makes one operation."""
    return uuid.uuid5(operation.pk, f"again {operation.retries.count()}")


@require_POST
@requires(Right.READ)
def cancel_bulk(request: SignedIn, operation_id: uuid.UUID) -> HttpResponseBase:
    """Stop an operation: its remaining batches stay as they are."""
    operation = find_operation(request, operation_id)
    try:
        cancel_rest(operation, by=request.access, now=timezone.now())
    except Conflict as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"Operation cancelled. {operation.left:,} of {operation.total:,} batches were not reached.")
    return redirect("console:bulk_operation", operation.pk)


@require_POST
@requires(Right.ACT)
def retry_bulk(request: SignedIn, operation_id: uuid.UUID) -> HttpResponseBase:
    """Retry the failures of an operation, as a new operation."""
    operation = find_operation(request, operation_id)
    try:
        token = uuid.UUID(request.POST.get("token", ""))
        operation = retry_failed(operation, token=token, by=request.access, now=timezone.now())
    except ValueError:
        messages.error(request, "This form is incomplete. Load the page again.")
    except PortalError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"This operation tries the {operation.total:,} failed batches again.")
    return redirect("console:bulk_operation", operation.pk)


@require_safe
@requires(Right.READ)
def export_outcomes(request: SignedIn, operation_id: uuid.UUID) -> HttpResponseBase:
    """The outcome of each batch, as CSV."""
    operation = find_operation(request, operation_id)
    try:
        allow_parameters(request.GET)
    except InvalidRequest as error:
        return not_exported(request, [error.message], back=reverse("console:bulk_operation", args=[operation.pk]))
    records = (_record(item) for item in _in_pieces(_items(request, operation)))
    headers = {"Content-Disposition": f'attachment; filename="bulk_{operation.pk.hex}.csv"'}
    return StreamingHttpResponse(csv_lines(records, CSV_FIELDS), content_type=CONTENT_TYPES[Form.CSV], headers=headers)


def _in_pieces(items: QuerySet[BulkItem]) -> Iterator[BulkItem]:
    after: str | None = ""
    while after is not None:
        page = keyed_page(items, order="pk", after=after, before=None, size=PIECE)
        yield from page.rows
        after = page.forward


def _record(item: BulkItem) -> dict[str, object]:
    return {
        "batch": str(item.batch),
        "project": item.batch.project.slug,
        "remark": item.batch.remark,
        "outcome": item.status,
        "note": item.note,
        "ended_at": moment(item.ended_at),
    }

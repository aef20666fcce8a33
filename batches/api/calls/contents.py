"""The contents of one batch: its objects, results, errors and events."""

import uuid
from collections.abc import Iterable
from typing import Any

import msgspec
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from batches.api.fields.names import listed
from batches.api.fields.objects import (
    ShownError,
    ShownErrorGroup,
    ShownEvent,
    ShownObject,
    ShownObjectDetail,
    ShownResult,
    ShownTry,
    result_object,
)
from batches.api.openapi import documented
from batches.api.openapi.schema import page_of, parameters_of
from batches.api.view import NativeView, require_understood
from batches.dialects.shared.result_pages import parse_cursor, result_page, with_requests
from batches.filters import BatchErrorFilter, BatchObjectFilter
from batches.http.exports import export_answer, read_result_choice
from batches.http.paging import page_after, page_by, query_number, query_word, wrong_cursor
from batches.http.rendering import as_written
from batches.models import LAST_LINE, Batch, BatchError, BatchObject, Event
from batches.rules import identifiers
from batches.rules.errors import Gone, NotFound
from batches.rules.states import ObjectStatus
from batches.services.core.access import Readable, Right
from batches.services.exports.results_export import export_results
from batches.services.insight.groups_in_batch import error_groups
from batches.services.insight.withheld import unquoting, unquoting_groups
from batches.services.results.attempts import load_attempts, tries
from batches.services.results.object_result import ObjectResult
from batches.services.results.results import request_of, result_of


class ObjectQuery(BatchObjectFilter):
    """The filters of the console, and the parameters of pages."""

    others = frozenset({"limit", "cursor"})


class ErrorQuery(BatchErrorFilter):
    """The filters of errors, and the parameters of pages."""

    others = frozenset({"limit", "cursor"})


class BatchContents(NativeView):
    """/batches/{batch_id}/…"""

    tag = "Inside a batch"
    thing = "of_batch"
    requires = {  # noqa: RUF012 - read only
        **dict.fromkeys(("objects", "errors", "groups", "events", "export"), Right.READ),
        **dict.fromkeys(("one_object", "results"), Right.READ_BODIES),
    }

    @extend_schema(
        operation_id="list_objects",
        summary="List the objects of a batch",
        parameters=[*parameters_of(ObjectQuery), *documented.PAGE],
        responses=page_of(ShownObject, "ObjectPage"),
    )
    def objects(self, request: Request, batch_id: str) -> Response:
        """The requests of a batch with their statuses, by line. There are none until the input has been checked.

        `error` takes the fingerprint of an error group, and lists the objects whose latest round failed for that reason.
        """
        batch = self.find_batch(batch_id)
        rows = BatchObject.objects.filter(batch=batch)
        chosen = ObjectQuery(request.query_params, queryset=rows, now=timezone.now())
        require_understood(chosen, request.query_params)
        after = query_number(request.query_params, "cursor", minimum=0, maximum=LAST_LINE, default=0)
        page = page_by(chosen.matching, "line", after=after, limit=self.limit())
        shown = _with_errors(batch, page.rows, self.caller.readable)
        return self.page(listed(ShownObject, shown), next_cursor=page.rows[-1].line if page.has_more else None)

    @extend_schema(operation_id="retrieve_object", summary="Retrieve one object", responses=ShownObjectDetail)
    def one_object(self, _request: Request, batch_id: str, line: int) -> Response:
        """One request as its client wrote it, the answer as the provider gave it, and every attempt."""
        self.allow_parameters()
        batch = self.find_batch(batch_id)
        row = BatchObject.objects.filter(batch=batch, line=line).first() if line <= LAST_LINE else None
        if row is None:
            raise NotFound(f"Batch {batch} has no object at line {str(line)[:20]}.", param="line")
        row.batch = batch
        shown = dict(ShownObject(_with_errors(batch, [row], self.caller.readable)[0]).data)
        shown["request"] = _request_line(batch, row.line)
        shown["response"] = _stored_answer(row)
        shown["history"] = listed(ShownTry, tries(batch, row.line))
        return Response(shown)

    @extend_schema(
        operation_id="list_results",
        summary="List the results of a batch",
        parameters=[documented.INCLUDE, *documented.PAGE],
        responses=page_of(ShownResult, "ResultPage"),
    )
    def results(self, request: Request, batch_id: str) -> Response:
        """The results of the objects in input order, also while the batch runs.

        While the batch runs, `next_cursor` is never null. After a page without `next`, ask again later from this cursor: the
        answer lists the results since then, and repeats some that you have. Tell results apart by `custom_id`. With
        `include=request` each result has its input line.
        """
        query = request.query_params
        self.allow_parameters("cursor", "limit", "include")
        limit = self.limit()
        cursor = parse_cursor(query.get("cursor"), name="cursor")
        include = query_word(query, "include", words=("request",), default="")
        batch = self.find_batch(batch_id)
        page, requests = result_page(batch, cursor=cursor, limit=limit), None
        if include:
            page, requests = with_requests(page, batch)
        shown = [_result(result, requests) for result in page.results]
        answer = self.page(shown, next_cursor=page.next_cursor)
        if not page.has_more:
            answer.data["next"] = None
        return answer

    @extend_schema(
        operation_id="export_results",
        summary="Export the results of a batch",
        parameters=documented.EXPORT,
        responses=documented.EXPORTED,
    )
    def export(self, request: Request, batch_id: str) -> StreamingHttpResponse:
        """Results as CSV for a spreadsheet, or as lines of JSON like those of an output file; at any time, in input order.

        While the batch runs, the export has what has settled, its file name says `partial`, and so does the header
        `x-batchyard-partial`. Who may not read answers gets no column `answer` and no messages that could quote one; the
        header `x-batchyard-left-out` names the column.
        """
        choice = read_result_choice(request.query_params)
        batch = self.find_batch(batch_id)
        with_bodies = self.caller.readable(batch.project_id)
        if with_bodies:
            self.caller.require(Right.READ_BODIES, batch.project, act=self.act, target=batch)
        return export_answer(export_results(batch, choice, among=self.caller.batches(), with_bodies=with_bodies))

    @extend_schema(
        operation_id="list_errors",
        summary="List the errors of a batch",
        parameters=[*parameters_of(ErrorQuery), *documented.PAGE],
        responses=page_of(ShownError, "ErrorPage"),
    )
    def errors(self, request: Request, batch_id: str) -> Response:
        """The problems of the input, or the failures of objects, in the order in which they were recorded."""
        batch = self.find_batch(batch_id)
        rows: QuerySet[BatchError] = BatchError.objects.filter(batch=batch)
        chosen = ErrorQuery(request.query_params, queryset=rows, now=timezone.now())
        require_understood(chosen, request.query_params)
        page = page_by(chosen.matching, "id", after=_cursor(request.query_params.get("cursor")), limit=self.limit())
        shown = unquoting(page.rows, self.caller.readable)
        return self.page(listed(ShownError, shown), next_cursor=page.rows[-1].id.hex if page.has_more else None)

    @extend_schema(
        operation_id="list_error_groups",
        summary="List the error groups of a batch",
        responses=page_of(ShownErrorGroup, "ErrorGroupPage"),
    )
    def groups(self, _request: Request, batch_id: str) -> Response:
        """The failures of objects, grouped by the parts of messages that do not vary: the 50 largest groups, largest first."""
        self.allow_parameters()
        batch = self.find_batch(batch_id)
        groups = unquoting_groups(batch, error_groups(batch), self.caller.readable)
        return self.page(listed(ShownErrorGroup, groups), next_cursor=None)

    @extend_schema(
        operation_id="list_events",
        summary="List the events of a batch",
        parameters=documented.PAGE,
        responses=page_of(ShownEvent, "EventPage"),
    )
    def events(self, request: Request, batch_id: str) -> Response:
        """The timeline of a batch: each move and act, with its time and its actor, the earliest first."""
        self.allow_parameters("cursor", "limit")
        events = Event.objects.filter(batch=self.find_batch(batch_id))
        cursor = request.query_params.get("cursor")
        page = page_after(events, events, after=cursor, limit=self.limit(), order="asc", name="cursor")
        following = page.rows[-1].pk.hex if page.has_more else None
        return self.page(listed(ShownEvent, page.rows), next_cursor=following)


def _with_errors(batch: Batch, rows: Iterable[BatchObject], readable: Readable) -> list[dict[str, Any]]:
    """The fields of objects, with the error of their latest round. One query finds the errors of all."""
    rows = load_attempts(batch, list(rows))
    failed = [row.line for row in rows if row.status == ObjectStatus.FAILED]
    recorded = BatchError.objects.filter(batch=batch, line__in=failed, round__isnull=False) if failed else ()
    errors = {(error.line, error.round): (error.code, error.message) for error in unquoting(recorded, readable)}
    names = [str(name) for name in ShownObject().fields if str(name) != "error"]
    shown = []
    for row in rows:
        found = errors.get((row.line, row.round)) or batch.why_never_ran(row.status)
        error = {"code": found[0], "message": found[1]} if found else None
        shown.append({name: getattr(row, name) for name in names} | {"error": error})
    return shown


def _result(result: ObjectResult, requests: dict[int, bytes] | None) -> dict[str, Any]:
    shown = result_object(result, line=result.line)
    if requests is not None:
        line = requests.get(result.line)
        shown["request"] = as_written(line) if line else None
    return shown


def _stored_answer(row: BatchObject) -> dict[str, Any] | None:
    try:
        return result_of(row).response
    except Gone:
        return None


def _request_line(batch: Batch, line: int) -> msgspec.Raw | str | None:
    try:
        return as_written(request_of(batch, line))
    except Gone:
        return None


def _cursor(text: str | None) -> uuid.UUID | None:
    if text is None:
        return None
    if (found := identifiers.parse(text)) is None:
        raise wrong_cursor()
    return found

"""The lineage of a batch: the batch with all of its retries, and the final result of each request."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from batches.api.fields.batch import ShownBatch, ShownCounts, batch_objects
from batches.api.fields.names import BatchId
from batches.api.fields.objects import ShownResult, result_object
from batches.api.fields.spending import ShownUsage
from batches.api.openapi import documented
from batches.api.openapi.schema import page_of
from batches.api.view import NativeView
from batches.dialects.shared.result_pages import PAGE_CHARS
from batches.http.paging import query_number
from batches.models import LAST_LINE, Batch
from batches.rules import identifiers
from batches.services.core.access import Right
from batches.services.results.object_result import result_line
from batches.services.results.results import some_of
from batches.services.retry.lineage import Merged, lineage, merged_counts, merged_results

JSON_LINES = "application/jsonl"


@extend_schema_serializer(component_name="Lineage")
class ShownLineage(serializers.Serializer[Any]):
    """The first batch of a lineage, and all retries of its failures."""

    counts = ShownCounts(help_text="The requests of the first batch by their final status, in whichever batch of the lineage.")
    usage = ShownUsage(help_text="The usage of all batches together.")
    batches = ShownBatch(
        many=True, help_text="The first batch, then its retries by age. Each retries the batch that `parent_id` names."
    )


@extend_schema_serializer(component_name="MergedResult")
class ShownMergedResult(ShownResult):
    """The final result of one request. `line` is its line in the input of the first batch."""

    batch_id = BatchId()  # the batch of the lineage that has the result
    request = None  # type: ignore[assignment]  # results of a lineage have no request


class LineageView(NativeView):
    """/batches/{batch_id}/lineage…"""

    tag = "Inside a batch"
    thing = "of_lineage"
    requires = {  # noqa: RUF012 - read only
        "members": Right.READ,
        "results": Right.READ_BODIES,
        "download": Right.READ_BODIES,
    }

    @extend_schema(operation_id="retrieve_lineage", summary="Retrieve a batch's lineage", responses=ShownLineage)
    def members(self, request: Request, batch_id: str) -> Response:
        """The lineage of a batch: the first batch, and every retry of it or of its retries."""
        self.allow_parameters()
        members = self._lineage(batch_id)
        counts = merged_counts(members)
        return Response(
            {
                "counts": ShownCounts(counts).data,
                "usage": ShownUsage(counts).data,
                "batches": batch_objects(members, request._request),
            }
        )

    @extend_schema(
        operation_id="list_lineage_results",
        summary="List the results of a lineage",
        parameters=documented.PAGE,
        responses=page_of(ShownMergedResult, "MergedResultPage"),
    )
    def results(self, request: Request, batch_id: str) -> Response:
        """The final result of each request of the first batch, in its order: the success in any batch, else the last failure.

        Requests that are being retried at present are not listed. Read the results again when every batch has ended.
        """
        self.allow_parameters("cursor", "limit")
        limit = self.limit()
        after = query_number(request.query_params, "cursor", minimum=0, maximum=LAST_LINE, default=0)
        found = _settled(self._lineage(batch_id), after_line=after)
        page, more = some_of(found, limit=limit, max_chars=PAGE_CHARS, chars=lambda item: len(item.result.body))
        return self.page(map(_shown, page), next_cursor=page[-1].root_line if more else None)

    @extend_schema(
        operation_id="read_lineage_results",
        summary="Download the results of a lineage",
        responses={(200, JSON_LINES): OpenApiResponse(OpenApiTypes.BINARY, "A result a line, as in an output file.")},
    )
    def download(self, _request: Request, batch_id: str) -> StreamingHttpResponse:
        """The final results as JSON lines, successes and failures together, in the order of the first batch."""
        self.allow_parameters()
        members = self._lineage(batch_id)
        name = f"{identifiers.render('batch_', members[0].id)}_lineage.jsonl"
        lines = (result_line(item.result) for item in _settled(members))
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingHttpResponse(lines, content_type=JSON_LINES, headers=headers)

    def _lineage(self, batch_id: str) -> list[Batch]:
        """The batches of the lineage that the caller may see."""
        named = self.caller.batches().select_related("project", "provider", "created_by_key")
        return lineage(self.find_batch(batch_id), among=named)


def _settled(members: Sequence[Batch], *, after_line: int = 0) -> Iterator[Merged]:
    return (item for item in merged_results(members, after_line=after_line) if item.result.is_settled)


def _shown(item: Merged) -> dict[str, Any]:
    return {"batch_id": str(item.batch), **result_object(item.result, line=item.root_line)}

"""Results as one JSON document, `{"batch_id", "results", "has_more", "next_cursor"}`: a page of results, or all."""

from collections.abc import Iterator
from typing import Any

from batches.dialects.shared.endpoints import MESSAGES
from batches.dialects.shared.result_pages import Cursor, ResultPage, result_page, with_requests
from batches.http.rendering import as_written, encode, raw
from batches.models import Batch
from batches.rules.states import ObjectStatus
from batches.services.results.object_result import ObjectResult

INCLUDED = ("request",)  # the allowed values of `include`
STREAMED_PAGE = 500

# The type of a result in Anthropic's format, by the status of its object.
RESULT_TYPES = {
    ObjectStatus.SUCCEEDED: "succeeded",
    ObjectStatus.FAILED: "errored",
    ObjectStatus.CANCELLED: "canceled",
    ObjectStatus.EXPIRED: "expired",
}


def document(batch: Batch, *, cursor: Cursor, limit: int, include: str) -> dict[str, Any]:
    """A page of results. With `include`, each result has its input line, or null if the line is not kept any more."""
    items, page = _page(batch, cursor=cursor, limit=limit, include=include)
    return {"batch_id": str(batch), "results": items} | _end(page)


def streamed(batch: Batch, *, cursor: Cursor, limit: int | None, include: str, more: dict[str, Any]) -> Iterator[bytes]:
    """The document piece by piece, with up to `limit` results or all of them, and the fields `more` at its end.

    Without a next cursor, the field is left out.
    """
    yield b'{"batch_id":' + encode(str(batch)) + b',"results":['
    comma = b""
    while True:
        size = STREAMED_PAGE if limit is None else min(limit, STREAMED_PAGE)
        items, page = _page(batch, cursor=cursor, limit=size, include=include)
        if items:
            yield comma + b",".join(map(encode, items))
            comma = b","
        limit = None if limit is None else limit - len(items)
        following = page.next_cursor
        # A cursor that leads back begins another walk. It ends the document, so that no result is listed twice in it.
        if not page.has_more or limit == 0 or following is None or following.after <= cursor.after:
            break
        cursor = following
    end = {name: value for name, value in _end(page).items() if value is not None}
    yield b"]," + encode(end | more)[1:]


def result_item(result: ObjectResult, *, endpoint: str) -> dict[str, Any]:
    """The result of one settled object: the upstream's answer with any status, or the reason why there is none."""
    item: dict[str, Any] = {"custom_id": result.custom_id}
    status = ObjectStatus(result.status)
    if endpoint == MESSAGES and (result.body or status in _WITHOUT_ANSWER):
        return item | {"result": {"type": RESULT_TYPES[status]} | ({"message": raw(result.document)} if result.body else {})}
    if result.body:
        item["response"] = result.response
    if error := result.error:
        item["error"] = error | ({"line": result.line} if result.is_invalid else {})
    return item


_WITHOUT_ANSWER = frozenset({ObjectStatus.CANCELLED, ObjectStatus.EXPIRED})


def _page(batch: Batch, *, cursor: Cursor, limit: int, include: str) -> tuple[list[dict[str, Any]], ResultPage]:
    page = result_page(batch, cursor=cursor, limit=limit)
    if not include:
        return [result_item(result, endpoint=batch.endpoint) for result in page.results], page
    page, requests = with_requests(page, batch)
    lines = {number: as_written(line) for number, line in requests.items()}
    return [result_item(result, endpoint=batch.endpoint) | {"request": lines.get(result.line)} for result in page.results], page


def _end(page: ResultPage) -> dict[str, Any]:
    return {"has_more": page.has_more, "next_cursor": str(page.next_cursor) if page.next_cursor else None}

"""Results as one JSON document, `{"batch_id", "results", "has_more", "next_cursor"}`: a page, or all there are."""

from collections.abc import Iterator
from typing import Any

from batches.dialects.shared.endpoints import MESSAGES
from batches.dialects.shared.result_pages import Cursor, ResultPage, result_page, with_requests
from batches.http.rendering import as_written, encode, raw
from batches.models import Batch
from batches.rules.states import ObjectStatus
from batches.services.results.object_result import ObjectResult

INCLUDED = ("request",)  # what `include` may ask for
STREAMED_PAGE = 500

# What became of a request for messages.
RESULT_TYPES = {
    ObjectStatus.SUCCEEDED: "succeeded",
    ObjectStatus.FAILED: "errored",
    ObjectStatus.CANCELLED: "canceled",
    ObjectStatus.EXPIRED: "expired",
}


def document(batch: Batch, *, cursor: Cursor, limit: int, include: str) -> dict[str, Any]:
    """A page of results; with `include` each has the input line it answers, null where that is not kept any more."""
    items, page = _page(batch, cursor=cursor, limit=limit, include=include)
    return {"batch_id": str(batch), "results": items} | _end(page)


def streamed(batch: Batch, *, cursor: Cursor, limit: int | None, include: str, more: dict[str, Any]) -> Iterator[bytes]:
    """The same piece by piece, up to `limit` results or all there are, with `more` at its end, and no cursor where none is."""
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
        # A cursor that leads back begins another walk: nothing is listed twice in one document.
        if not page.has_more or limit == 0 or following is None or following.after <= cursor.after:
            break
        cursor = following
    end = {name: value for name, value in _end(page).items() if value is not None}
    yield b"]," + encode(end | more)[1:]


def result_item(result: ObjectResult, *, endpoint: str) -> dict[str, Any]:
    """One settled object: what the upstream answered, whatever its status code, or why there is no answer."""
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

"""Pages of a batch's results in input order, also while the batch runs.

Pending objects are not listed. A client that walks over the pages of a running batch passes some pending objects. So the
cursor carries the first pending line that was passed. At the end of a walk (`has_more` is false), `next_cursor` starts the
next walk at this line. The next walk lists the results that have settled since, and repeats some that the client has. So no
result is ever missed, and clients tell results apart by `custom_id`. When the batch has ended and no result is left, there is
no `next_cursor`.
"""

import re
from dataclasses import dataclass, replace

from batches.http.paging import wrong_cursor
from batches.models import Batch, BatchObject, Slice
from batches.rules.errors import Gone
from batches.rules.states import BatchStatus, ObjectStatus
from batches.services.results.object_result import ObjectResult
from batches.services.results.results import settled_results, slice_lines

PAGE_CHARS = 8 * 1024**2  # a page with more characters of answers, or of requests, is cut short; it keeps one result at least


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a walk: all lines up to `after` are behind it. `passed` is the first pending line that was passed, or 0."""

    after: int = 0
    passed: int = 0

    def __str__(self) -> str:
        return f"{self.after}.{self.passed}" if self.passed else str(self.after)


@dataclass(frozen=True, slots=True)
class ResultPage:
    """Some results. `passed` is the first pending line that was passed so far, or 0."""

    results: list[ObjectResult]
    has_more: bool
    next_cursor: Cursor | None
    passed: int = 0


def parse_cursor(text: str | None, *, name: str = "after") -> Cursor:
    """Parse a cursor from a client. `name` is the dialect's name of the parameter. Raises InvalidValue."""
    if text is None:
        return Cursor()
    match = re.fullmatch(r"([0-9]{1,9})(?:\.([0-9]{1,9}))?", text, re.ASCII)
    if match is None:
        raise wrong_cursor(name)
    return Cursor(after=int(match[1]), passed=int(match[2] or 0))


def result_page(batch: Batch, *, cursor: Cursor, limit: int) -> ResultPage:
    """The next results behind the cursor, at most `limit`."""
    if batch.status == BatchStatus.VALIDATING:
        return ResultPage([], has_more=False, next_cursor=Cursor())
    passed = cursor.passed
    if not passed and not batch.is_terminal:
        # This comes before the results are read, so that an object that settles in between is listed twice and not never.
        passed = _first_pending(batch, after=cursor.after)
    listed, more = settled_results(batch, after_line=cursor.after, limit=limit, max_chars=PAGE_CHARS)
    reached = listed[-1].line if listed else cursor.after
    if more:
        return ResultPage(listed, has_more=True, next_cursor=Cursor(reached, passed), passed=passed)
    if passed:
        # If the batch has ended, the passed objects have settled, so the client can ask again at once.
        return ResultPage(listed, has_more=batch.is_terminal, next_cursor=Cursor(passed - 1), passed=passed)
    return ResultPage(listed, has_more=False, next_cursor=None if batch.is_terminal else Cursor(reached))


def with_requests(page: ResultPage, batch: Batch) -> tuple[ResultPage, dict[int, bytes]]:
    """The page, cut short if its requests are long, and the input lines of its results by line number.

    Lines that are erased, no longer kept, or too long to be read are left out. One slice is read at a time, and only slices
    with a result.
    """
    wanted = [result.line for result in page.results]
    if not wanted:
        return page, {}
    requests: dict[int, bytes] = {}
    held = 0
    pieces = Slice.objects.filter(batch=batch, last_line__gte=wanted[0], first_line__lte=wanted[-1])
    for piece in pieces.order_by("first_line"):
        numbers = [line for line in wanted if piece.first_line <= line <= piece.last_line]
        try:
            lines = slice_lines(batch, piece) if numbers else {}
        except Gone:
            continue
        for number in (line for line in numbers if line in lines):  # not those that were erased
            held += len(lines[number])
            if requests and held > PAGE_CHARS:
                return _cut(page, before=number), requests
            requests[number] = lines[number]
    return page, requests


def _cut(page: ResultPage, *, before: int) -> ResultPage:
    kept = [result for result in page.results if result.line < before]
    return replace(page, results=kept, has_more=True, next_cursor=Cursor(kept[-1].line, page.passed))


def _first_pending(batch: Batch, *, after: int) -> int:
    pending = BatchObject.objects.filter(batch=batch, line__gt=after, status=ObjectStatus.PENDING)
    return pending.order_by("line").values_list("line", flat=True).first() or 0

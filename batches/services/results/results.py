"""Reading the results of a batch's objects in input order, at any time, and their requests from the input file.

Answers come from the result rows, or from the batch's own files if the rows were pruned. Callers see no difference.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from itertools import takewhile
from typing import Any, TypeVar

import msgspec
from django.conf import settings
from django.db import connection
from django.utils import timezone

from batches.models import LAST_LINE, Batch, BatchError, BatchObject, BatchResult, Slice, bulk, unnamed
from batches.rules.errors import Gone
from batches.rules.lines import jsonl
from batches.rules.lines.default_model import line_with_model
from batches.rules.states import ObjectStatus
from batches.services.results.object_result import ObjectResult
from batches.services.results.result_files import SliceResults, are_withdrawn, require_result_files
from batches.services.storage.ranges import read_range
from batches.services.tally.result_rows import OF_ITS_ROUND

PAGE = 500
PAGE_CHARS = 4 * 1024**2
MUCH_LONGER = 4  # a body this many times longer than usual ends its page, so that every page fits into memory
ANSWERED = frozenset({ObjectStatus.SUCCEEDED, ObjectStatus.FAILED})  # the statuses of objects with a result
FIRST_PAGE = 16  # objects on the first page, when the size of the answers is not known yet

T = TypeVar("T")
Page = tuple[list[ObjectResult], bool]  # some objects, and whether more may follow them

_COLUMNS = "o.id, o.line, o.custom_id, o.status, o.round, o.attempts, o.http_status, o.latency_ms, o.request_id, o.kind"
# The statement chooses the objects first, and looks their results up one by one. PostgreSQL's planner by itself would read
# all results of a batch for each object while it has no statistics of the batch.
_JOINED = f"""
      FROM (SELECT *
              FROM {BatchObject._meta.db_table}
             WHERE batch_id = %s AND line > %s AND line <= %s AND status <> %s
             ORDER BY line
             LIMIT %s) o
      LEFT JOIN {BatchResult._meta.db_table} r ON {OF_ITS_ROUND}
     ORDER BY o.line
"""  # noqa: S608 - names of tables only
# A body that is longer than the parameter is not read.
_SELECT = f"SELECT {_COLUMNS}, r.error_code, r.error_message, CASE WHEN {{size}} <= %s THEN r.body END {_JOINED}"
_SELECT_SIZES = f"SELECT o.line, {{size}} {_JOINED}"
_ANY_LENGTH = 2**31 - 1


def results(batch: Batch, *, first_page: int = FIRST_PAGE, but: str = "") -> Iterator[ObjectResult]:
    """All objects in input order, pending ones too. They are read in pages of a few MB, whatever the size of the answers.

    `first_page` is the number of objects on the first page; it may be greater if the answers are known to be small. Objects
    with the status `but` are not read. Raises Gone, at once, when the rows were pruned and the files are no longer kept.
    """
    require_results(batch)
    return results_over(batch, first_line=1, last_line=LAST_LINE, first_page=first_page, but=but)


def require_results(batch: Batch) -> None:
    """Raise Gone if the results of an ended batch can no longer be read."""
    now = timezone.now()
    if batch.results_pruned_at is not None or are_withdrawn(batch, now=now):
        require_result_files(batch, now=now)


def are_in_files(batch: Batch) -> bool:
    """Whether answers are read from the batch's files: its rows were pruned, or its results were withdrawn."""
    return batch.results_pruned_at is not None or are_withdrawn(batch, now=timezone.now())


def results_without_answers(batch: Batch) -> Iterator[ObjectResult]:
    """The objects of an ended batch in input order, without answers, with the reasons of failures. No file is needed."""
    for piece in batch.slices.order_by("first_line"):
        first, last = piece.first_line - 1, piece.last_line
        reasons = _reasons(batch, first, last)
        for row in _all_rows(batch, after_line=first, last_line=last):
            code, message = reasons.get((row.line, row.round), (row.error_code, row.error_message))
            yield msgspec.structs.replace(row, error_code=code, error_message=message)


def results_over(
    batch: Batch, *, first_line: int, last_line: int, first_page: int = FIRST_PAGE, but: str = ""
) -> Iterator[ObjectResult]:
    """The objects at these lines in input order, like `results`. Gone may be raised while they are read."""
    after_line, size, more = first_line - 1, first_page, True
    while more and after_line < last_line:
        page, more = _page(batch, after_line=after_line, last_line=last_line, limit=size, but=but)
        yield from page
        if page:
            after_line = page[-1].line
            usual_chars = sum(len(result.body) for result in page) // len(page)
            size = min(size * 4, PAGE, PAGE_CHARS // (usual_chars + 1) + 1)


def settled_results(batch: Batch, *, after_line: int, limit: int, max_chars: int) -> Page:
    """The settled objects after a line: at most `limit`, with at most `max_chars` of bodies, but at least one object.

    The second value tells whether more follow. Two queries, so that no body over the bounds is read. Raises Gone.
    """
    if are_in_files(batch):
        return _cut(_from_files(batch, after_line=after_line, last_line=LAST_LINE), limit=limit, max_chars=max_chars)
    where = [batch_key(batch), after_line, LAST_LINE, ObjectStatus.PENDING.value]
    with connection.cursor() as cursor:
        cursor.execute(_SELECT_SIZES.format(size=bulk.size_of("r.body")), [*where, limit + 1])
        sizes = cursor.fetchall()
    taken = held = 0
    for _, size in sizes[:limit]:
        held += size or 0
        if taken and held > max_chars:
            break
        taken += 1
    if not taken:
        return [], False
    last_line = sizes[taken - 1][0]
    page, _ = _page(batch, after_line=after_line, last_line=last_line, limit=taken, but=ObjectStatus.PENDING.value)
    if not page:  # a retry has begun another round between the two queries
        return [], True
    return page, taken < len(sizes) or page[-1].line < last_line  # some may have settled between the two queries


def some_of(found: Iterator[T], *, limit: int, max_chars: int, chars: Callable[[T], int]) -> tuple[list[T], bool]:
    """The first items found, at most `limit` with at most `max_chars` together but at least one; and whether more follow."""
    page: list[T] = []
    held = 0
    for item in found:
        held += chars(item)
        if page and (len(page) == limit or held > max_chars):
            return page, True
        page.append(item)
    return page, False


def _cut(found: Iterator[ObjectResult], *, limit: int, max_chars: int) -> Page:
    return some_of(found, limit=limit, max_chars=max_chars, chars=lambda result: len(result.body))


def results_between(batch: Batch, *, first_line: int, last_line: int) -> list[ObjectResult]:
    """The objects at these lines, pending ones too, in input order. All of them must fit into memory."""
    return list(results_over(batch, first_line=first_line, last_line=last_line, first_page=last_line - first_line + 1))


def result_of(batch_object: BatchObject) -> ObjectResult:
    """The result of one object."""
    return results_between(batch_object.batch, first_line=batch_object.line, last_line=batch_object.line)[0]


def request_lines(batch: Batch, *, first_line: int, last_line: int) -> dict[int, bytes]:
    """The input lines with these numbers, by number, as the client wrote them. Raises Gone when they are no longer kept."""
    pieces = Slice.objects.filter(batch=batch, first_line__lte=last_line, last_line__gte=first_line)
    return {
        number: content
        for piece in pieces
        for number, content in slice_lines(batch, piece).items()
        if first_line <= number <= last_line
    }


def request_of(batch: Batch, line: int) -> bytes:
    """The input line of one object, as the client wrote it. Raises Gone when it is no longer kept."""
    try:
        return request_lines(batch, first_line=line, last_line=line)[line]
    except KeyError:
        raise Gone("The input file does not hold this line any more.") from None


def request_body(batch: Batch, line: int) -> bytes:
    """The body in the input line of one object, as the client wrote it. Raises Gone when it is no longer kept."""
    try:
        body = bytes(jsonl.read_request(request_of(batch, line)).body)
        body.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Gone("The line of the input is no request that can be read.") from None
    return body


def slice_lines(batch: Batch, piece: Slice) -> dict[int, bytes]:
    """The input lines of one slice, by number, each with its model in the body. They are read as one range.

    Raises Gone when the input is no longer kept.
    """
    if piece.input_end - piece.input_start > settings.MAX_LINE_BYTES + settings.SLICE_BYTES:
        raise Gone("The line is too long to be read.")  # which is why it was skipped
    lines = number_lines(read_input(batch, piece.input_start, piece.input_end), first_line=piece.first_line)
    if not batch.default_model:
        return lines
    return {number: line_with_model(line, batch.default_model) for number, line in lines.items()}


def number_lines(content: bytes, *, first_line: int) -> dict[int, bytes]:
    """The lines of some content by number, without blank lines. The first line has the number `first_line`."""
    numbered = enumerate(content.split(b"\n"), start=first_line)
    return {number: stripped for number, line in numbered if (stripped := line.strip(b" \t\r"))}


def read_input(batch: Batch, start: int, end: int) -> bytes:
    """A range of bytes of a batch's input file. Raises Gone when they are no longer kept."""
    return read_range(batch.input_file, start, end, name="input")


def _page(batch: Batch, *, after_line: int, last_line: int, limit: int, but: str = "") -> Page:
    """The first objects at these lines, in order: at most `limit` and at most a few MB of answers, but at least one object."""
    if not are_in_files(batch):
        rows, more = _rows(batch, after_line=after_line, last_line=last_line, limit=limit, but=but)
        lacks_answers = any(row.status in ANSWERED and not (row.body or row.error_code) for row in rows)
        if not (lacks_answers and _were_pruned(batch)):
            return rows, more
    return _cut(_from_files(batch, after_line=after_line, last_line=last_line, but=but), limit=limit, max_chars=PAGE_CHARS)


def _were_pruned(batch: Batch) -> bool:
    """Whether the result rows were pruned after the batch was read. Missing rows suggest it."""
    batch.refresh_from_db(fields=["results_pruned_at"])
    return batch.results_pruned_at is not None


def _all_rows(batch: Batch, *, after_line: int, last_line: int, but: str = "") -> Iterator[ObjectResult]:
    more = True
    while more:
        rows, more = _rows(batch, after_line=after_line, last_line=last_line, limit=PAGE, but=but)
        yield from rows
        after_line = rows[-1].line if rows else last_line


def _rows(batch: Batch, *, after_line: int, last_line: int, limit: int, but: str = "") -> Page:
    """A page from the result rows. It ends before a body that is much longer than usual, unless that body is the first."""
    most = MUCH_LONGER * PAGE_CHARS // limit if limit > 1 else _ANY_LENGTH
    with connection.cursor() as cursor:
        cursor.execute(_SELECT.format(size=bulk.size_of("r.body")), [most, batch_key(batch), after_line, last_line, but, limit])
        found = cursor.fetchall()
    rows = [_from_row(row, batch) for row in takewhile(_is_whole, found)]
    if found and not rows:
        return _rows(batch, after_line=after_line, last_line=last_line, limit=1, but=but)
    return rows, len(rows) < len(found) or len(found) == limit


def _is_whole(row: tuple[Any, ...]) -> bool:
    """Whether the row has no body, or its body was read."""
    *_, code, _message, body = row
    return code is None or body is not None


def _from_files(batch: Batch, *, after_line: int, last_line: int, but: str = "") -> Iterator[ObjectResult]:
    """The objects of an ended batch whose result rows were pruned. A slice takes two queries and one range of each file."""
    pieces = Slice.objects.filter(batch=batch, last_line__gt=after_line, first_line__lte=last_line)
    for piece in pieces.order_by("first_line"):
        files = SliceResults(batch, piece)
        first, last = max(after_line, piece.first_line - 1), min(last_line, piece.last_line)
        reasons = _reasons(batch, first, last) if piece.failed else {}
        for row in _all_rows(batch, after_line=first, last_line=last, but=but):
            yield _from_file(row, files, reasons) if row.status in ANSWERED else row


def _from_file(row: ObjectResult, files: SliceResults, reasons: Mapping[tuple[int, int], tuple[str, str]]) -> ObjectResult:
    found = files.find(row.id, row.status)
    code, message = (found.error.code, found.error.message) if found.error else reasons.get((row.line, row.round), ("", ""))
    request_id = row.request_id or (found.response.request_id if found.response else "")
    return msgspec.structs.replace(row, body=found.body, error_code=code, error_message=message, request_id=request_id)


def _reasons(batch: Batch, after_line: int, last_line: int) -> dict[tuple[int, int], tuple[str, str]]:
    """Codes and messages of failures with an answer. They are not in the error file, which has the answer alone."""
    errors = BatchError.objects.filter(batch=batch, line__gt=after_line, line__lte=last_line, round__isnull=False)
    rows = errors.order_by().values_list("line", "round", "code", "message")
    return {(line or 0, round_ or 0): (code, message) for line, round_, code, message in rows}


def batch_key(batch: Batch) -> Any:
    """The batch's id in the form that the database's driver takes."""
    return BatchObject._meta.get_field("batch").get_db_prep_value(batch.pk, connection)


def _from_row(row: tuple[Any, ...], batch: Batch) -> ObjectResult:
    identifier, line, custom_id, status, round_, attempts, http_status, latency_ms, request_id, kind, code, message, body = row
    if code is None:  # there is no result
        code, message = batch.why_never_ran(status) or ("", "")
        body = ""
    if not isinstance(identifier, uuid.UUID):
        identifier = uuid.UUID(identifier)
    if custom_id == unnamed(line, identifier):
        custom_id = ""
    if body and not request_id:  # recorded before the portal gave each call an id of its own
        request_id = f"req_{identifier.hex}"
    return ObjectResult(
        identifier, line, custom_id, status, round_, attempts, http_status, latency_ms, request_id, code, message, body, kind
    )

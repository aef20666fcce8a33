"""The outcome of a request as a row for a spreadsheet, and as a line of JSON."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

import msgspec

from batches.models import Batch, BatchObject
from batches.rules.answer_text import read_answer
from batches.rules.display.counted import amount_of
from batches.rules.lines import jsonl
from batches.rules.states import ObjectStatus
from batches.services.insight.withheld import words_for
from batches.services.results.object_result import ObjectResult, result_line

ANSWER = "answer"
_FIELDS = (
    *("line", "custom_id", "outcome", "http_status", "code", "message", "model", "input_tokens", "output_tokens", "cost"),
    *("attempts", "latency_ms", "request_id", "batch"),
)
_UsageKey = tuple[UUID, int]  # a batch and a line
_Usage = tuple[int | None, int | None, int | None]  # input tokens, output tokens, cost in billionths


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one request: its line in the input of the exported batch, and its result with the batch that has it."""

    line: int
    batch: Batch
    result: ObjectResult


def fields(*, with_bodies: bool) -> tuple[str, ...]:
    """The columns of the CSV. The answer, which may be long, is the last one."""
    return (*_FIELDS, ANSWER) if with_bodies else _FIELDS


def records(pieces: Iterable[list[Outcome]], *, with_bodies: bool) -> Iterator[dict[str, object]]:
    """A row for each outcome; one query for each piece and batch."""
    for piece in pieces:
        usage = _usage(piece)
        for one in piece:
            yield _record(one, usage, with_bodies=with_bodies)


def _record(one: Outcome, usage: Mapping[_UsageKey, _Usage], *, with_bodies: bool) -> dict[str, object]:
    result = one.result if with_bodies else unquoting(one.result)
    model, answer = read_answer(result.body) if result.body else ("", "")
    input_tokens, output_tokens, cost = usage.get((one.batch.pk, result.line), (None, None, None))
    succeeded = result.status == ObjectStatus.SUCCEEDED
    record: dict[str, object] = {
        "line": one.line,
        "custom_id": result.custom_id,
        "outcome": result.status,
        "http_status": result.status_code,
        "code": "" if succeeded else result.error_code,
        "message": "" if succeeded else result.error_message,
        "model": one.batch.model or model,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "cost": None if cost is None else f"{amount_of(cost).normalize():f}",
        "attempts": result.attempts,
        "latency_ms": result.latency_ms,
        "request_id": result.request_id,
        "batch": str(one.batch),
    }
    return {**record, ANSWER: answer} if with_bodies else record


def _usage(piece: list[Outcome]) -> dict[_UsageKey, _Usage]:
    found: dict[_UsageKey, _Usage] = {}
    for batch in {one.batch.pk: one.batch for one in piece}.values():
        lines = [one.result.line for one in piece if one.batch.pk == batch.pk]
        rows = BatchObject.objects.filter(batch=batch, line__in=lines).order_by()
        named = rows.values_list("line", "input_tokens", "output_tokens", "cost_nanos")
        found |= {(batch.pk, line): (given, got, cost) for line, given, got, cost in named}
    return found


def line_of(one: Outcome, *, with_bodies: bool) -> bytes:
    """The line of a result file. Without bodies it has no answer, and no message that quotes one."""
    if with_bodies:
        return result_line(one.result)
    return _bare_line(unquoting(one.result))


class _BareResponse(msgspec.Struct):
    status_code: int | None
    request_id: str


class _BareError(msgspec.Struct):
    code: str
    message: str


class _BareLine(msgspec.Struct):
    id: str
    custom_id: str
    response: _BareResponse | None
    error: _BareError | None


_encode = msgspec.json.Encoder().encode


def _bare_line(result: ObjectResult) -> bytes:
    response = _BareResponse(result.status_code, result.request_id) if result.http_status is not None else None
    error = None if result.status == ObjectStatus.SUCCEEDED else _BareError(result.error_code, result.error_message)
    return jsonl.unbroken(_encode(_BareLine(jsonl.result_id(result.id), result.custom_id, response, error))) + b"\n"


def unquoting(result: ObjectResult) -> ObjectResult:
    """A result without its answer, and with a message that quotes none."""
    code, message = result.error_code, result.error_message
    if result.status == ObjectStatus.FAILED:
        code, message = words_for(result.kind, code)
    return msgspec.structs.replace(result, body="", error_code=code, error_message=message)

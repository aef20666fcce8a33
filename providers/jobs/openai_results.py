"""Lines of the result files that OpenAI and those like it write: most are an answer, and are read in one step."""

from collections.abc import Mapping
from typing import Annotated

import msgspec

from providers.base import Call, Failure
from providers.failures import Kind
from providers.jobs.answers import count, text
from providers.jobs.base import OddLine, RowKind, RowResult
from providers.jobs.result_lines import Line
from providers.judgement import Secrets, judge
from providers.judgement.errors import said_by
from providers.transport import Reply

NO_SECRETS = Secrets()
_NEVER_RAN = {
    "batch_expired": RowKind.EXPIRED,
    "batch_cancelled": RowKind.CANCELLED,
    "batch_canceled": RowKind.CANCELLED,
}


class Response(msgspec.Struct, frozen=True, gc=False):
    """The answer to a request, within a line of an OpenAI-like result file. Its body is kept as the provider wrote it."""

    status_code: Annotated[int, msgspec.Meta(ge=100, le=599)]
    body: msgspec.Raw
    request_id: str = ""


class Answered(msgspec.Struct, frozen=True, gc=False):
    """A line of an OpenAI-like result file as most are: an answer, and no error beside it."""

    custom_id: Annotated[str, msgspec.Meta(min_length=1)]
    response: Response
    error: None = None


_decode_answered = msgspec.json.Decoder(Answered).decode


def answered(line: Line) -> Answered | None:
    """A line as most are, read in one step. None for any other line, which is read value by value."""
    try:
        found = None if line.problem else _decode_answered(line.raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return None if found is None or bytes(found.response.body) == b"null" else found


def result_of(line: Line, *, output: str, endpoint: str, secrets: Secrets) -> RowResult | OddLine:
    """The result of a row from a line of a file with this id."""
    if (plain := answered(line)) is not None:
        is_clean = secrets.hidden_in_body(line.raw) is line.raw  # one search of the line instead of one of each part
        return _outcome_of(plain.custom_id, plain.response, endpoint, NO_SECRETS if is_clean else secrets)
    found, problem = line.read()
    wire_id = text(found, "custom_id")
    if problem or not wire_id:
        return OddLine(output, line.number, problem or "It names no row.")
    error, response = found.get("error"), found.get("response")
    kind = _NEVER_RAN.get(text(error, "code"))
    if kind is not None and not isinstance(response, Mapping):
        return RowResult(wire_id, kind)
    status = count(response, "status_code") or 0
    body = response.get("body") if isinstance(response, Mapping) else None
    if not 100 <= status <= 599:  # the provider itself failed at the row
        said = said_by(error or body or "The provider gave no answer.")
        message = secrets.hidden_in(said.message or said.code or "The provider gave no answer.")
        failure = Failure(Kind.SERVER_ERROR, message[:2000], code=said.code[:100] or Kind.SERVER_ERROR.value)
        return RowResult(wire_id, RowKind.OUTCOME, failure)
    content = msgspec.json.encode(body if body is not None else {"error": error})
    response = Response(status, msgspec.Raw(content), text(response, "request_id"))
    return _outcome_of(wire_id, response, endpoint, secrets)


def _outcome_of(wire_id: str, response: Response, endpoint: str, secrets: Secrets) -> RowResult:
    """The outcome of a row from the answer that a model gave to it."""
    reply = Reply(response.status_code, {"x-request-id": response.request_id}, bytes(response.body))
    return RowResult(wire_id, RowKind.OUTCOME, judge(reply, Call(endpoint, b"", wire_id, 0.0), secrets=secrets))

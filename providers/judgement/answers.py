"""Judging one reply. A normal success is decoded once, into a typed struct; any other reply goes through slower rules."""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from providers.base import Call, Failure, Outcome, Success
from providers.failures import Kind, kind_of_status
from providers.judgement.accounts import account_kind
from providers.judgement.documents import Unreadable, as_json, beginning, one_line, read_document, shortened
from providers.judgement.errors import ReportedError, known_word, other_signs, reported_error, said_by
from providers.judgement.promises import ANYTHING, Promise, promise_of
from providers.judgement.usage import read_usage, usage_of
from providers.rate_limits import exhausted_for, retry_after
from providers.secrets.redaction import Secrets
from providers.transport import Reply

MAX_MESSAGE_CHARS = 2000
MAX_CODE_CHARS = 100
MAX_PARAM_CHARS = 200
MAX_REQUEST_ID_CHARS = 200
_LOOK = Call("", b"", "", 0.0)
_ALSO_THROTTLED = frozenset({400, 403})
_USER = re.compile(r"//[^/]*@")
_OTHER_REQUEST_IDS = ("request-id", "apim-request-id", "x-amzn-requestid")


def judge(reply: Reply | Failure, call: Call, *, secrets: Secrets) -> Outcome:
    """The outcome of a call of a model. If the transport failed, its failure is the outcome."""
    if isinstance(reply, Failure):
        return _without_reply(reply, secrets)
    if 200 <= reply.status < 300:
        return _answer(reply, call, promise_of(call.endpoint), secrets)
    return _refusal(reply, call, secrets)


def judge_write(reply: Reply | Failure, call: Call, *, secrets: Secrets) -> Outcome:
    """The outcome of writing a record. Any 2xx answer with a document or without a body is a success; a conflict is final."""
    if isinstance(reply, Failure):
        return _without_reply(reply, secrets)
    if 200 <= reply.status < 300:
        if not reply.body.strip():
            reply.body = b"null"
        return _answer(reply, call, ANYTHING, secrets)
    return _refusal(reply, call, secrets, kind_of=_kind_of_write)


def judge_look(reply: Reply | Failure, *, secrets: Secrets) -> Outcome:
    """The outcome of any other request, such as one for the list of models."""
    if isinstance(reply, Failure):
        return _without_reply(reply, secrets)
    if 200 <= reply.status < 300:
        return _answer(reply, _LOOK, ANYTHING, secrets)
    return _refusal(reply, _LOOK, secrets)


def _without_reply(failure: Failure, secrets: Secrets) -> Failure:
    """The transport's failure without secrets: its message may quote a header, such as the name of a content coding."""
    message = secrets.hidden_in(failure.message)
    return failure if message is failure.message else msgspec.structs.replace(failure, message=message)


def _kind_of_write(status: int) -> Kind:
    """The kind of failure of a write. A conflict is final: a record that exists already still exists at the next try."""
    return Kind.INVALID_REQUEST if status == 409 else kind_of_status(status) or Kind.INVALID_RESPONSE


def _answer(reply: Reply, call: Call, promise: Promise, secrets: Secrets) -> Outcome:
    body = secrets.hidden_in_body(reply.body)
    try:
        answer = promise.decode(body)
        line = one_line(body)  # raises UnicodeDecodeError, whereas the parser ignores bytes that are not UTF-8
        is_plain = not answer.is_flawed
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        is_plain = False
    if not is_plain:
        return _looked_at_closely(reply, call, promise, body, secrets)
    usage = None if answer.usage is None else usage_of(answer.usage, answers_in_tokens=promise.answers_in_tokens)
    return Success(reply.status, line, _request_id(reply, call, secrets), usage, exhausted_for(reply.headers))


def _looked_at_closely(reply: Reply, call: Call, promise: Promise, body: bytes, secrets: Secrets) -> Outcome:
    """The outcome of a 2xx answer that is odd JSON, an error or no JSON. The rules of the package are applied in their order."""
    try:
        document, body = read_document(body)
    except Unreadable as problem:
        message = f"The upstream answered {reply.status}, but not with JSON: {problem}. {beginning(body)}"
        return _unconfirmed(reply, call, body, message, secrets)
    body = secrets.hidden_in_body(body)
    if (error := reported_error(document)) is not None:
        return _reported(reply, call, body, said_by(error), secrets)
    if promise.name and promise.is_kept_by(document):
        return _odd_success(reply, call, promise, document, body, secrets)
    if (error := other_signs(document)) is not None:
        return _reported(reply, call, body, said_by(error), secrets)
    if not promise.name:
        return _odd_success(reply, call, promise, document, body, secrets)
    said = said_by(document) if isinstance(document, dict) else ReportedError()
    if said.message or said.status:
        return _reported(reply, call, body, said, secrets)
    status = document.get("status") if isinstance(document, dict) else None
    detail = f" Its status is '{status}'." if isinstance(status, str) else ""
    message = f"The upstream answered {reply.status} without what {call.endpoint} promises ({promise.name}).{detail}"
    return _unconfirmed(reply, call, body, f"{message} {beginning(body)}", secrets)


def _odd_success(reply: Reply, call: Call, promise: Promise, document: Any, body: bytes, secrets: Secrets) -> Success:
    reported = read_usage(document.get("usage")) if isinstance(document, dict) else None
    usage = None if reported is None else usage_of(reported, answers_in_tokens=promise.answers_in_tokens)
    return Success(reply.status, one_line(body), _request_id(reply, call, secrets), usage, exhausted_for(reply.headers))


def _reported(reply: Reply, call: Call, body: bytes, said: ReportedError, secrets: Secrets) -> Failure:
    """The failure that a 2xx answer reports. A repeat must be a new call: the same key would bring the same answer again."""
    kind = account_kind(said, status=said.status or reply.status)
    kind = kind or (kind_of_status(said.status) if said.status else said.kind) or Kind.UNCONFIRMED
    failure = _failure(reply, call, kind, said, body, secrets)
    return msgspec.structs.replace(failure, http_status=said.status or reply.status, in_success=True)


def _unconfirmed(reply: Reply, call: Call, body: bytes, message: str, secrets: Secrets) -> Failure:
    failure = _failure(reply, call, Kind.UNCONFIRMED, ReportedError(message), body, secrets)
    return msgspec.structs.replace(failure, in_success=True)


def _refusal(reply: Reply, call: Call, secrets: Secrets, *, kind_of: Callable[[int], Kind | None] = kind_of_status) -> Failure:
    body = secrets.hidden_in_body(reply.body)
    said = _said_in(body)
    if word := reply.headers.get("x-amzn-errortype"):  # AWS names the error there
        word = word.partition(":")[0]
        said = msgspec.structs.replace(said, code=said.code or word, words=said.words | {known_word(word)})
    kind = account_kind(said, status=reply.status) or _throttled(said, reply.status) or kind_of(reply.status)
    kind = kind or Kind.INVALID_RESPONSE
    if kind is Kind.REDIRECTED and (target := reply.headers.get("Location")):
        message = f"The upstream answered with a redirect to {_without_secrets(target)}; the base URL is likely wrong."
        said = msgspec.structs.replace(said, message=message)
    return _failure(reply, call, kind, said, body, secrets)


def _throttled(said: ReportedError, status: int) -> Kind | None:
    """The kind of failure if a 400 or 403 means throttling; else None.

    AWS and Google answer with these statuses when they throttle. Other upstreams use them for bad requests. The code of the
    error tells both cases apart.
    """
    return said.kind if status in _ALSO_THROTTLED and said.kind in (Kind.RATE_LIMITED, Kind.OVERLOADED) else None


def _without_secrets(url: str) -> str:
    """An address without user, password, parameters and fragment."""
    return _USER.sub("//", re.split(r"[?#]", url, maxsplit=1)[0])


def _said_in(body: bytes) -> ReportedError:
    try:
        return said_by(read_document(body)[0])
    except Unreadable:
        text = body.decode(errors="replace").strip()
        return ReportedError("" if text.startswith("<") else text)  # a proxy's HTML page is of no use as a message


def _failure(reply: Reply, call: Call, kind: Kind, said: ReportedError, body: bytes, secrets: Secrets) -> Failure:
    wait, exhausted = retry_after(reply.headers), exhausted_for(reply.headers)
    if wait is None and kind is Kind.RATE_LIMITED:
        wait = exhausted
    return Failure(
        kind,
        shortened(secrets.hidden_in(said.message), MAX_MESSAGE_CHARS) or f"{kind.sentence} (HTTP {reply.status}.)",
        code=shortened(secrets.hidden_in(said.code), MAX_CODE_CHARS) or kind.value,
        param=shortened(secrets.hidden_in(said.param), MAX_PARAM_CHARS),
        http_status=reply.status,
        body=as_json(body),
        request_id=_request_id(reply, call, secrets),
        retry_after=wait,
        exhausted_for=exhausted,
    )


def _request_id(reply: Reply, call: Call, secrets: Secrets) -> str:
    """The upstream's id of the request; if the upstream gives none, the idempotency key of the call."""
    headers = reply.headers
    found = headers.get("x-request-id") or next(filter(None, map(headers.get, _OTHER_REQUEST_IDS)), None)
    return (shortened(secrets.hidden_in(found), MAX_REQUEST_ID_CHARS) if found else "") or call.idempotency_key

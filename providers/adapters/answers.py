"""Reading what an upstream answered: the part that is the same for every adapter that speaks JSON over HTTP."""

import re
from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from providers.base import Failure, Outcome, Success, Usage
from providers.failures import Kind, kind_of_status
from providers.rate_limits import exhausted_for, retry_after
from providers.transport import MAX_ERROR_BYTES, Reply

MAX_MESSAGE_CHARS = 2000
MAX_CODE_CHARS = 100
MAX_PARAM_CHARS = 200
MAX_REQUEST_ID_CHARS = 200
MIN_SECRET_CHARS = 8  # shorter ones are placeholders of upstreams without keys, and common words of answers
REDACTED = "[credential]"

# Codes that mean an empty account, whatever the status they come with.
_QUOTA_CODES = frozenset({"insufficient_quota", "billing_error", "billing_hard_limit_reached", "billing_not_active"})
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")

MAX_TOKENS = 2**31 - 1  # as many as are recorded of one request
_Tokens = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)] | None


class _Details(msgspec.Struct, gc=False):
    cached_tokens: _Tokens = None
    reasoning_tokens: _Tokens = None


class _Usage(msgspec.Struct, gc=False):
    """Both spellings that OpenAI's endpoints use, and Anthropic's, whose input tokens do not include those of its cache."""

    prompt_tokens: _Tokens = None
    completion_tokens: _Tokens = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    input_tokens: _Tokens = None
    output_tokens: _Tokens = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None
    cache_creation_input_tokens: _Tokens = None
    cache_read_input_tokens: _Tokens = None


class _Answer(msgspec.Struct, gc=False):
    usage: _Usage | None = None


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_syntax = msgspec.json.Decoder(msgspec.Raw).decode


class Secrets:
    """What must never leave the portal: a credential and other secrets, in each spelling that an answer may give them."""

    def __init__(self, *secrets: str) -> None:
        long = [secret for secret in secrets if len(secret) >= MIN_SECRET_CHARS]
        self._text = sorted({spelling for secret in long for spelling in (secret, secret.replace("/", "\\/"))}, key=len)[::-1]
        self._bytes = [spelling.encode() for spelling in self._text]

    def hidden_in_body(self, body: bytes) -> bytes:
        for secret in self._bytes:
            if secret in body:
                body = body.replace(secret, REDACTED.encode())
        return body

    def hidden_in(self, text: str) -> str:
        for secret in self._text:
            if secret in text:
                text = text.replace(secret, REDACTED)
        return text


def outcome(reply: Reply, *, secrets: Secrets, kind_of: Callable[[int], Kind | None] = kind_of_status) -> Outcome:
    """What a reply means: a success whose body is one line of JSON, or a failure with the upstream's own reason."""
    kind = kind_of(reply.status)
    body = secrets.hidden_in_body(reply.body)
    request_id = _request_id(reply, secrets)
    if kind is not None:
        return _refusal(reply, kind, body, request_id, secrets)
    try:
        if not body.isascii():
            body.decode()  # the parser skips over bytes that are not UTF-8
        usage = _usage(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Failure(
            Kind.INVALID_RESPONSE,
            f"The upstream answered {reply.status}, but not with JSON: {_reason(error)}.",
            code=Kind.INVALID_RESPONSE.value,
            http_status=reply.status,
            body=_as_json(body),
            request_id=request_id,
        )
    return Success(reply.status, _one_line(body), request_id, usage, exhausted_for(reply.headers))


def _usage(body: bytes) -> Usage | None:
    """The tokens that a JSON document reports. Raises msgspec.DecodeError when it is not JSON."""
    try:
        usage = _decode_answer(body).usage
    except msgspec.ValidationError:  # JSON, but no object, or usage of some other kind
        _decode_syntax(body)
        return None
    if usage is None:
        return None
    input_details = usage.prompt_tokens_details or usage.input_tokens_details
    output_details = usage.completion_tokens_details or usage.output_tokens_details
    read = usage.cache_read_input_tokens or 0
    together = (usage.input_tokens or 0) + (usage.cache_creation_input_tokens or 0) + read
    return Usage(
        usage.prompt_tokens or min(together, MAX_TOKENS),
        usage.completion_tokens or usage.output_tokens or 0,
        (input_details and input_details.cached_tokens) or read,
        (output_details and output_details.reasoning_tokens) or 0,
    )


def _refusal(reply: Reply, kind: Kind, body: bytes, request_id: str, secrets: Secrets) -> Failure:
    message, code, param = _said(body)
    wait, exhausted = retry_after(reply.headers), exhausted_for(reply.headers)
    if wait is None and kind is Kind.RATE_LIMITED:
        wait = exhausted
    if code in _QUOTA_CODES:
        kind = Kind.QUOTA
    if kind is Kind.REDIRECTED and (target := reply.headers.get("Location")):
        message = f"The upstream answered with a redirect to {target}; the base URL is likely wrong."
    return Failure(
        kind,
        shortened(secrets.hidden_in(message), MAX_MESSAGE_CHARS) or f"{kind.sentence} (HTTP {reply.status}.)",
        code=shortened(secrets.hidden_in(code), MAX_CODE_CHARS) or kind.value,
        param=shortened(secrets.hidden_in(param), MAX_PARAM_CHARS),
        http_status=reply.status,
        body=_as_json(body),
        request_id=request_id,
        retry_after=wait,
        exhausted_for=exhausted,
    )


def _said(body: bytes) -> tuple[str, str, str]:
    """Message, code and param of an error body in any of the common shapes; empty where it does not say."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = body.decode(errors="replace").strip()
        return ("" if text.startswith("<") else text), "", ""  # a proxy's HTML page says nothing to people
    if isinstance(document, list) and document:
        document = document[0]
    if not isinstance(document, dict):
        return _text(document), "", ""
    error = document.get("error", document)
    if error is document and isinstance(errors := document.get("errors"), list) and errors:
        error = errors[0]
    if not isinstance(error, dict):
        return _text(error) or _text(document.get("message")), _text(document.get("code")), ""
    names = ("message", "detail", "title")
    message = next(filter(None, (source.get(name) for source in (error, document) for name in names)), None)
    return _text(message), _text(error.get("code")) or _text(error.get("type")), _text(error.get("param"))


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return msgspec.json.encode(value).decode()


def _request_id(reply: Reply, secrets: Secrets) -> str:
    found = reply.headers.get("x-request-id") or reply.headers.get("request-id")
    return shortened(secrets.hidden_in(found), MAX_REQUEST_ID_CHARS) if found else ""


def shortened(text: str, limit: int) -> str:
    """Text that can be shown and stored: no control characters, at most `limit` characters."""
    text = _UNPRINTABLE.sub("", text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _one_line(body: bytes) -> bytes:
    """A JSON document on one line, its numbers and strings as they were."""
    body = body.strip()
    if b"\n" in body or b"\r" in body:
        return msgspec.json.format(body, indent=-1)
    return body


def _as_json(body: bytes) -> bytes:
    """The body as one line of JSON: itself when it is JSON, else a JSON string of its text."""
    if not body.strip():
        return b""
    try:
        body.decode()
        _decode_syntax(body)
        return _one_line(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return msgspec.json.encode(body[:MAX_ERROR_BYTES].decode(errors="replace"))


def _reason(error: Exception) -> str:
    match error:
        case UnicodeDecodeError():
            return f"byte {error.start} is not UTF-8"
        case RecursionError():
            return "it is nested too deeply"
        case _:
            return str(error)

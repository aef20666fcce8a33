"""Errors in the documents of upstreams: finding an error in an answer of any status, and reading it in any common shape."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from providers.failures import Kind

# The fields that may hold a message, a code or a status, the likeliest first.
_MESSAGES = ("message", "detail", "title", "msg", "Message", "status_msg", "error_msg", "errorMessage")
_CODES = ("code", "type", "status_code", "error_code", "__type")
_STATUSES = ("code", "status", "status_code", "statusCode", "http_status")

_OF_ERRORS = frozenset({*_MESSAGES, *_CODES, *_STATUSES, "error", "data", "timestamp", "path", "request_id", "requestId"})
_JOINTS = re.compile(r"[-_ .]")


def known_word(text: str) -> str:
    """A code, a type or a status in the spelling for comparison: both `rate_limit` and `RateLimit` become `ratelimit`.

    AWS may put a namespace before the name of an error, and an address behind it; both are removed.
    """
    return _JOINTS.sub("", text.rpartition("#")[2].partition(":")[0]).lower()


# The kind of failure for a word (code, type or status) that an upstream reports in a 2xx answer without a numeric status.
_KINDS = {
    **dict.fromkeys(("not_found_error", "not_found", "notfounderror", "model_not_found"), Kind.NOT_FOUND),
    **dict.fromkeys(("authentication_error", "unauthenticated", "auth_error"), Kind.AUTHENTICATION),
    **dict.fromkeys(("permission_error", "permission_denied", "permissiondeniederror"), Kind.PERMISSION),
    **dict.fromkeys(("rate_limit_error", "rate_limit_exceeded", "rate_limited", "rate_limit"), Kind.RATE_LIMITED),
    **dict.fromkeys(("resource_exhausted", "ratelimiterror", "too_many_requests"), Kind.RATE_LIMITED),
    **dict.fromkeys(("throttling", "throttlingexception", "throttledexception", "rate_limit_reached_error"), Kind.RATE_LIMITED),
    **dict.fromkeys(("toomanyrequestsexception", "user_rate_limit_exceeded"), Kind.RATE_LIMITED),
    **dict.fromkeys(("overloaded_error", "overloaded", "unavailable", "service_unavailable"), Kind.OVERLOADED),
    **dict.fromkeys(("engine_overloaded_error", "capacity_exceeded", "service_tier_capacity_exceeded"), Kind.OVERLOADED),
    **dict.fromkeys(("server_error", "api_error", "internal_server_error", "internal_error"), Kind.SERVER_ERROR),
    **dict.fromkeys(("internal", "internalservererror", "timeout_error", "upstream_error"), Kind.SERVER_ERROR),
    **dict.fromkeys(("invalid_request_error", "invalid_request", "invalid_prompt", "badrequesterror"), Kind.INVALID_REQUEST),
    **dict.fromkeys(("invalid_argument", "context_length_exceeded", "string_above_max_length"), Kind.INVALID_REQUEST),
    **dict.fromkeys(("content_filter", "content_policy_violation", "validationexception"), Kind.INVALID_REQUEST),
}
_KINDS_BY_WORD = {known_word(word): kind for word, kind in _KINDS.items()}


class ReportedError(msgspec.Struct, frozen=True):
    """An error that an upstream reports. A field that the upstream does not give is empty.

    `words` are the codes, types and reasons of the error, each as `known_word` spells it.
    """

    message: str = ""
    code: str = ""
    param: str = ""
    status: int | None = None
    words: frozenset[str] = frozenset()

    @property
    def kind(self) -> Kind | None:
        """The kind of failure that the words mean; None if no word is known."""
        return next((kind for word, kind in _KINDS_BY_WORD.items() if word in self.words), None)


def reported_error(document: Any) -> Any:
    """The document, or the part of it, that reports an error, even beside other content; None if there is no such part.

    An error that is null, or whose fields are all empty, does not count. An answer with several choices failed if each
    choice failed.
    """
    if isinstance(document, list) and len(document) == 1 and reported_error(document[0]) is not None:
        return document
    if not isinstance(document, dict):
        return None
    if not _is_empty(document.get("error")):
        return document
    choices = document.get("choices")
    if isinstance(choices, list) and choices and all(map(_is_failed, choices)):
        error = choices[0].get("error")
        return {"error": {"message": "The upstream ended its answer with an error."} if _is_empty(error) else error}
    return None


def other_signs(document: Any) -> Any:
    """The document if other signs than an `error` field show that it is an error and no answer; else None."""
    if not isinstance(document, dict):
        return None
    is_told = (
        document.get("type") == "error"
        or document.get("object") == "error"
        or document.get("success") is False
        or not _is_empty(document.get("errors"))
        or document.keys() == {"detail"}
        or _says_nothing_else(document)
    )
    return document if is_told else None


def _says_nothing_else(document: Mapping[str, Any]) -> bool:
    """Whether the document has nothing but a message and the status of an error.

    Gateways answer like this. No record of an accounting system looks like this.
    """
    if not document.keys() <= _OF_ERRORS or not any(map(document.get, _MESSAGES)):
        return False
    return document.get("status") == "error" or _status((document,)) is not None


def _is_failed(choice: Any) -> bool:
    return isinstance(choice, dict) and (not _is_empty(choice.get("error")) or choice.get("finish_reason") == "error")


def _is_empty(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_empty, value.values()))
    return not value


def said_by(document: Any) -> ReportedError:
    """The error that a document describes, read in any of the common shapes."""
    if isinstance(document, list) and document:
        document = document[0]
    if not isinstance(document, dict):
        return ReportedError(message=_text(document))
    error = document.get("error", document)
    if _is_empty(error):
        error = document
    if error is document and isinstance(errors := document.get("errors"), list) and errors:
        error = errors[0]
    if error is document and isinstance(base := document.get("base_resp"), dict):  # MiniMax
        error = base
    if error is document and isinstance(detail := document.get("detail"), dict):  # FastAPI
        error = detail
    while error is not document and isinstance(error, dict) and not any(map(error.get, _MESSAGES)):
        if not isinstance(inner := error.get("error"), dict):
            break
        error = inner  # a gateway puts the error of its own upstream into its own
    if not isinstance(error, dict):
        message = _text(error) or _text(document.get("message"))
        return ReportedError(message, _text(document.get("code")), "", _status((document,)), _words((document,)))
    sources = (error,) if error is document else (error, document)
    return ReportedError(
        _text(next(filter(None, (source.get(name) for source in sources for name in _MESSAGES)), None)),
        next(filter(None, (_text(error.get(name)) for name in _CODES)), ""),
        _text(error.get("param")),
        _status(sources),
        _words(sources),
    )


def _status(sources: tuple[Mapping[str, Any], ...]) -> int | None:
    """The first code from 400 to 599, as a number or in digits: such a code can only be an HTTP status."""
    for source in sources:
        for name in _STATUSES:
            value = source.get(name)
            number = value if isinstance(value, int) else int(value) if isinstance(value, str) and _is_digits(value) else 0
            if 400 <= number < 600:
                return number
    return None


def _is_digits(text: str) -> bool:
    return len(text) == 3 and text.isascii() and text.isdecimal()


def _words(sources: tuple[Mapping[str, Any], ...]) -> frozenset[str]:
    return frozenset(known_word(word) for source in sources for word in _words_of(source))


def _words_of(source: Mapping[str, Any]) -> Iterator[str]:
    """The codes, types and statuses of an error, and the reasons that Google gives in its details."""
    names = ("code", "type", "status", "reason", "__type")
    yield from (value for name in names if isinstance(value := source.get(name), str))
    details = source.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and isinstance(reason := detail.get("reason"), str):
            yield reason


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

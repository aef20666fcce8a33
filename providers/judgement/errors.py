"""Errors as upstreams report them: found in an answer of any status, and read in any of the common shapes."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from providers.failures import Kind

# Where a message, a code and a status may stand, the likeliest first.
_MESSAGES = ("message", "detail", "title", "msg", "Message", "status_msg", "error_msg", "errorMessage")
_CODES = ("code", "type", "status_code", "error_code", "__type")
_STATUSES = ("code", "status", "status_code", "statusCode", "http_status")

_OF_ERRORS = frozenset({*_MESSAGES, *_CODES, *_STATUSES, "error", "data", "timestamp", "path", "request_id", "requestId"})
_JOINTS = re.compile(r"[-_ .]")


def known_word(text: str) -> str:
    """A code, a type or a status in the spelling in which they are compared: both `rate_limit` and `RateLimit` are `ratelimit`.

    AWS may put a namespace before the name of an error, and an address behind it.
    """
    return _JOINTS.sub("", text.rpartition("#")[2].partition(":")[0]).lower()


# What a code, a type or a status means that an upstream reports inside a 2xx, where nothing better than a word is said.
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
    """What an upstream says of an error; empty where it does not say. `words` are its codes, types and reasons (`known_word`)."""

    message: str = ""
    code: str = ""
    param: str = ""
    status: int | None = None
    words: frozenset[str] = frozenset()

    @property
    def kind(self) -> Kind | None:
        """The kind of failure that the words mean; None when none of them is known."""
        return next((kind for word, kind in _KINDS_BY_WORD.items() if word in self.words), None)


def reported_error(document: Any) -> Any:
    """The document, or the part of it, that reports an error beside whatever else an answer holds; None when none does.

    An error that is null, or empty in each of its fields, is none. An answer with several choices failed when each did.
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
    """The document when it says by other signs that it is no answer but an error; None when it does not."""
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
    """Whether all that it has is a message and the status of an error, as a gateway answers: no record looks like that."""
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
    """What a document says of an error, in any of the common shapes."""
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
    """The first code that can only be an HTTP status, as a number or in digits."""
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
    """Codes, types and statuses, and the reasons that Google gives in the details."""
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

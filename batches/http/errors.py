"""Errors of the APIs. Every exception becomes one `PortalError`, and each dialect renders it in its own format."""

from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, UnreadablePostError
from rest_framework import exceptions

from batches.rules.errors import (
    Conflict,
    InProgress,
    InvalidRequest,
    LostRace,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    PortalError,
    QuotaExceeded,
    RateLimited,
    TooLarge,
    TooManyRequests,
    Unavailable,
)

# Renders an error as the body of an answer; the second argument is the request's id.
ErrorRenderer = Callable[[PortalError, str], Mapping[str, Any]]


class MissingParameter(InvalidRequest):
    """A required parameter is missing."""

    code = "missing_required_parameter"


class InvalidType(InvalidRequest):
    """A parameter has the wrong type."""

    code = "invalid_type"


class InvalidValue(InvalidRequest):
    """A parameter has a value that is not allowed."""

    code = "invalid_value"


class UnknownParameter(InvalidRequest):
    """There is no such parameter."""

    code = "unknown_parameter"


class InvalidBody(InvalidRequest):
    """The request body cannot be read."""

    code = "invalid_body"


class MethodNotAllowed(InvalidRequest):
    """This method is not allowed here."""

    status = 405
    code = "method_not_allowed"


class RequestTimeout(InvalidRequest):
    """The request body did not arrive: the client has gone, or sends too slowly."""

    status = 408
    code = "request_timeout"


class LengthRequired(InvalidRequest):
    """The request needs a Content-Length header: this server cannot tell where the body ends."""

    status = 411
    code = "length_required"


class UnsupportedMediaType(InvalidRequest):
    """The request body has a content type that is not read here."""

    status = 415
    code = "unsupported_media_type"


class UnknownHost(InvalidRequest):
    """The portal does not answer for the host that this request names: PUBLIC_URL or ALLOWED_HOSTS would have to name it."""

    code = "unknown_host"


class HttpsRequired(NotPermitted):
    """This portal is reached over HTTPS alone."""

    code = "https_required"


class UnknownUrl(NotFound):
    """There is nothing at this URL."""

    code = "unknown_url"


BY_STATUS: dict[int, type[PortalError]] = {
    error.status: error
    for error in (
        InvalidRequest,
        NotAuthenticated,
        NotPermitted,
        NotFound,
        MethodNotAllowed,
        RequestTimeout,
        Conflict,
        LengthRequired,
        TooLarge,
        UnsupportedMediaType,
        TooManyRequests,
        Unavailable,
    )
}


def with_status(status: int) -> PortalError:
    """The error for an HTTP status, if only the status is known."""
    return BY_STATUS.get(status, InvalidRequest if 400 <= status < 500 else PortalError)()


def as_portal_error(problem: Exception) -> PortalError:
    """The portal error for an exception. An unexpected exception becomes a plain `PortalError` (500)."""
    match problem:
        case PortalError():
            return problem
        case exceptions.ValidationError():
            return first_problem(problem)
        case exceptions.MethodNotAllowed():
            return MethodNotAllowed(str(problem.detail))
        case exceptions.APIException():
            error = with_status(problem.status_code)
            return type(error)(str(problem.detail)) if problem.status_code < 500 else error
        case Http404():
            return NotFound()
        case RequestDataTooBig():
            return TooLarge()
        case UnreadablePostError():
            return RequestTimeout()
        case SuspiciousOperation():
            return InvalidRequest(str(problem))
        case PermissionDenied():
            return NotPermitted()
        case OperationalError() | InterfaceError():
            return Unavailable()
    return PortalError()


def headers(error: PortalError, *, allow: str = "") -> dict[str, str]:
    """The headers that go with an error in every dialect."""
    if isinstance(error, NotAuthenticated):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, MethodNotAllowed):
        return {"Allow": allow}
    if isinstance(error, (InProgress, RateLimited, Unavailable)):
        return {"Retry-After": str(error.retry_after)}
    if isinstance(error, QuotaExceeded) or (isinstance(error, Conflict) and not isinstance(error, LostRace)):
        return {"x-should-retry": "false"}  # without this header, SDKs repeat a call twice after 409 or 429
    return {}


def error_object(error: PortalError) -> dict[str, Any]:
    """An error in the format of OpenAI, which several dialects share."""
    return {"message": error.message, "type": error_type(error), "param": error.param, "code": error.code}


def error_type(error: PortalError) -> str:
    """The kind of error, in OpenAI's words."""
    if isinstance(error, NotAuthenticated):
        return "authentication_error"
    if isinstance(error, QuotaExceeded):
        return "insufficient_quota"
    if isinstance(error, TooManyRequests):
        return "rate_limit_error"
    return "invalid_request_error" if error.status < 500 else "server_error"


_WRONG_TYPE = frozenset({"invalid", "null", "not_a_dict", "not_a_list"})


def first_problem(invalid: exceptions.ValidationError) -> InvalidRequest:
    """The first problem that a serializer found, as an error that names the parameter."""
    path, reason = _first(invalid.detail, path="")
    if reason.code == "required":
        return MissingParameter(f"Missing required parameter: '{path}'.", param=path)
    if reason.code == "unknown":
        return UnknownParameter(f"Unknown parameter: '{path}'.", param=path)
    kind = InvalidType if reason.code in _WRONG_TYPE else InvalidValue
    return kind(f"Invalid value for '{path}': {reason}" if path else str(reason), param=path or None)


def _first(detail: Any, *, path: str) -> tuple[str, exceptions.ErrorDetail]:
    if isinstance(detail, dict):
        key, inner = next(iter(detail.items()))
        if key == "non_field_errors":
            return _first(inner, path=path)
        return _first(inner, path=f"{path}.{key}" if path else str(key))
    if isinstance(detail, list):
        return _first(detail[0], path=path)
    return path, detail

"""Errors in Anthropic's format, for answers and for the results of a batch."""

from typing import Any

from batches.rules.errors import PortalError

# The contract's types of errors by status. Any other status gets the type of its class.
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def render_error(error: PortalError, request_id: str) -> dict[str, Any]:
    """The error envelope. Only the message names the parameter."""
    return envelope(error_type(error.status), error.message, request_id=request_id)


def envelope(kind: str, message: str, *, request_id: str | None) -> dict[str, Any]:
    """An error. The inner object holds its type and its message."""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}


def error_type(status: int) -> str:
    """The contract's type of an error with this HTTP status."""
    return TYPES.get(status) or ("invalid_request_error" if 400 <= status < 500 else "api_error")

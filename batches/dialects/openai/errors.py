"""Errors as OpenAI's clients read them."""

from typing import Any

from batches.errors import NotAuthenticated, PortalError, TooManyRequests


def render_error(error: PortalError, request_id: str) -> dict[str, Any]:
    """The error envelope: message, type, param and code."""
    del request_id  # a header carries it
    return {"error": {"message": error.message, "type": error_type(error), "param": error.param, "code": error.code}}


def error_type(error: PortalError) -> str:
    """The kind of error, in OpenAI's words."""
    if isinstance(error, NotAuthenticated):
        return "authentication_error"
    if isinstance(error, TooManyRequests):
        return "rate_limit_error"
    return "invalid_request_error" if error.status < 500 else "server_error"

"""Errors of the native API: one object, with the same fields for every status."""

from typing import Any

from batches.rules.errors import PortalError


def render_error(error: PortalError, request_id: str) -> dict[str, Any]:
    """The error object. `code` is stable and for programs, `message` is for people, `param` names the wrong parameter, if any."""
    return {"error": {"code": error.code, "message": error.message, "param": error.param, "request_id": request_id}}

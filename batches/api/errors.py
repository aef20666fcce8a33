"""Errors as the native API writes them: one object, the same for every status."""

from typing import Any

from batches.rules.errors import PortalError


def render_error(error: PortalError, request_id: str) -> dict[str, Any]:
    """`code` is stable and for programs, `message` for people; `param` names what is wrong, where one thing is."""
    return {"error": {"code": error.code, "message": error.message, "param": error.param, "request_id": request_id}}

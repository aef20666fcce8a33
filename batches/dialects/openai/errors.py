"""Errors in OpenAI's format."""

from typing import Any

from batches.http.errors import error_object
from batches.rules.errors import PortalError


def render_error(error: PortalError, request_id: str) -> dict[str, Any]:
    """The error envelope: message, type, param and code."""
    del request_id  # a header carries it
    return {"error": error_object(error)}

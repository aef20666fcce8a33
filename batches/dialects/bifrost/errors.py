"""Errors in Bifrost's format. The inner object is OpenAI's, so OpenAI's SDK can read it, too."""

from typing import Any

from batches.http.errors import error_object
from batches.rules.errors import PortalError


def render_error(error: PortalError, request_id: str) -> dict[str, Any]:
    """The error envelope. The view adds its `extra_fields` to it."""
    found = error_object(error)
    return {
        "is_bifrost_error": True,  # the error is the portal's own, not an upstream's
        "status_code": error.status,
        "event_id": request_id,
        "type": found["type"],
        "error": {name: value for name, value in found.items() if value is not None},
    }

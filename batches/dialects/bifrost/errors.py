"""Errors as Bifrost's clients read them; the inner object is OpenAI's, so OpenAI's SDK reads them, too."""

from typing import Any

from batches.http.errors import error_object
from batches.rules.errors import PortalError


def render_error(error: PortalError, request_id: str) -> dict[str, Any]:
    """The error envelope. What a view knows besides (`extra_fields`) it adds itself."""
    found = error_object(error)
    return {
        "is_bifrost_error": True,  # the portal's own, not an upstream's
        "status_code": error.status,
        "event_id": request_id,
        "type": found["type"],
        "error": {name: value for name, value in found.items() if value is not None},
    }

"""Errors in Merge's format."""

from typing import Any

from batches.rules.errors import PortalError


def render_error(error: PortalError, request_id: str) -> dict[str, Any]:
    """The error body: a list of problems for a wrong request, a plain detail for any other error."""
    del request_id  # a header carries it
    if error.status != 400:
        return {"detail": error.message}
    problem: dict[str, Any] = {
        "title": (type(error).__doc__ or "").strip(),
        "detail": error.message,
        "problem_type": error.code.upper(),
    }
    if error.param and error.param.startswith("batch_items"):
        problem["source"] = {"pointer": "/" + error.param.replace(".", "/")}
    return {"errors": [problem], "warnings": []}

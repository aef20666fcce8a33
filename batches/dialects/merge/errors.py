"""Errors as Merge's clients read them."""

from typing import Any

from batches.rules.errors import PortalError


def render_error(error: PortalError, request_id: str) -> dict[str, Any]:
    """What is wrong with a request's content as a list of problems, anything else as a plain detail."""
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

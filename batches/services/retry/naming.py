"""The names of child batches: which retry of which batch it is, and which requests it sends."""

from collections.abc import Collection

from batches.models import REMARK_CHARS, Batch
from batches.rules.display.counted import counted
from batches.rules.states import ObjectStatus
from batches.services.intake.inline import FILENAME
from providers.failures import Kind

NAME_CHARS = 200
MOST_REASONS = 2  # with more reasons, none is named

ADJECTIVES = {
    Kind.INVALID_REQUEST: "refused",
    Kind.NOT_FOUND: "not-found",
    Kind.AUTHENTICATION: "unauthenticated",
    Kind.PERMISSION: "forbidden",
    Kind.QUOTA: "out-of-quota",
    Kind.RATE_LIMITED: "rate-limited",
    Kind.OVERLOADED: "overloaded",
    Kind.SERVER_ERROR: "server-error",
    Kind.REDIRECTED: "redirected",
    Kind.INVALID_RESPONSE: "wrongly answered",
    Kind.UNCONFIRMED: "unconfirmed",
    Kind.RESPONSE_TOO_LARGE: "too long answered",
    Kind.TIMEOUT: "timed-out",
    Kind.CONNECT: "unconnected",
    Kind.CONNECTION_LOST: "disconnected",
    Kind.PORTAL: "unsent",
}
EDITED = "edited"


def adjective(status: str, kind: str) -> str:
    """The word for requests that ended with this status and kind of failure, such as `rate-limited` or `cancelled`."""
    known = Kind.known(kind) if status == ObjectStatus.FAILED else None
    return ADJECTIVES[known] if known else status


def child_remark(root: Batch, *, number: int, requests: int, adjectives: Collection[str]) -> str:
    """`Retry 2 of Nightly: 75 rate-limited requests`. `number` counts the retries of the root."""
    words = " and ".join(sorted(adjectives)) if len(adjectives) <= MOST_REASONS else ""
    what = counted(requests, f"{words} request".strip())
    return f"Retry {number} of {_name(root)}: {what}"[:REMARK_CHARS]


def _name(batch: Batch) -> str:
    """The name that people know the batch by: its remark, the file of its client, or its id."""
    file = batch.input_file
    filename = file.filename if file is not None and file.filename != FILENAME else ""
    name = batch.remark or filename or str(batch)
    return name if len(name) <= NAME_CHARS else f"{name[: NAME_CHARS - 1]}…"

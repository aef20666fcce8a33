"""Ids as clients see them: a prefix and 32 hex digits, or a plain UUID. Stored ids are UUIDs (version 7)."""

import re
import uuid

_FORM = re.compile(r"(?:[a-z]+(?:_[a-z]+)*[-_])?([0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.ASCII)


def render(prefix: str, value: uuid.UUID) -> str:
    """`render("batch_", id)` is `batch_0197…`."""
    return prefix + value.hex


def parse(text: object) -> uuid.UUID | None:
    """The id in any of its forms (`batch_…`, `msgbatch_…`, `file-…`, a UUID); None for anything else."""
    if not isinstance(text, str):
        return None
    match = _FORM.fullmatch(text)
    return uuid.UUID(match[1]) if match else None

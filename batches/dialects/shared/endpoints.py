"""Endpoints of batches, for the dialects in which the client chooses the endpoint.

A client may choose an endpoint of the contracts, or a further endpoint that an operator gave to a provider of the project.
"""

from collections.abc import Sequence
from typing import BinaryIO, cast

import msgspec
from django.conf import settings

from batches.http.errors import InvalidValue
from batches.models import File, Project
from batches.rules.errors import Gone
from batches.rules.lines.jsonl import read_lines, read_request
from batches.services.core.route import further_endpoints
from batches.services.storage.ranges import reading

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
ENDPOINTS = (
    "/v1/responses",
    CHAT,
    "/v1/embeddings",
    "/v1/completions",
    "/v1/moderations",
    "/v1/images/generations",
    "/v1/images/edits",
    "/v1/videos",
    MESSAGES,
)


def canonical(endpoint: str) -> str:
    """An endpoint with its version. Azure's clients leave it out, as in `/chat/completions`."""
    return f"/v1{endpoint}" if f"/v1{endpoint}" in ENDPOINTS else endpoint


def is_endpoint(project: Project, text: str, *, known: Sequence[str] = ENDPOINTS) -> bool:
    """Whether a text is an endpoint that a batch of the project may have."""
    return text in known or text in further_endpoints(project)


def require_endpoint(project: Project, text: str, *, place: str, known: Sequence[str] = ENDPOINTS) -> None:
    """Raise InvalidValue, with all allowed endpoints, unless a batch of the project may have this one.

    `place` is the beginning of the message: the place of the text in the call.
    """
    if not is_endpoint(project, text, known=known):
        names = ", ".join((*known, *further_endpoints(project)))
        raise InvalidValue(f"{place}: it must be one of {names}.", param=place.rpartition(" ")[2].strip("'"))


def endpoint_of_first_line(file: File) -> str:
    """The endpoint in the first line of an input file: its url, else chat completions."""
    try:
        with reading(file, name="input") as content:
            lines = read_lines(cast(BinaryIO, content), max_line_bytes=settings.MAX_LINE_BYTES)
            url = read_request(next(lines).content or b"").url
    except (Gone, StopIteration, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return CHAT  # validation will report the fault
    endpoint = canonical(url or "")
    return endpoint if endpoint and is_endpoint(file.project, endpoint) else CHAT

"""Error answers that need no thread, in the format of the dialect that the client speaks."""

from collections.abc import Mapping

from django.urls import get_resolver
from django.utils.datastructures import CaseInsensitiveMapping

from batches.http import errors, mounts
from batches.http.rendering import encode
from batches.http.request_ids import new_id
from batches.rules.errors import PortalError

Headers = list[tuple[bytes, bytes]]


def refusal(error: PortalError, *, path: str, headers: Mapping[bytes, bytes]) -> tuple[Headers, bytes]:
    """The headers and the body of the answer to an error."""
    get_resolver().url_patterns  # noqa: B018 - loading the URLs mounts the dialects, if no request has done so yet
    by_name = CaseInsensitiveMapping({name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()})
    identifier = new_id(given=by_name.get("x-request-id", ""))
    if mount := mounts.owner(path, by_name):
        kind, body = "application/json", encode(mount.render_error(error, identifier))
    else:
        kind, body = "text/plain; charset=utf-8", error.message.encode()
    named = {"Content-Type": kind, "x-request-id": identifier, "Cache-Control": "no-store", **errors.headers(error)}
    return [(name.lower().encode(), value.encode()) for name, value in named.items()], body

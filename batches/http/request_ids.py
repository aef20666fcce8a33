"""Ids of requests. The answer to a request and the log name its id.

A client, or a proxy in front, may give the id in the header `X-Request-Id`. Any other text than a short plain one is ignored.
"""

import re
import uuid
from collections.abc import MutableMapping
from typing import Any

from django.http import HttpRequest, HttpResponseBase

_KEY = "batchyard.request_id"
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:\-]{0,63}", re.ASCII)


def request_id(request: HttpRequest) -> str:
    """The id of this request."""
    return request_id_of(request.META)


def request_id_of(environ: MutableMapping[str, Any]) -> str:
    """The id of the request with this WSGI environ."""
    if _KEY not in environ:
        environ[_KEY] = new_id(given=environ.get("HTTP_X_REQUEST_ID", ""))
    return str(environ[_KEY])


def new_id(*, given: str = "") -> str:
    """The id that was given, if it is a plain one; else a new one."""
    return given if _PLAIN.fullmatch(given) else f"req_{uuid.uuid4().hex}"


def name_request(response: HttpResponseBase, *, request: HttpRequest) -> None:
    """Put the id of the request into the headers of its answer, under both names that clients look for."""
    response.headers["x-request-id"] = response.headers["request-id"] = request_id(request)

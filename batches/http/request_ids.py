"""Every request has an id, which its answer names and the log repeats."""

import uuid

from django.http import HttpRequest, HttpResponseBase

_KEY = "batchyard.request_id"


def request_id(request: HttpRequest) -> str:
    """The id of this request."""
    return str(request.META.setdefault(_KEY, f"req_{uuid.uuid4().hex}"))


def name_request(response: HttpResponseBase, *, request: HttpRequest) -> None:
    """Put the id on the answer, under both names that clients look for."""
    response.headers["x-request-id"] = response.headers["request-id"] = request_id(request)

"""Ids of requests. The answer to a request and the log name its id."""

import uuid

from django.http import HttpRequest, HttpResponseBase

_KEY = "batchyard.request_id"


def request_id(request: HttpRequest) -> str:
    """The id of this request."""
    return str(request.META.setdefault(_KEY, f"req_{uuid.uuid4().hex}"))


def name_request(response: HttpResponseBase, *, request: HttpRequest) -> None:
    """Put the id of the request into the headers of its answer, under both names that clients look for."""
    response.headers["x-request-id"] = response.headers["request-id"] = request_id(request)

"""No thread waits for the bytes of a stranger, whatever route they are sent to (S3).

The web server reads a small body before it takes a thread. It has no more of a body for a view before somebody vouches for
the sender. So no route may vouch for a stranger, and each must answer one whose body it cannot have.
"""

import re
from collections.abc import Iterator
from itertools import product

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from batches.http.callers.senders import SMALL_BODY, is_known
from config.front.client_request import Stranger
from tests.matrix import every

CALLS = [("POST", "multipart/form-data; boundary=b"), ("POST", "application/json"), ("PATCH", "application/json")]
STRANGERS: dict[str, dict[str, str]] = {
    "a form's token": {"HTTP_COOKIE": f"csrftoken={'a' * 32}", "HTTP_X_CSRFTOKEN": "a" * 32},
    "what is none": {
        "HTTP_AUTHORIZATION": "Bearer by_wrong",
        "HTTP_X_API_KEY": "by_wrong",
        "HTTP_COOKIE": f"sessionid={'a' * 32}; csrftoken={'a' * 32}",
    },
}
LENGTHS: dict[str, dict[str, str]] = {
    "long": {"CONTENT_LENGTH": str(SMALL_BODY + 1)},
    "in chunks": {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""},
}


class OfStranger:
    """A body as the web server has it for views: nothing, as long as its sender is not known."""

    def read(self, _size: int = -1) -> bytes:
        raise Stranger

    readline = read


def paths(_fixtures: object) -> list[str]:
    """Every path of the portal, something in the place of what has to be named."""
    return sorted({re.sub(r"\^|\$|\\Z", "", path) for path in _walk(get_resolver().url_patterns, "/")})


def _walk(patterns: "list[URLPattern | URLResolver]", before: str) -> Iterator[str]:
    for pattern in patterns:
        path = before + re.sub(r"<(?:(\w+):)?\w+>", lambda named: VALUES.get(named[1], "a"), str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, path)
        else:
            yield path


VALUES = {"uuid": "00000000-0000-7000-8000-000000000000", "int": "1"}


@pytest.mark.long
@pytest.mark.django_db
@every("path", paths)
def test_no_route_waits_for_a_large_body_of_a_stranger(path: str) -> None:
    client, wrong = Client(enforce_csrf_checks=True, raise_request_exception=False), []
    for (method, kind), (who, shown), (how, length) in product(CALLS, STRANGERS.items(), LENGTHS.items()):
        environ = {"wsgi.input": OfStranger(), "wsgi.input_terminated": True, "CONTENT_TYPE": kind, **shown, **length}
        answer = client.generic(method, path, **environ)  # type: ignore[arg-type]
        if answer.status_code >= 500 or is_known(answer.wsgi_request.environ):
            wrong.append((method, kind, who, how, answer.status_code))
    assert wrong == []

"""Caching of answers: browsers and proxies may keep no answer, unless its view says otherwise."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

PRIVATE = "private, no-store"


class PrivateAnswers:
    """Middleware that forbids caching of pages, answers of the APIs, files, errors and redirects.

    Two kinds of answers set their own header: static files, which are public, and fragments of live pages, which have an
    ETag.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", PRIVATE)
        return response

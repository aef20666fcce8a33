"""What may be kept of an answer: nothing, unless whoever made it says otherwise."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

PRIVATE = "private, no-store"


class PrivateAnswers:
    """Middleware around everything that is not public: pages, answers of the APIs, files, errors and redirects alike.

    Static files, which are everybody's, and fragments of live pages, which are compared by their ETag, say so themselves.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", PRIVATE)
        return response

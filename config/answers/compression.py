"""Compression of pages.

Pages and fragments of the console and the admin are sent as gzip to browsers that take it. Everything else goes out as it
is: files and streams have strong ETags and ranges, and answers of the APIs are left to a proxy.

A compressed answer that holds a secret beside text from its address tells something about the secret by its length (BREACH).
Three things stand against that. CSRF tokens are masked anew in each answer. Every answer gets a random number of bytes more.
Pages that show a secret are not compressed at all: those of the own account (second factor, recovery codes), and answers to
forms, among them the one page that shows a new API key.
"""

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.text import compress_string

WITH_SECRETS = ("/console/account/",)
LEAST_BYTES = 600  # a shorter answer fits one packet either way
MOST_RANDOM_BYTES = 100
_TAKES_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))")


class CompressPages:
    """Middleware that compresses pages which have no secret."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if isinstance(response, HttpResponse) and _is_worth_it(request, response):
            patch_vary_headers(response, ["Accept-Encoding"])
            if _TAKES_GZIP.search(request.headers.get("Accept-Encoding", "")):
                response.content = compress_string(response.content, max_random_bytes=MOST_RANDOM_BYTES)
                response.headers["Content-Encoding"] = "gzip"
                response.headers["Content-Length"] = str(len(response.content))
        return response


def _is_worth_it(request: HttpRequest, response: HttpResponse) -> bool:
    return (
        request.method == "GET"
        and response.headers.get("Content-Type", "").startswith("text/html")
        and not response.has_header("Content-Encoding")
        and len(response.content) >= LEAST_BYTES
        and not request.path.startswith(WITH_SECRETS)
    )

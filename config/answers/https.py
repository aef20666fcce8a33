"""HTTPS: if PUBLIC_URL is https, requests over plain HTTP that carry data or a credential are refused, not redirected."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseForbidden
from django.http.response import HttpResponseBase

from batches.dialects.middleware import answer_with
from batches.http.errors import HttpsRequired

SAFE = frozenset({"GET", "HEAD"})
CREDENTIALS = ("Authorization", "X-Api-Key", "Api-Key", "X-Account-Token")


class RefuseCleartext:
    """Middleware in front of Django's, which redirects plain HTTP to HTTPS. Here such requests are refused.

    A client that follows a redirect would go on sending its key in the clear with each call. And its POST would become a GET.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not settings.SECURE_SSL_REDIRECT or request.is_secure():
            return self.get_response(request)
        if request.method in SAFE and not any(name in request.headers for name in CREDENTIALS):
            return self.get_response(request)
        message = f"This portal is reached at {settings.PUBLIC_URL}: nothing is taken over plain HTTP."
        return answer_with(HttpsRequired(message), HttpResponseForbidden(message, content_type="text/plain"))

"""Large bodies: of strangers none is read, and of people who are signed in no larger form than any may be."""

from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import get_user
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from batches.http.senders import SMALL_BODY, vouch


class RefuseLargeForms:
    """Middleware that comes after the session, and before the check of a form's token, which reads the form."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Whoever is signed in may send a large body. A session is looked at for such a body alone."""
        if (_length(request) > SMALL_BODY or request.headers.get("Transfer-Encoding")) and get_user(request).is_authenticated:
            vouch(request.META)
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Callable[..., object], _args: object, _kwargs: object) -> None:
        """Refuse a form that is too large, unread: so nobody fills the disk.

        Django would bound a form's fields, and keep its files, however large, on disk until the request ends. Views that see
        to the token themselves also say themselves how much they take: the APIs', and where a batch is made.
        """
        if _length(request) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE and not getattr(view, "csrf_exempt", False):
            raise RequestDataTooBig


def _length(request: HttpRequest) -> int:
    """How long the body is, as far as the client says."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isdigit() else 0

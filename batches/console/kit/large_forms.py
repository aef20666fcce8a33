"""Large bodies in the console: a stranger's large body is not read, and a form that is too large is refused."""

from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import get_user
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from batches.http.callers.senders import SMALL_BODY, vouch


class RefuseLargeForms:
    """Middleware after the session middleware and before the CSRF middleware, which reads the form."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Vouch for a signed-in sender of a large body. For small bodies the session is not read."""
        if (_length(request) > SMALL_BODY or request.headers.get("Transfer-Encoding")) and get_user(request).is_authenticated:
            vouch(request.META)
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Callable[..., object], _args: object, _kwargs: object) -> None:
        """Refuse a form that is too large before it is read, so that nobody fills the disk.

        Django limits only the fields of a form. It keeps files of any size on disk until the request ends. Views that check
        the CSRF token themselves also set their own limit: those of the APIs, and the page for a new batch.
        """
        if _length(request) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE and not getattr(view, "csrf_exempt", False):
            raise RequestDataTooBig


def _length(request: HttpRequest) -> int:
    """The length of the body that the client announces; 0 if it announces none."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isdigit() else 0

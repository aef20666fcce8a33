"""Forms are small, those of strangers very small: one beyond its limit is refused before any of it is read.

So nobody fills the disk with forms, and no thread waits for a stranger.
"""

from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import get_user
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.http.response import HttpResponseBase

STRANGERS_BYTES = 64 * 1024  # of a form of somebody who is not signed in: a thread would wait for the bytes of a longer one


class RefuseLargeForms:
    """Middleware for every view whose form's token Django checks. It comes before that check, which reads the form.

    Views that see to the token themselves also say themselves how much they take: the APIs', and where a batch is made.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Callable[..., object], _args: object, _kwargs: object) -> None:
        """Django would bound a form's fields, and keep its files, however large, on disk until the request ends."""
        length = request.META.get("CONTENT_LENGTH") or "0"
        if getattr(view, "csrf_exempt", False) or not length.isdigit():
            return
        is_strangers = int(length) > STRANGERS_BYTES and not get_user(request).is_authenticated
        if is_strangers or int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise RequestDataTooBig

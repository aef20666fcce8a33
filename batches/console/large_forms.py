"""Forms are small: one beyond the limit is refused before any of it is read, so that nobody fills the disk with it."""

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.http.response import HttpResponseBase


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
        too_big = length.isdigit() and int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if too_big and not getattr(view, "csrf_exempt", False):
            raise RequestDataTooBig

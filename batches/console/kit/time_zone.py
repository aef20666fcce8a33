"""The time zone of the console and the admin: UTC, or the zone that the reader's cookie names."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import tzinfo
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

PLACES = ("/console/", "/admin/")  # the APIs always answer in UTC
COOKIE = "zone"


def readers_zone(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: times are written in the zone that the reader chose. Times without a zone are read in it, too."""

    def respond(request: HttpRequest) -> HttpResponse:
        chosen = _zone(request.COOKIES.get(COOKIE, "")) if request.path.startswith(PLACES) else None
        with timezone.override(chosen) if chosen else nullcontext():
            return get_response(request)

    return respond


def _zone(name: str) -> tzinfo | None:
    """The zone of this name; None if there is none. Operating systems report unknown names by different exceptions."""
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        return None

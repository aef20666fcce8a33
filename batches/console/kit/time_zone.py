"""The zone in which the console and the admin write times: UTC, or the reader's own, which a cookie names."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import tzinfo
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

PLACES = ("/console/", "/admin/")  # the APIs always answer in UTC
COOKIE = "zone"


def readers_zone(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: times are written, and those without a zone are read, in the zone that the reader chose."""

    def respond(request: HttpRequest) -> HttpResponse:
        chosen = _zone(request.COOKIES.get(COOKIE, "")) if request.path.startswith(PLACES) else None
        with timezone.override(chosen) if chosen else nullcontext():
            return get_response(request)

    return respond


def _zone(name: str) -> tzinfo | None:
    """The zone of this name; None for what names none, in whatever way the operating system says so."""
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        return None

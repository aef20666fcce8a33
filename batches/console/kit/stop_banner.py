"""The banner of emergency stops. Every page of the console and the admin shows the stops that concern its reader."""

from typing import cast

from django.contrib.auth.models import User
from django.http import HttpRequest

from batches.models import EmergencyStop
from batches.rules.states import Source
from batches.services.core.access import Access, access_of
from batches.services.policy.emergency_stop import seen_by, stops_in_force

MOST_TOLD = 3  # the most stops in the banner; the page of emergency stops has all


def stops_shown(request: HttpRequest) -> list[EmergencyStop]:
    """The stops in force that concern the reader, looked up once a request; an empty list for strangers."""
    if not hasattr(request, "emergency_stops"):
        signed_in = isinstance(getattr(request, "user", None), User)
        stops = stops_in_force() if signed_in else []
        request.emergency_stops = seen_by(access_shown(request), stops) if stops else []  # type: ignore[attr-defined]
    return cast("list[EmergencyStop]", request.emergency_stops)  # type: ignore[attr-defined]


def access_shown(request: HttpRequest) -> Access:
    """The access of the page's reader. Most views have looked it up already; then it is reused."""
    known: Access | None = getattr(request, "access", None) or getattr(request, "readers_access", None)
    if known is None:
        known = access_of(cast("User", request.user), source=Source.CONSOLE)
        request.readers_access = known  # type: ignore[attr-defined]
    return known


def told(request: HttpRequest) -> dict[str, object]:
    """The context of templates/components/stops.html."""
    stops = stops_shown(request)
    return {"stops": stops[:MOST_TOLD], "more": len(stops[MOST_TOLD:])}

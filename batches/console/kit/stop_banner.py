"""What is stopped at present, as every page of the console and the admin tells those whom it concerns."""

from typing import cast

from django.contrib.auth.models import User
from django.http import HttpRequest

from batches.models import EmergencyStop
from batches.rules.states import Source
from batches.services.core.access import Access, access_of
from batches.services.policy.emergency_stop import seen_by, stops_in_force

MOST_TOLD = 3  # on every page; their own page has them all


def stops_shown(request: HttpRequest) -> list[EmergencyStop]:
    """The stops in force that concern who asks; looked up once a request. None for who is not signed in."""
    if not hasattr(request, "emergency_stops"):
        signed_in = isinstance(getattr(request, "user", None), User)
        stops = stops_in_force() if signed_in else []
        request.emergency_stops = seen_by(access_shown(request), stops) if stops else []  # type: ignore[attr-defined]
    return cast("list[EmergencyStop]", request.emergency_stops)  # type: ignore[attr-defined]


def access_shown(request: HttpRequest) -> Access:
    """What the reader of a page may see. Most pages have asked for that already."""
    known: Access | None = getattr(request, "access", None) or getattr(request, "readers_access", None)
    if known is None:
        known = access_of(cast("User", request.user), source=Source.CONSOLE)
        request.readers_access = known  # type: ignore[attr-defined]
    return known


def told(request: HttpRequest) -> dict[str, object]:
    """What templates/components/stops.html draws."""
    stops = stops_shown(request)
    return {"stops": stops[:MOST_TOLD], "more": len(stops[MOST_TOLD:])}

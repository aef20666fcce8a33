"""due: which deliveries are sent next, and the lease under which one deliverer sends them.

Projects take turns, and so do the endpoints of a project. A project gets a further place only while it has fewer places than
are free. So some places always stay free for others, however many receivers of a project do not answer.
"""

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef

from batches.models import WebhookDelivery, WebhookEndpoint
from batches.rules.errors import LostRace
from batches.services.core.lease import is_free, lease_end

LOOKED_AT = 256  # how many endpoints one look considers; other looks see others


@dataclass(slots=True)
class _Candidate:
    """An endpoint with deliveries that are due: its places in use, those it may have, and those it gets now."""

    pk: uuid.UUID
    project: uuid.UUID
    in_use: int
    most: int
    given: int = 0


def anything_due(*, now: datetime) -> bool:
    """Whether a delivery is to be sent and nobody sends it."""
    return WebhookDelivery.objects.filter(is_free(now), due_at__lte=now, endpoint__enabled=True).exists()


@transaction.atomic
def take_due(owner: uuid.UUID, *, now: datetime, room: int) -> list[WebhookDelivery]:
    """Lease deliveries that are due, with their endpoints. The deliverer has `room` for so many more.

    At most WEBHOOK_CALLS_PER_ENDPOINT deliveries to one endpoint are leased at a time, over all deliverers, and one if its last
    try failed. Callback URLs share an endpoint, of which no single try tells anything. The lease outlasts a try.
    """
    if room <= 0 or not (candidates := _candidates(now=now)):
        return []
    places = Counter[uuid.UUID]()
    for project, count in _leased(now=now).values_list("project").annotate(Count("pk")):
        places[project] = count
    while best := _next(candidates, places, room):
        best.given += 1
        places[best.project] += 1
        room -= 1
    chosen: list[uuid.UUID] = []
    for candidate in candidates:
        if candidate.given:
            due = _due(now=now).filter(endpoint=candidate.pk).order_by("due_at")
            chosen += due.values_list("pk", flat=True)[: candidate.given]
    until = lease_end(now) + timedelta(seconds=settings.WEBHOOK_TIMEOUT_SECONDS)
    free = WebhookDelivery.objects.filter(is_free(now), pk__in=chosen)
    free.update(lease_owner=owner, lease_epoch=F("lease_epoch") + 1, lease_expires_at=until)
    mine = WebhookDelivery.objects.filter(pk__in=chosen, lease_owner=owner, lease_expires_at=until)
    return list(mine.select_related("endpoint").order_by("due_at"))


def write(delivery: WebhookDelivery, **changes: Any) -> None:
    """Write columns under the lease, and give the lease back. Raises LostRace if it was lost; then nothing is written."""
    changes |= {"lease_owner": None, "lease_expires_at": None}
    held = WebhookDelivery.objects.filter(pk=delivery.pk, lease_owner=delivery.lease_owner, lease_epoch=delivery.lease_epoch)
    if not held.update(**changes):
        raise LostRace
    for name, value in changes.items():
        setattr(delivery, name, value)


def put_off(delivery: WebhookDelivery, *, until: datetime, failure: str) -> None:
    """Send a delivery later, because this worker could not try. It does not count as a try. Raises LostRace."""
    write(delivery, due_at=until, failure=failure[:500])


def _candidates(*, now: datetime) -> list[_Candidate]:
    """Endpoints with deliveries that are due, in no order. They are locked, so that deliverers do not give one place twice."""
    waiting = Exists(_due(now=now).filter(endpoint=OuterRef("pk")))
    locked = WebhookEndpoint.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
    found = list(locked.filter(waiting, enabled=True).order_by("?")[:LOOKED_AT])
    in_use = dict(_leased(now=now).filter(endpoint__in=found).values_list("endpoint").annotate(Count("pk")))
    return [_Candidate(one.pk, one.project_id, in_use.get(one.pk, 0), _most(one)) for one in found]


def _most(endpoint: WebhookEndpoint) -> int:
    """How many deliveries to an endpoint may be in flight."""
    is_failing = endpoint.failing_since is not None and not endpoint.is_callbacks
    return 1 if is_failing else settings.WEBHOOK_CALLS_PER_ENDPOINT


def _next(candidates: Sequence[_Candidate], places: Counter[uuid.UUID], room: int) -> _Candidate | None:
    """The endpoint that gets the next place: of the project with the fewest places, the endpoint with the fewest."""
    may = [one for one in candidates if one.in_use + one.given < one.most and places[one.project] < room]
    return min(may, key=lambda one: (places[one.project], one.in_use + one.given), default=None)


def _due(*, now: datetime) -> Any:
    return WebhookDelivery.objects.filter(is_free(now), due_at__lte=now)


def _leased(*, now: datetime) -> Any:
    return WebhookDelivery.objects.filter(lease_expires_at__gt=now).order_by()

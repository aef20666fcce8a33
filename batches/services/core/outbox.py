"""outbox: write the deliveries of an event of a batch, in the transaction of the event. The engine sends them afterwards.

An event that was committed is delivered, whatever is killed; an event that was rolled back is not. Where a project has no
receivers, an event costs one query.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
from django.db.models import Exists, OuterRef, QuerySet
from uuid_utils.compat import uuid7

from batches.models import Batch, EventType, WebhookDelivery, WebhookEndpoint
from batches.models.webhook import OF_ENDS
from batches.rules import identifiers
from batches.rules.states import Act, BatchStatus
from batches.services.core import wake

OF_STATUS = {
    BatchStatus.COMPLETED: EventType.COMPLETED,
    BatchStatus.FAILED: EventType.FAILED,
    BatchStatus.EXPIRED: EventType.EXPIRED,
    BatchStatus.CANCELLED: EventType.CANCELLED,
}
# Why a batch needs attention, as the event says it.
PAUSED, AT_RISK, BLOCKED = "paused_by_guard", "at_risk", "blocked"
QUIET = timedelta(hours=1)  # a state that comes and goes is told once in this time


def announce_entry(batch: Batch, *, entry: uuid.UUID, origin: BatchStatus | None, act: Act | None, now: datetime) -> None:
    """Tell receivers of an entry of the batch's timeline, if it is an event. The event has the id of the entry."""
    if origin is None:
        _announce(batch, EventType.CREATED, event_id=entry, now=now)
    elif batch.status != origin and batch.is_terminal:
        _announce(batch, OF_STATUS[BatchStatus(batch.status)], event_id=entry, now=now)
    elif act == Act.GUARDED:
        _announce(batch, EventType.NEEDS_ATTENTION, event_id=entry, now=now, reason=PAUSED)


def announce_attention(batches: QuerySet[Batch], *, reason: str, now: datetime) -> None:
    """Tell receivers that these batches have come to need attention. A batch that was told of within QUIET is left out."""
    told = WebhookDelivery.objects.filter(batch=OuterRef("pk"), type=EventType.NEEDS_ATTENTION, created_at__gt=now - QUIET)
    found = list(batches.filter(has_receivers(), ~Exists(told)))
    by_project = _receivers(batch.project_id for batch in found)
    _write(
        delivery
        for batch in found
        for delivery in _deliveries(
            batch, EventType.NEEDS_ATTENTION, by_project[batch.project_id], event_id=uuid7(), now=now, reason=reason
        )
    )


def has_receivers() -> Exists:
    """The condition of a batch whose project has receivers."""
    return Exists(WebhookEndpoint.objects.filter(project=OuterRef("project"), enabled=True))


def _announce(batch: Batch, event_type: EventType, *, event_id: uuid.UUID, now: datetime, reason: str = "") -> None:
    """Tell receivers of one event."""
    receivers = _receivers([batch.project_id])[batch.project_id]
    _write(_deliveries(batch, event_type, receivers, event_id=event_id, now=now, reason=reason))


def _receivers(projects: Iterable[uuid.UUID]) -> Mapping[uuid.UUID, Sequence[WebhookEndpoint]]:
    """The enabled endpoints of some projects."""
    found: defaultdict[uuid.UUID, list[WebhookEndpoint]] = defaultdict(list)
    enabled = WebhookEndpoint.objects.filter(project__in=set(projects), enabled=True).order_by()
    for endpoint in enabled.only("project", "url", "event_types"):
        found[endpoint.project_id].append(endpoint)
    return found


def _deliveries(
    batch: Batch,
    event_type: EventType,
    receivers: Iterable[WebhookEndpoint],
    *,
    event_id: uuid.UUID,
    now: datetime,
    reason: str,
) -> Iterator[WebhookDelivery]:
    """A delivery of an event for each of its receivers: the endpoints that ask for it and, at its end, the `callback_url`."""
    body = event_body(event_id, event_type, str(batch), now=now, reason=reason)
    for endpoint in receivers:
        if endpoint.is_callbacks:
            url = batch.callback_url if event_type in OF_ENDS else ""
        else:
            url = endpoint.url if event_type.value in endpoint.event_types else ""
        if url:
            yield WebhookDelivery(
                endpoint=endpoint,
                project_id=batch.project_id,
                batch=batch,
                event_id=event_id,
                type=event_type,
                url=url,
                body=body,
                due_at=now,
                created_at=now,
            )


def _write(deliveries: Iterable[WebhookDelivery]) -> None:
    """Write deliveries, and wake a worker for them. Must be called in the transaction of their event."""
    if WebhookDelivery.objects.bulk_create(deliveries, batch_size=500):
        wake.notify()


def event_body(event_id: uuid.UUID, event_type: EventType, subject: str, *, now: datetime, reason: str = "") -> bytes:
    """An event in OpenAI's form. `subject` is the id of its batch, and `reason` why the batch needs attention."""
    data = {"id": subject, "reason": reason} if reason else {"id": subject}
    event = {
        "id": identifiers.render("evt_", event_id),
        "object": "event",
        "created_at": int(now.timestamp()),
        "type": event_type.value,
        "data": data,
    }
    return msgspec.json.encode(event)

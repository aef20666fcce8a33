"""outbox: write who is told of an event of a batch, in the transaction of the event. The engine sends it afterwards.

Endpoints of webhooks get deliveries, and the subscriptions of people get notices. An event that was committed is told, whatever
is killed; an event that was rolled back is not. Where nobody is to be told, an event costs two queries.
"""

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
from django.db.models import Exists, OuterRef, Q, QuerySet
from uuid_utils.compat import uuid7

from batches.models import Batch, EventType, Notice, Subscription, WebhookDelivery, WebhookEndpoint
from batches.models.subscription import due_time
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
    """Tell of an entry of the batch's timeline, if it is an event. The event has the id of the entry."""
    if origin is None:
        _announce(batch, EventType.CREATED, event_id=entry, now=now)
    elif batch.status != origin and batch.is_terminal:
        _announce(batch, OF_STATUS[BatchStatus(batch.status)], event_id=entry, now=now)
    elif act == Act.GUARDED:
        _announce(batch, EventType.NEEDS_ATTENTION, event_id=entry, now=now, reason=PAUSED)


def announce_attention(batches: QuerySet[Batch], *, reason: str, now: datetime) -> None:
    """Tell that these batches have come to need attention. A batch that was told of within QUIET is left out."""
    of_batch = {"batch": OuterRef("pk"), "type": EventType.NEEDS_ATTENTION, "created_at__gt": now - QUIET}
    told = Exists(WebhookDelivery.objects.filter(**of_batch)) | Exists(Notice.objects.filter(**of_batch))
    found = list(batches.filter(has_receivers(), ~told))
    _tell([(batch, uuid7()) for batch in found], EventType.NEEDS_ATTENTION, now=now, reason=reason)


def has_receivers() -> Q:
    """The condition of a batch of which anybody may want to be told: an endpoint of its project, or any subscription."""
    endpoints = WebhookEndpoint.objects.filter(project=OuterRef("project"), enabled=True)
    return Q(Exists(endpoints)) | Q(Exists(Subscription.objects.filter(enabled=True)))


def _announce(batch: Batch, event_type: EventType, *, event_id: uuid.UUID, now: datetime, reason: str = "") -> None:
    """Tell of one event."""
    _tell([(batch, event_id)], event_type, now=now, reason=reason)


def _tell(events: Sequence[tuple[Batch, uuid.UUID]], event_type: EventType, *, now: datetime, reason: str) -> None:
    """Write the deliveries and the notices of an event of each batch, and wake a worker for them.

    Must be called in the transaction of the events.
    """
    if not events:
        return
    projects = {batch.project_id for batch, _ in events}
    receivers, subscribers = _receivers(projects), _subscribers(projects, event_type)
    deliveries = WebhookDelivery.objects.bulk_create(
        (
            delivery
            for batch, event_id in events
            for delivery in _deliveries(batch, event_type, receivers[batch.project_id], event_id=event_id, now=now, reason=reason)
        ),
        batch_size=500,
    )
    notices = Notice.objects.bulk_create(
        (
            Notice(
                subscription_id=subscription,
                batch=batch,
                type=event_type,
                reason=reason,
                due_at=due_time(frequency, now=now),
                created_at=now,
            )
            for batch, _ in events
            for subscription, frequency in subscribers[batch.project_id].items()
        ),
        batch_size=500,
    )
    if deliveries or notices:
        wake.notify()


def _receivers(projects: Collection[uuid.UUID]) -> Mapping[uuid.UUID, Sequence[WebhookEndpoint]]:
    """The enabled endpoints of some projects."""
    found: defaultdict[uuid.UUID, list[WebhookEndpoint]] = defaultdict(list)
    enabled = WebhookEndpoint.objects.filter(project__in=projects, enabled=True).order_by()
    for endpoint in enabled.only("project", "url", "event_types"):
        found[endpoint.project_id].append(endpoint)
    return found


def _subscribers(projects: Collection[uuid.UUID], event_type: EventType) -> Mapping[uuid.UUID, Mapping[uuid.UUID, str]]:
    """The subscriptions that want an event of each project, with how often they are told.

    Their owners may read the project now. This is checked again when they are told.
    """
    chosen = Q(every_project=True) | Q(projects__in=projects)
    may_read = Q(owner__is_superuser=True) | Q(owner__memberships__project__in=projects)
    wanted = Subscription.objects.filter(chosen, may_read, enabled=True, owner__is_active=True).order_by()
    found: defaultdict[uuid.UUID, dict[uuid.UUID, str]] = defaultdict(dict)
    for pk, types, frequency, every, one, is_superuser, own in wanted.values_list(
        *("pk", "event_types", "frequency", "every_project", "projects"),
        *("owner__is_superuser", "owner__memberships__project"),
    ):
        if event_type.value in types:
            for project in projects:
                if (every or one == project) and (is_superuser or own == project):
                    found[project][pk] = frequency
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

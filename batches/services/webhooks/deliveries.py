"""deliveries: what a person asks to be sent to an endpoint: a test, or an event once more."""

from datetime import datetime

from django.db import transaction
from uuid_utils.compat import uuid7

from batches.models import DeliveryStatus, EventType, WebhookDelivery, WebhookEndpoint
from batches.rules import identifiers
from batches.rules.actors import Actor
from batches.rules.errors import Conflict, InProgress, InvalidRequest
from batches.services.core import wake
from batches.services.core.audit import record_act
from batches.services.core.lease import is_free
from batches.services.core.outbox import event_body


@transaction.atomic
def send_test(
    endpoint: WebhookEndpoint, *, actor: Actor, now: datetime, event_type: str = EventType.COMPLETED
) -> WebhookDelivery:
    """Send an event of a batch that does not exist. It is tried once.

    Raises InvalidRequest for an unknown type, and Conflict for an endpoint that is disabled or has no URL of its own.
    """
    if event_type not in EventType.values:
        known = ", ".join(EventType.values)
        raise InvalidRequest(f"There is no event type {event_type[:50]!r}; there are {known}.", param="event_type")
    _require_enabled(endpoint)
    if endpoint.is_callbacks:
        raise Conflict("Callback URLs belong to batches. There is no URL to test.")
    event_id, subject = uuid7(), identifiers.render("batch_", uuid7())
    delivery = WebhookDelivery.objects.create(
        endpoint=endpoint,
        project_id=endpoint.project_id,
        event_id=event_id,
        type=event_type,
        url=endpoint.url,
        body=event_body(event_id, EventType(event_type), subject, now=now),
        due_at=now,
        created_at=now,
    )
    record_act("test_webhook", actor=actor, now=now, target=endpoint, project=endpoint.project, reason=f"{event_type}.")
    wake.notify()
    return delivery


@transaction.atomic
def redeliver(delivery: WebhookDelivery, *, actor: Actor, now: datetime) -> WebhookDelivery:
    """Send an event to its endpoint once more, with the same id and body. A delivery that waits is tried at once.

    Otherwise the event gets a new delivery, with tries of its own. Raises Conflict for a disabled endpoint, and InProgress
    while the delivery is being sent.
    """
    endpoint = delivery.endpoint
    _require_enabled(endpoint)
    found = WebhookDelivery.objects.filter(pk=delivery.pk)
    if delivery.status == DeliveryStatus.WAITING:
        if not found.filter(is_free(now), status=DeliveryStatus.WAITING).update(due_at=now):
            raise InProgress("The delivery is being sent just now.")
        delivery.refresh_from_db()
        again = delivery
    else:
        again = WebhookDelivery.objects.create(
            endpoint=endpoint,
            project_id=delivery.project_id,
            batch_id=delivery.batch_id,
            event_id=delivery.event_id,
            type=delivery.type,
            url=endpoint.url or delivery.url,
            body=delivery.body,
            due_at=now,
            created_at=now,
            redelivery_of=delivery,
        )
    about = f"{delivery.type} {delivery.wire_id}."
    record_act("redeliver_webhook", actor=actor, now=now, target=endpoint, project=endpoint.project, reason=about)
    wake.notify()
    return again


def _require_enabled(endpoint: WebhookEndpoint) -> None:
    if not WebhookEndpoint.objects.filter(pk=endpoint.pk, enabled=True).exists():
        raise Conflict("The endpoint is disabled: enable it first.")

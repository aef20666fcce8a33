"""Webhook endpoints and deliveries in every state, made as the services of webhooks leave them."""

from typing import Any

from django.utils import timezone
from uuid_utils.compat import uuid7

from batches.models import Batch, DeliveryStatus, EventType, Project, WebhookDelivery, WebhookEndpoint
from batches.services.core.outbox import event_body
from batches.services.webhooks.signing import new_secret
from providers.secrets.secrecy import sealed_credential

URL = "https://receiver.example/hooks"


def make_endpoint(project: Project, **columns: Any) -> WebhookEndpoint:
    """An endpoint of a project. Nothing is recorded about it."""
    now, secret = timezone.now(), new_secret()
    defaults: dict[str, Any] = {"url": URL, "created_at": now, "updated_at": now, "secret_hint": secret[-4:]}
    return WebhookEndpoint.objects.create(
        **{"project": project, "secret_encrypted": sealed_credential(secret), **defaults, **columns}
    )


def make_delivery(endpoint: WebhookEndpoint, *, batch: Batch | None = None, **columns: Any) -> WebhookDelivery:
    """A delivery to an endpoint, which waits; of a test unless it is of a batch."""
    now, event_id = timezone.now(), uuid7()
    event_type = EventType(columns.pop("type", EventType.COMPLETED))
    status = columns.get("status", DeliveryStatus.WAITING)
    defaults: dict[str, Any] = {
        "url": endpoint.url or URL,
        "body": event_body(event_id, event_type, str(batch or "batch_0"), now=now),
        "created_at": now,
        "due_at": now if status == DeliveryStatus.WAITING else None,
        "delivered_at": now if status == DeliveryStatus.DELIVERED else None,
    }
    return WebhookDelivery.objects.create(
        **{
            "endpoint": endpoint,
            "project_id": endpoint.project_id,
            "batch": batch,
            "event_id": event_id,
            "type": event_type,
            **defaults,
            **columns,
        }
    )


def endpoint_of(project: Project) -> WebhookEndpoint:
    """An endpoint of a project: the one that is there, else a new one."""
    return WebhookEndpoint.objects.filter(project=project).exclude(url="").first() or make_endpoint(project)


def delivery_of(batch: Batch) -> WebhookDelivery:
    """A delivery of an event of a batch: the one that is there, else a new one."""
    return WebhookDelivery.objects.filter(batch=batch).first() or make_delivery(endpoint_of(batch.project), batch=batch)

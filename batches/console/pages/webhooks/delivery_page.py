"""The page of one delivery of a webhook: what was sent, what the receiver answered; and sending it again."""

import uuid

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from batches.console.drawing.pretty import indent
from batches.console.kit.access import SignedIn, actor, find, requires
from batches.console.kit.live import respond
from batches.console.pages.webhooks.badges import delivery_badge, delivery_rows, endpoint_badge, named
from batches.models import DeliveryStatus, WebhookDelivery
from batches.models.webhook import WEBHOOK_ANSWER_CHARS
from batches.rules.errors import Conflict
from batches.services.core.access import Right
from batches.services.webhooks.deliveries import redeliver

MOST_SIBLINGS = 20


def find_delivery(request: SignedIn, delivery_id: uuid.UUID) -> WebhookDelivery:
    """The delivery that the address names. Raises NotFound and NotPermitted."""
    deliveries = WebhookDelivery.objects.select_related("endpoint__project", "project", "batch__input_file")
    return find(request, deliveries, pk=delivery_id)


@require_safe
@requires(Right.READ)
def delivery_page(request: SignedIn, delivery_id: uuid.UUID) -> HttpResponseBase:
    """One delivery. Who may not read bodies does not see the body of the answer."""
    delivery = find_delivery(request, delivery_id)
    of_batch = WebhookDelivery.objects.filter(batch=delivery.batch_id) if delivery.batch_id else WebhookDelivery.objects.none()
    same = of_batch.filter(endpoint=delivery.endpoint, event_id=delivery.event_id).exclude(pk=delivery.pk)
    context: dict[str, object] = {
        "delivery": delivery,
        "endpoint": delivery.endpoint,
        "standing": delivery_badge(delivery),
        "endpoint_standing": endpoint_badge(delivery.endpoint),
        "live": delivery.status == DeliveryStatus.WAITING,
        "sent": indent(bytes(delivery.body).decode(errors="replace")),
        "may_read": request.access.may(Right.READ_BODIES, delivery.project_id),
        "may_send": request.access.may(Right.ACT, delivery.project_id) and delivery.endpoint.enabled,
        "answer_chars": WEBHOOK_ANSWER_CHARS,
        "siblings": delivery_rows(named(same).order_by("-created_at", "-pk")[:MOST_SIBLINGS]),
    }
    return respond(request, "console/webhook_delivery.html", regions="console/webhook_delivery_regions.html", context=context)


@require_POST
@requires(Right.ACT)
def send_again(request: SignedIn, delivery_id: uuid.UUID) -> HttpResponseBase:
    """Send the event once more, and lead to the delivery that does it."""
    delivery = find_delivery(request, delivery_id)
    try:
        again = redeliver(delivery, actor=actor(request), now=timezone.now())
    except Conflict as error:
        messages.error(request, error.message)
        return redirect("console:webhook_delivery", delivery.pk)
    messages.success(request, "The event is sent as soon as a worker is free.")
    return redirect("console:webhook_delivery", again.pk)

"""old_deliveries: the deliveries of a project's webhooks that are over and old enough to go, and batches that wait for others."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from batches.models import DeliveryStatus, Project, WebhookDelivery, WebhookEndpoint
from batches.services.core.lease import is_free


def old_deliveries(project: Project, *, oldest: datetime, now: datetime) -> "QuerySet[WebhookDelivery]":
    """The deliveries whose last try was before `oldest`, and that are never tried again.

    A delivery that is still due is none of them, however old it is. One that waits for a disabled endpoint is over when
    WEBHOOK_RETRY_HOURS have passed, because it would have been given up by then. Nothing is sent to an endpoint that is gone.
    """
    given_up = now - timedelta(hours=settings.WEBHOOK_RETRY_HOURS)
    endpoint = WebhookEndpoint.objects.filter(pk=OuterRef("endpoint"))
    is_over = ~Q(status=DeliveryStatus.WAITING) | Q(due_at=None, created_at__lte=given_up) | ~Exists(endpoint)
    # What was tried before then was created before then: the index of the project finds the oldest first.
    found = WebhookDelivery.objects.filter(is_free(now), is_over, project=project, created_at__lte=oldest)
    return found.filter(Q(sent_at=None) | Q(sent_at__lte=oldest))


def is_to_be_told(*, now: datetime) -> Exists:
    """The condition of batches of which a receiver is still to be told. The tries of a delivery end WEBHOOK_RETRY_HOURS later."""
    given_up = now - timedelta(hours=settings.WEBHOOK_RETRY_HOURS)
    return Exists(WebhookDelivery.objects.filter(batch=OuterRef("pk"), due_at__isnull=False, created_at__gt=given_up))

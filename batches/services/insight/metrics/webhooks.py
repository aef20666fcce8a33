"""webhooks: the deliveries that wait, and how endpoints stand."""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Count, Q
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from batches.models import WebhookDelivery, WebhookEndpoint


def webhooks(_now: datetime) -> Iterator[Metric]:
    """The backlog of deliveries, and the endpoints by how they stand."""
    backlog = GaugeMetricFamily(
        "batchyard_webhook_deliveries_waiting",
        "Deliveries of webhooks that are to be sent: those that were not tried yet (new), and those that failed (failed).",
        labels=["tried"],
    )
    waiting = WebhookDelivery.objects.filter(due_at__isnull=False).order_by()
    found = waiting.aggregate(new=Count("pk", filter=Q(attempts=0)), failed=Count("pk", filter=Q(attempts__gt=0)))
    for tried, number in found.items():
        backlog.add_metric([tried], number)
    yield backlog
    endpoints = GaugeMetricFamily(
        "batchyard_webhook_endpoints",
        "Webhook endpoints that take events (working), whose last try failed (failing), that the portal gave up (given_up), and"
        " that a person disabled (disabled).",
        labels=["state"],
    )
    standing = {
        "working": Q(enabled=True, failing_since=None),
        "failing": Q(enabled=True, failing_since__isnull=False),
        "given_up": Q(enabled=False, failing_since__isnull=False),
        "disabled": Q(enabled=False, failing_since=None),
    }
    counts = {state: Count("pk", filter=condition) for state, condition in standing.items()}
    for state, number in WebhookEndpoint.objects.order_by().aggregate(**counts).items():
        endpoints.add_metric([state], number)
    yield endpoints

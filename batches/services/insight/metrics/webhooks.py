"""webhooks: the deliveries and notices that wait, and how endpoints and subscriptions stand."""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Count, Q, QuerySet
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from batches.models import Notice, Subscription, WebhookDelivery, WebhookEndpoint

# How a receiver of events stands: an endpoint, or a subscription.
STANDING = {
    "working": Q(enabled=True, failing_since=None),
    "failing": Q(enabled=True, failing_since__isnull=False),
    "given_up": Q(enabled=False, failing_since__isnull=False),
    "disabled": Q(enabled=False, failing_since=None),
}


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
    _add(endpoints, WebhookEndpoint.objects.all())
    yield endpoints


def notices(now: datetime) -> Iterator[Metric]:
    """The backlog of notices, and the subscriptions by how they stand."""
    due = Notice.objects.filter(due_at__lte=now, subscription__enabled=True)
    yield GaugeMetricFamily("batchyard_notices_waiting", "Notices to people that are due and not sent yet.", value=due.count())
    subscriptions = GaugeMetricFamily(
        "batchyard_notice_subscriptions",
        "Subscriptions to notices that are told of events (working), whose last try failed (failing), that the portal gave up"
        " (given_up), and that a person paused (disabled).",
        labels=["state"],
    )
    _add(subscriptions, Subscription.objects.all())
    yield subscriptions


def _add(family: GaugeMetricFamily, receivers: "QuerySet[WebhookEndpoint] | QuerySet[Subscription]") -> None:
    counts = {state: Count("pk", filter=condition) for state, condition in STANDING.items()}
    for state, number in receivers.order_by().aggregate(**counts).items():
        family.add_metric([state], number)

"""outcomes: record what came of a try, and disable endpoints that no longer take anything."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from batches.models import DeliveryStatus, WebhookDelivery, WebhookEndpoint
from batches.models.webhook import WEBHOOK_ANSWER_CHARS, WEBHOOK_TEXT_CHARS
from batches.rules.actors import ENGINE
from batches.rules.errors import LostRace
from batches.services.webhooks.due import write
from batches.services.webhooks.endpoints import disable
from batches.services.webhooks.retries import next_try
from batches.services.webhooks.signing import signed_headers
from providers.secrets.secrecy import opened

GONE = 410


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one try. Without a `failure` the receiver has the event. `retry_after` is its wish, in seconds."""

    took_ms: int
    http_status: int | None = None
    answer: str = ""
    failure: str = ""
    retry_after: float | None = None


def headers_of(delivery: WebhookDelivery, *, now: datetime) -> dict[str, str]:
    """The headers that sign a try. Raises CredentialUnavailable if this worker lacks the key of the endpoint's secret."""
    endpoint = delivery.endpoint
    kept = [endpoint.secret_encrypted]
    if endpoint.has_former_secret(now=now):
        kept.append(endpoint.former_secret_encrypted)
    secrets = [opened(bytes(secret)) for secret in kept]
    return signed_headers(delivery.wire_id, bytes(delivery.body), secrets=secrets, timestamp=int(now.timestamp()))


@transaction.atomic
def record(delivery: WebhookDelivery, tried: Tried, *, now: datetime) -> None:
    """Record a try under the lease of its delivery, and give the lease back. Raises LostRace; then nothing is written."""
    # The endpoint is locked before its delivery, as everywhere: two transactions must not wait for each other.
    endpoint = WebhookEndpoint.objects.select_for_update(of=("self",), no_key=True).filter(pk=delivery.endpoint_id).first()
    if endpoint is None:
        raise LostRace  # it was removed meanwhile, with its deliveries
    changes: dict[str, Any] = {
        "url": url_of(delivery),
        "attempts": delivery.attempts + 1,
        "http_status": tried.http_status,
        "answer": tried.answer.replace("\0", "")[:WEBHOOK_ANSWER_CHARS],
        "failure": tried.failure[:WEBHOOK_TEXT_CHARS],
        "took_ms": tried.took_ms,
        "sent_at": now,
    }
    if not tried.failure:
        write(delivery, **changes, status=DeliveryStatus.DELIVERED, delivered_at=now, due_at=None)
        _note_failing(endpoint, since=None)
        return
    again = _next_try(delivery, tried, now=now)
    status = DeliveryStatus.GIVEN_UP if again is None else DeliveryStatus.WAITING
    write(delivery, **changes, status=status, due_at=again if endpoint.enabled else None)
    if not endpoint.enabled:
        return
    _note_failing(endpoint, since=endpoint.failing_since or now)
    if reason := _why_disabled(endpoint, tried, now=now):
        disable(endpoint, reason=reason, actor=ENGINE, now=now)


def url_of(delivery: WebhookDelivery) -> str:
    """Where a delivery is sent: the present URL of its endpoint, or the callback URL of its batch."""
    return delivery.endpoint.url or delivery.url


def _note_failing(endpoint: WebhookEndpoint, *, since: datetime | None) -> None:
    if endpoint.failing_since != since:
        endpoint.failing_since = since
        endpoint.save(update_fields=["failing_since"])


def _next_try(delivery: WebhookDelivery, tried: Tried, *, now: datetime) -> datetime | None:
    """When the delivery is tried again. A test is tried once, and what is gone stays gone."""
    if delivery.is_test or tried.http_status == GONE:
        return None
    until = delivery.created_at + timedelta(hours=settings.WEBHOOK_RETRY_HOURS)
    return next_try(attempts=delivery.attempts + 1, now=now, until=until, retry_after=tried.retry_after)


def _why_disabled(endpoint: WebhookEndpoint, tried: Tried, *, now: datetime) -> str:
    """The reason to send nothing more to an endpoint; empty if there is none. Callback URLs are many: none stands for all."""
    if endpoint.is_callbacks or endpoint.failing_since is None:
        return ""
    if tried.http_status == GONE:
        return "The receiver answered 410: it is gone."
    if endpoint.failing_since <= now - timedelta(days=settings.WEBHOOK_DISABLE_AFTER_DAYS):
        return f"Nothing was delivered for {settings.WEBHOOK_DISABLE_AFTER_DAYS:g} days. The last failure: {tried.failure}"
    return ""

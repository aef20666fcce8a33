"""provider_health: note the health of providers and models, for everybody to see."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, transaction

from batches.models import ProviderHealth
from batches.models.provider_health import DIGESTED
from batches.models.worker import ALIVE_FOR
from providers.models import Provider

_NOTED = (
    *("concurrency", "in_use", "limited_until", "limited_reason", "breaker", "breaker_until", "breaker_reason"),
    *("breaker_kind", "in_flight", "oldest_sent_at", "answered_at", "failed_in_a_row"),
    *("recent_calls", "recent_succeeded", "recent_refused", "recent_unanswered"),
    *("hold_kind", "held_since", "hold_strikes", "probe_at", "updated_at"),
)


def note_health(found: Sequence[ProviderHealth], *, now: datetime) -> None:
    """Replace the noted health of these providers and models.

    A model that no operator has configured has a row only while it is held or limited, because clients choose such names.
    """
    for health in found:
        health.updated_at = now
    passing = [health for health in found if health.model.startswith(DIGESTED) and not health.has_news]
    for health in passing:
        ProviderHealth.objects.filter(provider=health.provider_id, model=health.model).delete()
    rows = sorted(
        [health for health in found if health not in passing], key=lambda health: (health.provider_id, health.model)
    )  # every writer uses this order, so that no deadlock arises
    try:
        with transaction.atomic():
            ProviderHealth.objects.bulk_create(
                rows, update_conflicts=True, unique_fields=["provider", "model"], update_fields=_NOTED
            )
    except IntegrityError:
        return  # one of them has just been removed


def note_opening(row: ProviderHealth, *, now: datetime) -> None:
    """Note that an executor begins to use a provider. What other executors noted a moment ago stays, because it is still true."""
    lately = ProviderHealth.objects.filter(provider=row.provider_id, model=row.model, updated_at__gt=now - ALIVE_FOR)
    if not lately.update(updated_at=now):
        note_health([row], now=now)


def worked_since(provider_id: uuid.UUID, since: datetime) -> bool:
    """Whether a request may have been sent to a provider since this time."""
    return ProviderHealth.objects.filter(provider=provider_id, model="", updated_at__gte=since).exists()


def ask_for_probe(provider: Provider, *, now: datetime) -> None:
    """Order the executors to send a probe to a provider that is held, or whose breaker is open. They see it within seconds."""
    rows = ProviderHealth.objects.filter(provider=provider)
    rows.filter(model="").update(probe_asked_at=now)
    rows.exclude(hold_kind="").update(probe_at=now)
    rows.filter(breaker_until__gt=now).update(breaker_until=now)


def ask_to_resume(provider: Provider, *, now: datetime) -> bool:
    """Order the executors to end the holds of a provider and its models, and its breaker's wait. Return whether it waited."""
    rows = ProviderHealth.objects.filter(provider=provider)
    if not rows.exclude(hold_kind="", breaker=ProviderHealth.Breaker.CLOSED).exists():
        return False
    rows.update(resumed_at=now, hold_kind="", held_since=None, hold_strikes=0, probe_at=None)
    rows.filter(breaker_until__gt=now).update(breaker_until=now)
    return True

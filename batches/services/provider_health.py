"""provider_health: note how providers are doing, for everybody who wants to see it."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, transaction

from batches.models import ProviderHealth

_NOTED = (
    *("concurrency", "in_use", "limited_until", "limited_reason", "breaker", "breaker_until", "breaker_reason"),
    "updated_at",
)


def note_health(found: Sequence[ProviderHealth], *, now: datetime) -> None:
    """Note how these providers and models are doing just now, instead of what was noted before."""
    for health in found:
        health.updated_at = now
        health.limited_reason, health.breaker_reason = health.limited_reason[:200], health.breaker_reason[:200]
    rows = sorted(found, key=lambda health: (health.provider_id, health.model))  # in one order: nobody waits in a circle
    try:
        with transaction.atomic():
            ProviderHealth.objects.bulk_create(
                rows, update_conflicts=True, unique_fields=["provider", "model"], update_fields=_NOTED
            )
    except IntegrityError:
        return  # one of them has just been removed


def worked_since(provider_id: uuid.UUID, since: datetime) -> bool:
    """Whether anything may have been sent to a provider since then."""
    return ProviderHealth.objects.filter(provider=provider_id, model="", updated_at__gte=since).exists()

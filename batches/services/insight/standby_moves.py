"""Moves to a standby: what the rule did lately for providers that were down, as a reader may know of it."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from batches.models import AuditEntry
from batches.services.core.access import Access
from providers.models import Provider

MOVE_TO_STANDBY = "move_to_standby"  # the act's name in audit entries
SHOWN_FOR = timedelta(hours=24)
MOST_SHOWN = 5


def standby_moves(access: Access, providers: Iterable[Provider], *, now: datetime) -> list[AuditEntry]:
    """The latest moves from these providers, of batches of the reader's projects. No query if no provider has a standby."""
    names = [str(provider.pk) for provider in providers if provider.standby_id]
    if not names:
        return []
    entries = AuditEntry.objects.filter(target_id__in=names, act=MOVE_TO_STANDBY, created_at__gte=now - SHOWN_FOR)
    return list(access.within(entries)[:MOST_SHOWN])

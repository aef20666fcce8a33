"""block: note that a worker cannot carry out some batches as it is set up. The fault is the worker's, not the batches'."""

import uuid
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from batches.models import Batch, Slice
from batches.services.core.conditions import NOT_BLOCKED
from batches.services.core.outbox import BLOCKED, announce_attention, has_receivers

BLOCKED_FOR = timedelta(seconds=15)  # a block ends after this time unless it is noted again


def block_batch(batch_id: uuid.UUID, *, reason: str, now: datetime) -> None:
    """Note that a worker cannot carry out this batch."""
    _block(reason, now, pk=batch_id)


def block_provider(provider_id: uuid.UUID, *, reason: str, now: datetime) -> None:
    """Note that a worker cannot carry out any batch at this provider."""
    _block(reason, now, provider=provider_id)


def _block(reason: str, now: datetime, **which: uuid.UUID) -> None:
    """Note the reason on the open batches without a leased slice: a batch that another worker carries out is not blocked.

    Receivers are told of those that were not blocked until now.
    """
    worked_on = Slice.objects.filter(batch=OuterRef("pk"), lease_owner__isnull=False, lease_expires_at__gt=now)
    idle = Batch.objects.filter(~Exists(worked_on), ended_at=None, paused_at=None, **which)
    with transaction.atomic():
        unblocked = idle.filter(Q(blocked_until=None) | Q(blocked_until__lte=now), has_receivers())
        told = list(unblocked.select_for_update(of=("self",), no_key=True).order_by("pk").values_list("pk", flat=True))
        idle.update(blocked_until=now + BLOCKED_FOR, blocked_reason=reason[:300])
        if told:
            announce_attention(Batch.objects.filter(pk__in=told), reason=BLOCKED, now=now)


def unblock(batch: Batch) -> None:
    """Note that a worker can carry out this batch."""
    if batch.blocked_until is not None:
        Batch.objects.filter(pk=batch.pk).update(**NOT_BLOCKED)
        batch.blocked_until, batch.blocked_reason = None, ""

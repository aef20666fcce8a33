"""enforce_guards: pause the batches that exceeded one of their guards. Called after every settle, and by the beat."""

import logging
import uuid
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime

from django.db import InterfaceError, OperationalError
from django.db.models import Q

from batches.models import Batch, BatchErrorGroup, Counts, Slice, load_counts
from batches.rules.actors import GUARD
from batches.rules.states import Act, BatchStatus
from batches.services.control.pause import pause
from batches.services.core.amend import NotRunning
from batches.services.policy.guards import GUARDS, guards_of, over_budget, too_many_failures

logger = logging.getLogger(__name__)

SAMPLE_CHARS = 200
_LIMITS = [name for name in GUARDS if name.startswith("max_")]
_GUARDED = Q(*((f"{owner}{name}__isnull", False) for owner in ("", "provider__") for name in _LIMITS), _connector=Q.OR)


def enforce_guards(*, now: datetime, among: Collection[uuid.UUID] | None = None) -> frozenset[uuid.UUID]:
    """Pause every running batch that exceeded one of its guards, and return their ids.

    Only batches of `among` are checked, or else all batches with a leased slice: other batches have no new outcomes.
    """
    running = Batch.objects.filter(_GUARDED, status=BatchStatus.IN_PROGRESS, paused_at=None)
    if among is None:
        running = running.filter(pk__in=Slice.objects.filter(lease_owner__isnull=False).values("batch"))
    else:
        running = running.filter(pk__in=among)
    batches = list(running.select_related("provider"))
    load_counts(batches)
    return frozenset(batch.pk for batch in batches if _is_paused(batch, now=now))


def _is_paused(batch: Batch, *, now: datetime) -> bool:
    """Check the guards of one batch. Return whether it was paused. An error is logged, so that the other batches are checked."""
    try:
        return _enforce(batch, now=now)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        logger.exception("the guards of %s could not be looked at", batch)
        return False


def _enforce(batch: Batch, *, now: datetime) -> bool:
    guards, counts = guards_of(batch), batch.counts
    if not counts.pending:
        return False  # no object is left to hold back
    reason = over_budget(counts, guards)
    if reason is None and (reason := too_many_failures(counts, guards, acknowledged=_acknowledged(batch))):
        reason += _most_common_error(batch)
    if reason is None:
        return False
    with suppress(NotRunning):  # the batch ended meanwhile
        pause(batch, actor=GUARD, now=now, reason=reason, act=Act.GUARDED)
    return True


def _acknowledged(batch: Batch) -> Counts:
    """The counts of objects that had settled when the batch was last resumed."""
    settled, failed = batch.acknowledged_settled, batch.acknowledged_failed
    return Counts(total=settled, succeeded=settled - failed, failed=failed)


def _most_common_error(batch: Batch) -> str:
    """A sentence with the most common error of the batch."""
    groups = BatchErrorGroup.objects.filter(batch=batch).select_related("group").order_by("-count")
    most = groups.first()
    return f" Most: {most.group.code} {most.group.sample[:SAMPLE_CHARS]}" if most else ""

"""enforce_guards: pause the batches that passed one of their guards. Asked after every flush, and by the beat."""

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
    """Pause every running batch that passed one of its guards; which they were.

    Looks at the batches `among` these, else at all that somebody works on: others cannot have come any further.
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
    """Whether a guard has paused it; one that cannot be looked at keeps none of the others from that."""
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
        return False  # there is nothing left to stop
    reason = over_budget(counts, guards)
    if reason is None and (reason := too_many_failures(counts, guards, acknowledged=_acknowledged(batch))):
        reason += _most_common_error(batch)
    if reason is None:
        return False
    with suppress(NotRunning):  # it ended meanwhile
        pause(batch, actor=GUARD, now=now, reason=reason, act=Act.GUARDED)
    return True


def _acknowledged(batch: Batch) -> Counts:
    """What had settled when the batch was last resumed."""
    settled, failed = batch.acknowledged_settled, batch.acknowledged_failed
    return Counts(total=settled, succeeded=settled - failed, failed=failed)


def _most_common_error(batch: Batch) -> str:
    """A sentence with the error that most of the failed objects have."""
    groups = BatchErrorGroup.objects.filter(batch=batch).select_related("group").order_by("-count")
    most = groups.first()
    return f" Most: {most.group.code} {most.group.sample[:SAMPLE_CHARS]}" if most else ""

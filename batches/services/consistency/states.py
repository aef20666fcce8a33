"""Statuses against stamps, leases and time: no batch is stuck, and no column keeps a condition that is over."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q

from batches.models import Batch, Slice
from batches.rules.actors import RECONCILE
from batches.rules.errors import LostRace
from batches.rules.states import STAMPS, TERMINAL, BatchStatus
from batches.services.consistency.base import BatchesPage, Check, Found, NotMended
from batches.services.core.conditions import NOT_THROTTLED
from batches.services.lifecycle.expire import expire
from batches.services.lifecycle.finalize import finalize
from batches.services.lifecycle.result_writer import Inconsistent
from batches.services.lifecycle.validate import validate
from providers import registry

STUCK_AFTER = timedelta(minutes=5)  # within this time the beat wakes workers for a batch several hundred times


def _stuck(page: BatchesPage, now: datetime) -> Found:
    for batch in page.batches:
        if batch.is_terminal or (batch.lease_expires_at is not None and batch.lease_expires_at > now):
            continue
        overdue = batch.expires_at < now - STUCK_AFTER
        since = getattr(batch, STAMPS[BatchStatus(batch.status)])
        waited = since < now - STUCK_AFTER - timedelta(seconds=settings.CANCEL_GRACE_SECONDS)
        if batch.status == BatchStatus.IN_PROGRESS and overdue:
            yield batch, f"it runs, although its deadline was at {batch.expires_at:%Y-%m-%d %H:%M:%S}", None
        elif batch.status != BatchStatus.IN_PROGRESS and waited:
            yield batch, f"it is {batch.status} since {since:%Y-%m-%d %H:%M:%S}, and nobody works on it", None


def _go_on(batch: Batch, subject: Any, now: datetime) -> str:
    del subject
    origin = BatchStatus(batch.status)
    try:
        if origin == BatchStatus.VALIDATING and batch.expires_at > now:
            validate(batch.pk, now=now)
        elif origin in {BatchStatus.VALIDATING, BatchStatus.IN_PROGRESS}:
            expire(batch, actor=RECONCILE, now=now)
            finalize(batch.pk, now=now)
        else:
            finalize(batch.pk, now=now)
    except (Inconsistent, LostRace) as reason:
        raise NotMended(str(reason)) from reason
    batch.refresh_from_db()
    if batch.status == origin:
        raise NotMended(f"It is {origin} still.")
    return f"It was {origin}, and is {batch.status} now."


def _stamps(page: BatchesPage, now: datetime) -> Found:
    del now
    for batch in page.batches:
        others = [status for status in TERMINAL if status != batch.status and getattr(batch, STAMPS[status]) is not None]
        if others:
            yield batch, f"it is {batch.status}, and stamped as {', '.join(sorted(others))}", None
        elif batch.is_terminal and getattr(batch, STAMPS[BatchStatus(batch.status)]) != batch.ended_at:
            yield batch, "it ended at another time than it reached its status", None


def _stamp(batch: Batch, subject: Any, now: datetime) -> str:
    del subject, now
    changes: dict[str, Any] = {STAMPS[status]: None for status in TERMINAL if status != batch.status}
    if batch.is_terminal:
        changes["ended_at"] = getattr(batch, STAMPS[BatchStatus(batch.status)])
    Batch.objects.filter(pk=batch.pk, status=batch.status).update(**changes)
    return "Cleared the stamps of what it is not."


def _leases(page: BatchesPage, now: datetime) -> Found:
    by_id = page.by_id
    long_ago = now - STUCK_AFTER
    for batch in page.batches:
        if batch.lease_expires_at is not None and batch.lease_expires_at < long_ago:
            yield batch, f"it is leased, but the lease ended at {batch.lease_expires_at:%Y-%m-%d %H:%M:%S}", batch.lease_epoch
    old = Slice.objects.filter(batch__in=by_id, lease_expires_at__lt=long_ago).order_by("batch_id", "first_line")
    for pk, first_line, last_line in old.values_list("batch", "first_line", "last_line"):
        yield by_id[pk], f"lines {first_line} to {last_line} are leased, but the lease ended long ago", None


def _free(batch: Batch, subject: Any, now: datetime) -> str:
    del subject
    long_ago = Q(lease_expires_at__lt=now - STUCK_AFTER)
    # Slices are locked first, by their ids, and the batch last, as in settle, so that no deadlock arises.
    slices = list(batch.slices.select_for_update(of=("self",)).filter(long_ago).order_by("pk").values_list("pk", flat=True))
    freed = Slice.objects.filter(pk__in=slices).update(lease_owner=None, lease_expires_at=None)
    Batch.objects.filter(long_ago, pk=batch.pk).update(lease_owner=None, lease_expires_at=None)
    return f"Freed it and {freed} slices." if freed else "Freed it."


def _throttled(page: BatchesPage, now: datetime) -> Found:
    for batch in page.batches:
        if batch.throttled_until is not None and batch.throttled_until < now - STUCK_AFTER:
            yield batch, f"it was throttled until {batch.throttled_until:%Y-%m-%d %H:%M:%S}, which is over", None


def _release(batch: Batch, subject: Any, now: datetime) -> str:
    del subject
    over = Batch.objects.filter(pk=batch.pk, throttled_until__lt=now - STUCK_AFTER)
    over.update(**NOT_THROTTLED)
    return "Forgot that it was throttled."


def _adapters(page: BatchesPage, now: datetime) -> Found:
    del now
    for batch in page.batches:
        if not batch.is_terminal and batch.provider.adapter not in registry.ADAPTERS:
            yield batch, f"provider {batch.provider} needs the adapter {batch.provider.adapter!r}, and there is none", None


CHECKS = (
    Check("stuck", "A batch does not stay where it is for long while nobody works on it.", _stuck, go_on=_go_on),
    Check("stamps", "A batch is stamped with the status that it has, and ended when it reached it.", _stamps, _stamp),
    Check("stale_leases", "What is leased is worked on.", _leases, _free, unattended=True),
    Check("old_throttling", "A batch is not called throttled for long after it was.", _throttled, _release, unattended=True),
    Check("unknown_adapter", "Open batches are at providers that this version can speak to.", _adapters),
)

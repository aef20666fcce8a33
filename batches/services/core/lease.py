"""lease: the control work on a batch (validate, finalize) is done by one worker at a time."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Case, F, Q, When
from django.utils import timezone

from batches.models import Batch, BulkOperation, Slice, Worker
from batches.rules.errors import LostRace
from batches.rules.states import BatchStatus

LOST = Case(When(lease_owner__isnull=True, then=0), default=1)  # what a slice whose lease has ended adds to `lost_leases`
AGAIN_AFTER = timedelta(seconds=10)  # control work that failed: a full disk or a storage that is away may last


def lease_batch(
    batch_id: uuid.UUID, *, statuses: frozenset[BatchStatus], owner: uuid.UUID, now: datetime, among: Q | None = None
) -> Batch | None:
    """The batch, leased to `owner`; None when it is in another status, not `among` those, leased to somebody else, or gone."""
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lte=now)
    taken = Batch.objects.filter(free, among or Q(), pk=batch_id, status__in=statuses).update(
        lease_owner=owner, lease_epoch=F("lease_epoch") + 1, lease_expires_at=lease_end(now)
    )
    if not taken:
        return None
    leased = Batch.objects.select_related("project", "provider", "input_file")
    return leased.filter(pk=batch_id, status__in=statuses, lease_owner=owner).first()  # it may have moved on since


def hold(batch: Batch, *, more: timedelta = timedelta()) -> None:
    """Keep the lease; to be called inside the transaction of each write made under it.

    `more` is how much longer than usual the next step may take. Raises LostRace when the lease or the status it was
    taken in is gone: then the write must not happen.
    """
    held = Batch.objects.filter(pk=batch.pk, status=batch.status, lease_epoch=batch.lease_epoch)
    if not held.update(lease_expires_at=lease_end(timezone.now()) + more):
        raise LostRace


def release(batch: Batch) -> None:
    """Give the lease back, if it is still held."""
    Batch.objects.filter(pk=batch.pk, lease_epoch=batch.lease_epoch).update(lease_owner=None, lease_expires_at=None)


@contextmanager
def at_work(batch: Batch) -> Iterator[None]:
    """Give the lease back after the work. Work that fails keeps it for a moment, lest it be tried again every second.

    A LostRace ends the work without an error: whoever moved the batch, or took it over, goes on with it.
    """
    try:
        yield
    except LostRace:
        release(batch)
    except Exception:
        held = Batch.objects.filter(pk=batch.pk, lease_epoch=batch.lease_epoch)
        held.update(lease_expires_at=timezone.now() + AGAIN_AFTER)
        raise
    except BaseException:
        release(batch)
        raise
    else:
        release(batch)


def free_all() -> None:
    """Let go of every lease, and forget every worker: for a portal that starts and knows that nobody else runs."""
    Slice.objects.exclude(lease_owner=None).update(lost_leases=F("lost_leases") + 1)
    for leased in (Batch, Slice, BulkOperation):
        leased.objects.exclude(lease_expires_at=None).update(lease_owner=None, lease_expires_at=None)
    Worker.objects.all().delete()


def lease_end(now: datetime) -> datetime:
    """When a lease that is taken or renewed now ends."""
    return now + timedelta(seconds=settings.LEASE_SECONDS)

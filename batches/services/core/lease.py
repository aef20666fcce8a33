"""lease: only one worker at a time does the control work on a batch (validate, finalize)."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Case, F, Q, When
from django.utils import timezone

from batches.models import Batch, BulkOperation, Slice, Subscription, WebhookDelivery, Worker
from batches.rules.errors import LostRace
from batches.rules.states import BatchStatus
from batches.services.telemetry import log_context

LOST = Case(When(lease_owner__isnull=True, then=0), default=1)  # added to `lost_leases`: 1 if a lease ended unreleased
AGAIN_AFTER = timedelta(seconds=10)  # when failed control work is repeated; a full disk or an unreachable storage may last


def lease_batch(
    batch_id: uuid.UUID, *, statuses: frozenset[BatchStatus], owner: uuid.UUID, now: datetime, among: Q | None = None
) -> Batch | None:
    """Lease a batch to `owner`. None if it has another status, is not `among` those, is leased to another worker, or is gone."""
    taken = Batch.objects.filter(is_free(now), among or Q(), pk=batch_id, status__in=statuses).update(
        lease_owner=owner, lease_epoch=F("lease_epoch") + 1, lease_expires_at=lease_end(now)
    )
    if not taken:
        return None
    leased = Batch.objects.select_related("project", "provider", "input_file")
    return leased.filter(pk=batch_id, status__in=statuses, lease_owner=owner).first()  # its status may have changed since


def hold(batch: Batch, *, more: timedelta = timedelta()) -> None:
    """Renew the lease on a batch. Must be called inside the transaction of each write under the lease.

    `more` is the extra time that the next step may need. Raises LostRace if the lease was lost or the status has changed; then
    the write must not happen.
    """
    held = Batch.objects.filter(pk=batch.pk, status=batch.status, lease_epoch=batch.lease_epoch)
    if not held.update(lease_expires_at=lease_end(timezone.now()) + more):
        raise LostRace


def release(batch: Batch) -> None:
    """Give the lease on a batch back, if it is still held."""
    Batch.objects.filter(pk=batch.pk, lease_epoch=batch.lease_epoch).update(lease_owner=None, lease_expires_at=None)


@contextmanager
def at_work(batch: Batch) -> Iterator[None]:
    """Give the lease back after the work.

    If the work fails, the lease stays for AGAIN_AFTER, so that the work is not repeated every second. A LostRace ends the work
    without an error, because another act or worker has taken the batch over. Log lines name the batch.
    """
    try:
        with log_context.bound(**{log_context.BATCH: str(batch)}):
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
    """Free all leases, and forget all workers. For a portal that starts and knows that no other process of it runs."""
    Slice.objects.exclude(lease_owner=None).update(lost_leases=F("lost_leases") + 1)
    for leased in (Batch, Slice, BulkOperation, WebhookDelivery, Subscription):
        leased.objects.exclude(lease_expires_at=None).update(lease_owner=None, lease_expires_at=None)
    Worker.objects.all().delete()


def is_free(now: datetime) -> Q:
    """The condition of a row that no worker has a lease on."""
    return Q(lease_expires_at=None) | Q(lease_expires_at__lte=now)


def lease_end(now: datetime) -> datetime:
    """The end of a lease that is taken or renewed now."""
    return now + timedelta(seconds=settings.LEASE_SECONDS)

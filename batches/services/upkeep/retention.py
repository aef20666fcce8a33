"""retention: remove old rows that nobody needs. Rows go in bulk, and few enough at a time for one run of the beat."""

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from batches.models import (
    Batch,
    BatchMinute,
    BatchResult,
    BulkItem,
    BulkOperation,
    ErrorGroupHour,
    Event,
    File,
    ProviderJob,
    Slice,
    WebhookDelivery,
)
from batches.models.file import REMOVAL_PAUSE
from batches.rules.execution import OPEN_JOBS
from batches.rules.states import TERMINAL
from batches.services.consistency.orphans import HOT
from batches.services.storage.store import remove_bytes
from batches.services.tally.recoveries import count_recoveries, lock_lineage

BATCHES_AT_ONCE = 500
OPERATIONS_AT_ONCE = 50
ROWS_AT_ONCE = 50_000


def prune_results(*, now: datetime) -> int:
    """Remove the result rows of batches that ended long enough ago. Return the number of batches.

    The results of these batches are then read from their files. If a client has deleted the result files, the rows go at
    once, because nobody may read these answers any more.
    """
    oldest = now - timedelta(seconds=settings.RESULT_ROWS_SECONDS)
    kept = Batch.objects.filter(ended_at__isnull=False, results_pruned_at=None).order_by("ended_at")
    withdrawn = Q(output_file__deleted_at__isnull=False) | Q(error_file__deleted_at__isnull=False)
    batches = [*_some(kept.filter(ended_at__lte=oldest)), *_some(kept.filter(withdrawn))]
    for batch_id in batches:
        with transaction.atomic():
            # The mark is set in the same transaction, so that a reader that misses a row finds the mark.
            if Batch.objects.filter(pk=batch_id, results_pruned_at=None).update(results_pruned_at=now):
                _remove(BatchResult.objects.filter(batch=batch_id))
    return len(batches)


def _some(batches: QuerySet[Batch]) -> list[uuid.UUID]:
    return list(batches.values_list("pk", flat=True)[:BATCHES_AT_ONCE])


def remove_old_batches(*, now: datetime) -> int:
    """Remove batches that ended BATCH_RETENTION_DAYS ago, with all their rows and files. Return how many.

    Without this setting no batch is removed. A batch stays as long as a child batch of it does, and as long as one of its jobs is
    open at a provider or has files there that are still to be deleted: only the job knows of them.
    """
    if settings.BATCH_RETENTION_DAYS is None:
        return 0
    oldest = now - timedelta(days=settings.BATCH_RETENTION_DAYS)
    # What ended before then was created before then: the index of the list finds the oldest first.
    old = Batch.objects.filter(created_at__lte=oldest, ended_at__lte=oldest, status__in=TERMINAL)
    retries = Batch.objects.filter(parent=OuterRef("pk"))
    refused = File.objects.filter(removal_failed_at__gt=now - REMOVAL_PAUSE)
    stuck = refused.filter(Q(pk=OuterRef("input_file")) | Q(pk=OuterRef("output_file")) | Q(pk=OuterRef("error_file")))
    jobs = ProviderJob.objects.filter(batch=OuterRef("pk"))
    # Their rows know what is to be deleted at the provider.
    at_provider = jobs.filter(Q(state__in=OPEN_JOBS) | Q(poll_at__isnull=False) | ~Q(left_behind=[]))
    batches = list(
        old.filter(~Exists(retries), ~Exists(stuck), ~Exists(at_provider))
        .select_related("input_file", "output_file", "error_file")
        .order_by("created_at", "id")[:BATCHES_AT_ONCE]
    )
    for batch in batches:
        _remove_batch(batch, now=now)
    _forget_files(oldest=oldest)
    return len(batches)


# The tables with rows of one batch, except those whose rows the database removes together with the batch.
_PARTS: tuple[type[Model], ...] = (*HOT, Event, Slice)


def _remove_batch(batch: Batch, *, now: datetime) -> None:
    files = [file for file in (batch.output_file, batch.error_file, _own_input(batch, now=now)) if file is not None]
    # The bytes go first: an interrupted removal is repeated, but bytes without the row of their file would never be found.
    removed = [remove_bytes(file, now=now) for file in files]
    if not all(removed):
        return
    with transaction.atomic():
        root = lock_lineage(batch) if batch.parent_id else None
        for part in _PARTS:
            _remove(part._default_manager.filter(batch=batch))
        Batch.objects.filter(pk=batch.pk).delete()
        File.objects.filter(pk__in=[file.pk for file in files]).delete()
        if root is not None:
            count_recoveries(root)  # its requests are no longer known to have succeeded


def _own_input(batch: Batch, *, now: datetime) -> File | None:
    """The batch's input file, if no client can use it for another batch and no other batch has it."""
    file = batch.input_file
    if file is None or File.objects.filter(pk=file.pk).readable(now=now).exists():
        return None
    return None if Batch.objects.filter(input_file=file).exclude(pk=batch.pk).exists() else file


def _forget_files(*, oldest: datetime) -> None:
    """Remove the rows of files whose bytes went long ago and that no batch names."""
    named = Batch.objects.filter(Q(input_file=OuterRef("pk")) | Q(output_file=OuterRef("pk")) | Q(error_file=OuterRef("pk")))
    purged = File.objects.filter(purged_at__isnull=False, purged_at__lte=oldest).filter(~Exists(named)).order_by("purged_at")
    File.objects.filter(pk__in=list(purged.values_list("pk", flat=True)[:BATCHES_AT_ONCE])).delete()


def remove_old_operations(*, now: datetime) -> int:
    """Remove bulk operations that ended BULK_OPERATION_RETENTION_DAYS ago, with their items. Return how many."""
    oldest = now - timedelta(days=settings.BULK_OPERATION_RETENTION_DAYS)
    # What ended before then was created before then: the index of the list finds the oldest first.
    old = BulkOperation.objects.filter(created_at__lte=oldest, ended_at__lte=oldest).order_by("created_at", "id")
    operations = list(old[:OPERATIONS_AT_ONCE])
    for operation in operations:
        with transaction.atomic():
            _remove(BulkItem.objects.filter(operation=operation))
            operation.delete()
    return len(operations)


def remove_old_counts(*, now: datetime) -> None:
    """Remove the counts of minutes and hours that are too old for any chart."""
    _remove_older(BatchMinute.objects.all(), "minute", now - timedelta(days=settings.MINUTE_RETENTION_DAYS))
    _remove_older(ErrorGroupHour.objects.all(), "hour", now - timedelta(days=settings.ERROR_HOUR_RETENTION_DAYS))


def remove_old_deliveries(*, now: datetime) -> None:
    """Remove deliveries to webhook endpoints that are WEBHOOK_LOG_DAYS old, also those that wait for a disabled endpoint."""
    _remove_older(WebhookDelivery.objects.all(), "created_at", now - timedelta(days=settings.WEBHOOK_LOG_DAYS))


def _remove_older(rows: QuerySet[Model], column: str, oldest: datetime) -> None:
    """Remove the oldest rows, at most ROWS_AT_ONCE. The next run removes further ones."""
    keys: Sequence[object] = list(
        rows.filter(**{f"{column}__lt": oldest}).order_by(column).values_list("pk", flat=True)[:ROWS_AT_ONCE]
    )
    for start in range(0, len(keys), _KEYS_A_STATEMENT):
        _remove(rows.filter(pk__in=keys[start : start + _KEYS_A_STATEMENT]))


_KEYS_A_STATEMENT = 10_000


def _remove(rows: QuerySet[Model]) -> None:
    """Delete rows in one statement. No other row refers to them, so Django need not read them first, which would be slow."""
    rows.order_by()._raw_delete(rows.db)


# The steps of retention. Each removes few enough rows at a time, and runs even if another step has failed.
RETENTION: tuple[Callable[..., object], ...] = (
    prune_results,
    remove_old_batches,
    remove_old_operations,
    remove_old_counts,
    remove_old_deliveries,
)

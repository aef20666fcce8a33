"""old_batches: remove ended batches that were kept for long enough, with everything that is theirs."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q

from batches.models import Batch, File, Leftover, Project, ProviderJob, RetentionKind
from batches.models.batch import BatchQuerySet
from batches.models.file import REMOVAL_PAUSE
from batches.rules.execution import OPEN_JOBS
from batches.rules.states import TERMINAL
from batches.services.consistency.orphans import HOT
from batches.services.retention.holds import Held, held
from batches.services.retention.terms import all_terms
from batches.services.storage.store import remove_bytes
from batches.services.tally.recoveries import count_recoveries, lock_lineage
from batches.services.upkeep.budget import RUN_SECONDS, Budget
from batches.services.upkeep.old_deliveries import is_to_be_told
from batches.services.upkeep.sweep import delete_rows, leave, sweep

BATCHES_AT_ONCE = 500


def remove_old_batches(*, now: datetime, budget: Budget | None = None) -> int:
    """Remove batches that ended as long ago as their project keeps them. Return how many.

    A batch is gone at once, and its objects, results and errors follow piece by piece (`sweep`). A batch stays as long as it or
    its project is under hold, a child batch of it stays, a webhook of it is still due, or one of its jobs is open at a provider
    or has files there that are still to be deleted: only the job knows of them.
    """
    budget = budget or Budget(RUN_SECONDS)
    kept, all_held, removed = all_terms(), held(), 0
    for project in Project.objects.all():
        term = kept.of(project.pk, RetentionKind.BATCHES)
        if term is None or project.pk in all_held.projects:
            continue
        for batch in _removable(project.pk, oldest=now - term, held=all_held, now=now):
            if budget.is_spent:
                return removed
            with budget.piece():
                removed += _is_removed(batch, now=now)
        _forget_files(project.pk, oldest=now - term, held=all_held)
    sweep(budget=budget)
    return removed


def overdue_batches(project: UUID, *, oldest: datetime) -> BatchQuerySet:
    """The batches of a project that ended so long ago."""
    # What ended before then was created before then: the index of the list finds the oldest first.
    found = Batch.objects.filter(project=project, created_at__lte=oldest, ended_at__lte=oldest, status__in=TERMINAL)
    assert isinstance(found, BatchQuerySet)
    return found


def is_retried() -> Exists:
    """The condition of batches that a child batch retries."""
    return Exists(Batch.objects.filter(parent=OuterRef("pk")))


def is_stuck(*, now: datetime) -> Exists:
    """The condition of batches of which the storage lately refused to delete a file."""
    refused = File.objects.filter(removal_failed_at__gt=now - REMOVAL_PAUSE)
    return Exists(refused.filter(Q(pk=OuterRef("input_file")) | Q(pk=OuterRef("output_file")) | Q(pk=OuterRef("error_file"))))


def is_at_provider() -> Exists:
    """The condition of batches with a job that is open, or that has left something at its provider."""
    jobs = ProviderJob.objects.filter(batch=OuterRef("pk"))
    return Exists(jobs.filter(Q(state__in=OPEN_JOBS) | Q(poll_at__isnull=False) | ~Q(left_behind=[])))


def _removable(project: UUID, *, oldest: datetime, held: Held, now: datetime) -> Iterator[Batch]:
    found = overdue_batches(project, oldest=oldest).exclude(pk__in=held.batches)
    found = found.filter(~is_retried(), ~is_stuck(now=now), ~is_at_provider(), ~is_to_be_told(now=now))
    yield from found.select_related("input_file", "output_file", "error_file").order_by("created_at", "id")[:BATCHES_AT_ONCE]


def _is_removed(batch: Batch, *, now: datetime) -> bool:
    files = [file for file in (batch.output_file, batch.error_file, _own_input(batch, now=now)) if file is not None]
    # The bytes go first: an interrupted removal is repeated, but bytes without the row of their file would never be found.
    removed = [remove_bytes(file, now=now) for file in files]
    if not all(removed):
        return False
    with transaction.atomic():
        root = lock_lineage(batch) if batch.parent_id else None
        leave(batch, Leftover.Part.EVERYTHING, now=now)
        _delete_with_cold_parts(batch)
        File.objects.filter(pk__in=[file.pk for file in files]).delete()
        if root is not None:
            count_recoveries(root)  # its requests are no longer known to have succeeded
    return True


def _delete_with_cold_parts(batch: Batch) -> None:
    """Delete the row of a batch and the rows that refer to it, except those of the hot tables, which do not hold it back."""
    for relation in Batch._meta.related_objects:
        table, column = relation.related_model, relation.field.name
        if table in HOT:
            continue
        if relation.on_delete is models.CASCADE:
            table._base_manager.filter(**{column: batch}).delete()
        elif relation.on_delete is models.SET_NULL:
            table._base_manager.filter(**{column: batch}).update(**{column: None})
    delete_rows(Batch.objects.filter(pk=batch.pk))


def _own_input(batch: Batch, *, now: datetime) -> File | None:
    """The batch's input file, if no client can use it for another batch and no other batch has it."""
    file = batch.input_file
    if file is None or File.objects.filter(pk=file.pk).readable(now=now).exists():
        return None
    return None if Batch.objects.filter(input_file=file).exclude(pk=batch.pk).exists() else file


def _forget_files(project: UUID, *, oldest: datetime, held: Held) -> None:
    """Remove the rows of files whose bytes went long ago and that no batch names."""
    named = Batch.objects.filter(Q(input_file=OuterRef("pk")) | Q(output_file=OuterRef("pk")) | Q(error_file=OuterRef("pk")))
    purged = File.objects.filter(project=project, purged_at__isnull=False, purged_at__lte=oldest)
    purged = purged.filter(~Exists(named)).exclude(pk__in=held.files).order_by("purged_at")
    File.objects.filter(pk__in=list(purged.values_list("pk", flat=True)[:BATCHES_AT_ONCE])).delete()

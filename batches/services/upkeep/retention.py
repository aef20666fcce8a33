"""retention: remove what each project keeps no longer. `terms` says how long that is, and `holds` what stays whatever its age.

Each step marks or removes few rows at a time, is bounded by a budget of time, and goes on in the next run of the beat. Rows of
large tables are made unread first, and deleted by `sweep`.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Model, Q, QuerySet

from batches.models import (
    AuditEntry,
    Batch,
    BatchMinute,
    BulkItem,
    BulkOperation,
    ErrorGroupHour,
    Event,
    File,
    Leftover,
    Notice,
    Project,
    Purpose,
    RetentionKind,
    Upload,
    UploadPart,
    UploadStatus,
)
from batches.models.batch import BatchQuerySet
from batches.services.retention.holds import Held, held
from batches.services.retention.terms import Terms, all_terms, portal_term
from batches.services.upkeep.budget import RUN_SECONDS, Budget
from batches.services.upkeep.old_batches import remove_old_batches
from batches.services.upkeep.old_deliveries import old_deliveries
from batches.services.upkeep.sweep import delete_rows, leave, sweep

BATCHES_AT_ONCE = 500
OPERATIONS_AT_ONCE = 50
ROWS_AT_ONCE = 50_000
_KEYS_A_STATEMENT = 10_000


def prune_results(*, now: datetime, budget: Budget | None = None) -> int:
    """Let go of the result rows of batches that ended long enough ago. Return the number of batches.

    The results of these batches are then read from their files. If the result files are withdrawn, the rows go at once, because
    nobody may read these answers any more. The mark and the note of what is left over are written in one transaction, so that
    a reader who misses a row finds the mark.
    """
    budget, all_held = budget or Budget(RUN_SECONDS), held()
    oldest = now - timedelta(seconds=settings.RESULT_ROWS_SECONDS)
    kept = Batch.objects.filter(ended_at__isnull=False, results_pruned_at=None).order_by("ended_at")
    kept = kept.exclude(pk__in=all_held.batches).exclude(project__in=all_held.projects)
    withdrawn = Q()
    for file in ("output_file", "error_file"):
        withdrawn |= Q(**{f"{file}__deleted_at__isnull": False}) | Q(**{f"{file}__expires_at__lte": now})
    batches = {batch.pk: batch for some in (kept.filter(ended_at__lte=oldest), kept.filter(withdrawn)) for batch in _some(some)}
    for batch in batches.values():
        with budget.piece(), transaction.atomic():
            if Batch.objects.filter(pk=batch.pk, results_pruned_at=None).update(results_pruned_at=now):
                leave(batch, Leftover.Part.RESULTS, now=now)
    sweep(budget=budget)
    return len(batches)


def _some(batches: QuerySet[Batch]) -> Sequence[Batch]:
    return list(batches.only("pk", "project")[:BATCHES_AT_ONCE])


def prune_bodies(*, now: datetime, budget: Budget | None = None) -> int:
    """Hide the files of batches whose requests and answers are kept no longer. Return the number of batches."""
    budget = budget or Budget(RUN_SECONDS)
    done = 0
    for batch in _ended(RetentionKind.BODIES, "bodies_pruned_at", now=now, budget=budget):
        _hide_bodies(batch, now=now)
        done += 1
    return done


@transaction.atomic
def _hide_bodies(batch: Batch, *, now: datetime) -> None:
    Batch.objects.filter(pk=batch.pk).update(bodies_pruned_at=now)
    files = {batch.output_file_id, batch.error_file_id}
    others = Batch.objects.filter(input_file=batch.input_file_id, bodies_pruned_at=None)
    if not others.exclude(pk=batch.pk).exists():  # else the last of them takes it along
        files.add(batch.input_file_id)
    alive = Q(expires_at=None) | Q(expires_at__gt=now)
    File.objects.filter(alive, pk__in=[key for key in files if key]).update(expires_at=now)


def prune_events(*, now: datetime, budget: Budget | None = None) -> int:
    """Remove the timelines of batches whose timelines are kept no longer. Return the number of batches."""
    budget = budget or Budget(RUN_SECONDS)
    done = 0
    for batch in _ended(RetentionKind.EVENTS, "events_pruned_at", now=now, budget=budget):
        with transaction.atomic():
            delete_rows(Event.objects.filter(batch=batch))
            Batch.objects.filter(pk=batch.pk).update(events_pruned_at=now)
        done += 1
    return done


def _ended(kind: RetentionKind, mark: str, *, now: datetime, budget: Budget) -> Iterator[Batch]:
    """The batches without this mark that ended longer ago than their projects keep this kind, each as a piece of the budget."""
    for project, oldest, all_held in _projects(kind, now=now):
        due = Batch.objects.filter(project=project, ended_at__isnull=False, ended_at__lte=oldest, **{mark: None})
        assert isinstance(due, BatchQuerySet)
        for batch in due.exclude(pk__in=all_held.batches).order_by("ended_at")[:BATCHES_AT_ONCE]:
            if budget.is_spent:
                return
            with budget.piece():
                yield batch


def _projects(kind: RetentionKind, *, now: datetime) -> Iterator[tuple[Project, datetime, Held]]:
    """The projects that are not under hold and keep this kind for some time, and since when things of it are overdue."""
    kept, all_held = all_terms(), held()
    for project in Project.objects.all():
        term = kept.of(project.pk, kind)
        if term is not None and project.pk not in all_held.projects:
            yield project, now - term, all_held


def shorten_files(*, now: datetime) -> None:
    """Let the files of a project live no longer than its own policy says, also those that were there before the policy.

    Their times are rewritten, so that clients see when a file really expires. `prune` removes what has expired.
    """
    del now  # what has expired is a matter of `prune`
    kept = all_terms()
    for project, kind in kept.own:
        if kind in (RetentionKind.FILES, RetentionKind.RESULTS):
            _shorten(project, RetentionKind(kind), kept)


def _shorten(project: uuid.UUID, kind: RetentionKind, kept: Terms) -> None:
    term = kept.own_term(project, kind)
    assert term is not None
    is_result = Q(purpose=Purpose.BATCH_OUTPUT)
    end = F("created_at") + term
    longer = File.objects.filter(Q(expires_at=None) | Q(expires_at__gt=end), project=project, purged_at=None)
    longer = longer.filter(is_result if kind is RetentionKind.RESULTS else ~is_result)
    while keys := list(longer.order_by().values_list("pk", flat=True)[:_KEYS_A_STATEMENT]):
        File.objects.filter(pk__in=keys).update(expires_at=end)


def remove_old_entries(*, now: datetime, budget: Budget | None = None) -> None:
    """Remove audit entries that are kept no longer. Those of no project go by the setting of the portal."""
    budget = budget or Budget(RUN_SECONDS)
    for project, oldest, all_held in _projects(RetentionKind.AUDIT, now=now):
        about_held = [str(batch) for batch in all_held.batches]
        old = AuditEntry.objects.filter(project=project, created_at__lte=oldest).exclude(target_id__in=about_held)
        _remove_pieces(old, "created_at", budget)
    term = portal_term(RetentionKind.AUDIT)
    if term is not None:
        _remove_pieces(AuditEntry.objects.filter(project=None, created_at__lte=now - term), "created_at", budget)


def remove_old_uploads(*, now: datetime, budget: Budget | None = None) -> None:
    """Remove the records of uploads that are over and kept no longer. Their parts have gone before."""
    budget = budget or Budget(RUN_SECONDS)
    for project, oldest, _ in _projects(RetentionKind.UPLOADS, now=now):
        over = Upload.objects.exclude(status=UploadStatus.PENDING).filter(project=project, created_at__lte=oldest)
        _remove_pieces(over.exclude(pk__in=UploadPart.objects.values("upload")), "created_at", budget)


def remove_old_deliveries(*, now: datetime, budget: Budget | None = None) -> None:
    """Remove deliveries to webhook endpoints that are over and kept no longer, with what was sent and answered."""
    budget = budget or Budget(RUN_SECONDS)
    for project, oldest, all_held in _projects(RetentionKind.DELIVERIES, now=now):
        old = old_deliveries(project, oldest=oldest, now=now).exclude(batch__in=all_held.batches)
        _remove_pieces(old, "created_at", budget)


def _remove_pieces(rows: "QuerySet[Model]", column: str, budget: Budget) -> None:
    """Delete rows, the oldest first, in pieces of PRUNE_ROWS, until none is left or the budget is spent.

    The statement that deletes repeats the condition of the rows: one that meanwhile no longer meets it stays.
    """
    while not budget.is_spent:
        keys: Sequence[object] = list(rows.order_by(column).values_list("pk", flat=True)[: settings.PRUNE_ROWS])
        if not keys:
            return
        with budget.piece():
            delete_rows(rows.filter(pk__in=keys))


def remove_old_operations(*, now: datetime) -> int:
    """Remove bulk operations that ended BULK_OPERATION_RETENTION_DAYS ago, with their items. Return how many."""
    oldest = now - timedelta(days=settings.BULK_OPERATION_RETENTION_DAYS)
    # What ended before then was created before then: the index of the list finds the oldest first.
    old = BulkOperation.objects.filter(created_at__lte=oldest, ended_at__lte=oldest).order_by("created_at", "id")
    operations = list(old[:OPERATIONS_AT_ONCE])
    for operation in operations:
        with transaction.atomic():
            delete_rows(BulkItem.objects.filter(operation=operation))
            operation.delete()
    return len(operations)


def remove_old_counts(*, now: datetime) -> None:
    """Remove the counts of minutes and hours that are too old for any chart, but not of what is under hold."""
    all_held, minutes, hours = held(), BatchMinute.objects.all(), ErrorGroupHour.objects.all()
    if all_held.projects:
        minutes = minutes.exclude(batch__project__in=all_held.projects)
        hours = hours.exclude(group__project__in=all_held.projects)
    if all_held.batches:
        minutes = minutes.exclude(batch__in=all_held.batches)
    _remove_older(minutes, "minute", now - timedelta(days=settings.MINUTE_RETENTION_DAYS))
    _remove_older(hours, "hour", now - timedelta(days=settings.ERROR_HOUR_RETENTION_DAYS))


def remove_old_notices(*, now: datetime) -> None:
    """Remove notices that are WEBHOOK_LOG_DAYS old, also those that wait for a subscription that is paused."""
    _remove_older(Notice.objects.all(), "created_at", now - timedelta(days=settings.WEBHOOK_LOG_DAYS))


def _remove_older(rows: QuerySet[Model], column: str, oldest: datetime) -> None:
    """Remove the oldest rows, at most ROWS_AT_ONCE. The next run removes further ones."""
    keys: Sequence[object] = list(
        rows.filter(**{f"{column}__lt": oldest}).order_by(column).values_list("pk", flat=True)[:ROWS_AT_ONCE]
    )
    for start in range(0, len(keys), _KEYS_A_STATEMENT):
        delete_rows(rows.model._default_manager.filter(pk__in=keys[start : start + _KEYS_A_STATEMENT]))


# The steps of retention, of which each runs even if another one has failed. A kind of its own is a row in RetentionKind and in
# `terms.SETTINGS`, and a step here.
RETENTION: tuple[Callable[..., object], ...] = (
    shorten_files,
    prune_bodies,
    prune_results,
    prune_events,
    remove_old_batches,
    remove_old_entries,
    remove_old_uploads,
    remove_old_deliveries,
    remove_old_operations,
    remove_old_counts,
    remove_old_notices,
)

"""overdue: what a project keeps longer than it means to, and why. The console and `manage.py retention` show it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from batches.models import AuditEntry, Batch, File, LegalHold, Project, RetentionKind, Upload, UploadStatus
from batches.rules.states import OPEN
from batches.services.retention.holds import Held, held
from batches.services.retention.terms import Term, terms
from batches.services.upkeep.old_batches import is_at_provider, is_retried, overdue_batches
from batches.services.upkeep.old_deliveries import is_to_be_told, old_deliveries

MOST_COUNTED = 1000  # how many rows of one kind and reason are counted
NAMED = 5  # how many of them are named


@dataclass(frozen=True, slots=True)
class Overdue:
    """Things of one kind that are overdue and stay for one reason. `count` goes up to MOST_COUNTED."""

    kind: RetentionKind
    reason: str
    count: int
    names: tuple[str, ...] = ()

    @property
    def counted(self) -> str:
        """The count, with a mark if there may be more."""
        return f"{self.count:,}+" if self.count >= MOST_COUNTED else f"{self.count:,}"


def overdue(project: Project, *, now: datetime) -> list[Overdue]:
    """What is overdue in a project and not removed. Every query is bounded."""
    all_held = held()
    hold = LegalHold.objects.on(project).first()
    found = [*_files(project, all_held, hold, now=now)]
    for term in terms(project):
        if term.lifetime is not None:
            found += _of_term(project, term, all_held, hold, oldest=now - term.lifetime, now=now)
    return [item for item in found if item.count]


def _of_term(
    project: Project, term: Term, held: Held, hold: LegalHold | None, *, oldest: datetime, now: datetime
) -> Iterator[Overdue]:
    ended = Batch.objects.filter(project=project, ended_at__isnull=False, ended_at__lte=oldest)
    match term.kind:
        case RetentionKind.BATCHES:
            yield from _batches(project, held, hold, oldest=oldest, now=now)
        case RetentionKind.BODIES:
            yield from _under_hold(term.kind, ended.filter(bodies_pruned_at=None), held, hold)
        case RetentionKind.EVENTS:
            yield from _under_hold(term.kind, ended.filter(events_pruned_at=None), held, hold)
        case RetentionKind.DELIVERIES:
            yield from _under_hold(term.kind, old_deliveries(project, oldest=oldest, now=now), held, hold, batch="batch")
        case RetentionKind.AUDIT if hold is not None:
            yield _counted(term.kind, _because(hold), AuditEntry.objects.filter(project=project, created_at__lte=oldest))
        case RetentionKind.UPLOADS if hold is not None:
            over = Upload.objects.exclude(status=UploadStatus.PENDING).filter(project=project, created_at__lte=oldest)
            yield _counted(term.kind, _because(hold), over)
        case _:
            pass  # files and results are told of as files


def _batches(project: Project, held: Held, hold: LegalHold | None, *, oldest: datetime, now: datetime) -> Iterator[Overdue]:
    old = overdue_batches(project.pk, oldest=oldest)
    if hold is not None:
        yield _counted(RetentionKind.BATCHES, _because(hold), old)
        return
    yield from _under_hold(RetentionKind.BATCHES, old, held, None)
    free = old.exclude(pk__in=held.batches)
    yield _counted(RetentionKind.BATCHES, "A batch that retries it is still kept.", free.filter(is_retried()))
    at_provider = free.filter(~is_retried(), is_at_provider())
    yield _counted(RetentionKind.BATCHES, "A job of it is open at its provider, or has left something there.", at_provider)
    told = free.filter(~is_retried(), ~is_at_provider(), is_to_be_told(now=now))
    yield _counted(RetentionKind.BATCHES, "A webhook of it is still due.", told)


def _under_hold(
    kind: RetentionKind, rows: "QuerySet[Any]", held: Held, hold: LegalHold | None, *, batch: str = "pk"
) -> Iterator[Overdue]:
    """The rows that stay for a hold of the project, or of the batch in their column `batch`."""
    if hold is not None:
        yield _counted(kind, _because(hold), rows)
        return
    for one in LegalHold.objects.active().filter(batch__in=held.batches).select_related("project"):
        yield _counted(kind, _because(one), rows.filter(**{batch: one.batch_id}))


def _files(project: Project, held: Held, hold: LegalHold | None, *, now: datetime) -> Iterator[Overdue]:
    hidden = File.objects.hidden(now=now).filter(project=project)
    is_result = Q(purpose="batch_output")
    for kind, files in ((RetentionKind.FILES, hidden.exclude(is_result)), (RetentionKind.RESULTS, hidden.filter(is_result))):
        if hold is not None:
            yield _counted(kind, _because(hold), files)
            continue
        yield _counted(kind, "A batch of them is under legal hold.", files.filter(pk__in=held.files))
        free = files.exclude(pk__in=held.files)
        yield _counted(kind, "The file storage refused to delete them.", free.filter(removal_failed_at__isnull=False))
        in_use = Batch.objects.filter(project=project, status__in=OPEN, input_file__isnull=False).values("input_file")
        yield _counted(kind, "A running batch reads them.", free.filter(pk__in=in_use))


def _because(hold: LegalHold) -> str:
    place = "The project" if hold.batch_id is None else f"{hold.place[0].upper()}{hold.place[1:]}"
    return f"{place} is under legal hold: {hold.reason}"


def _counted(kind: RetentionKind, reason: str, rows: "QuerySet[Any]") -> Overdue:
    some = list(rows.order_by()[:NAMED])
    count = len(rows.order_by().values_list("pk", flat=True)[:MOST_COUNTED]) if len(some) == NAMED else len(some)
    return Overdue(kind, reason, count, tuple(str(row) for row in some))

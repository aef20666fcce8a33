"""preview: what an erasure would touch, and what keeps it from beginning. Nothing is written, and no file is read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import F, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce

from batches.filters import HasPair
from batches.models import Batch, BatchObject, BatchResult, File, LegalHold, Project, ProviderJob
from batches.models.batch import BatchQuerySet
from batches.rules.execution import OPEN_JOBS
from batches.services.erasure.files import to_search
from batches.services.erasure.rows import objects_of
from batches.services.erasure.subject import Subject

NAMED = 5  # how many batches a sentence names
MOST_BATCHES = 100_000  # with so many batches an erasure is refused: its receipt could not name them


@dataclass(frozen=True, slots=True)
class Preview:
    """What an erasure would touch. `obstacles` are sentences: as long as there is one, the erasure does not begin."""

    requests: int
    results: int
    batches: Sequence[Batch]  # the newest of them
    batch_count: int
    files: int  # that would be searched
    bytes: int
    jobs: Sequence[ProviderJob]  # whose files may still be at their provider
    obstacles: Sequence[str]


def affected(project: Project, subject: Subject) -> BatchQuerySet:
    """The batches of a project that have the custom_id, or the pair."""
    batches = Batch.objects.filter(project=project)
    if subject.key:
        found = batches.filter(HasPair(F("metadata"), Value(subject.key), Value(subject.value)))
    else:
        found = batches.filter(pk__in=objects_of(project, subject).values("batch"))
    assert isinstance(found, BatchQuerySet)
    return found


def preview(project: Project, subject: Subject) -> Preview:
    """What an erasure of this subject would touch."""
    batches = affected(project, subject)
    keys = list(batches.order_by().values_list("pk", flat=True)[: MOST_BATCHES + 1])
    objects = BatchObject.objects.filter(batch__in=batches.values("pk")) if subject.key else objects_of(project, subject)
    if subject.key:
        files: QuerySet[File] = File.objects.filter(project=project, purged_at=None).filter(_of(batches))
        results = BatchResult.objects.filter(batch__in=batches.values("pk")).count()
    else:
        files = to_search(project, keys)
        results = _results_of(objects.values_list("batch_id", "line")[:MOST_BATCHES])
    return Preview(
        requests=objects.count(),
        results=results,
        batches=list(batches.order_by("-created_at", "-id")[:NAMED]),
        batch_count=len(keys),
        files=files.count(),
        bytes=files.aggregate(size=Coalesce(Sum("bytes"), 0))["size"],
        jobs=list(jobs_left(keys)[: NAMED * 4]),
        obstacles=obstacles(project, batches),
    )


def _of(batches: BatchQuerySet) -> Q:
    return (
        Q(pk__in=batches.values("input_file")) | Q(pk__in=batches.values("output_file")) | Q(pk__in=batches.values("error_file"))
    )


def _results_of(places: Iterable[tuple[UUID, int]]) -> int:
    return sum(BatchResult.objects.filter(batch=batch, line=line).count() for batch, line in places)


def obstacles(project: Project, batches: BatchQuerySet) -> list[str]:
    """Why an erasure cannot begin: batches that have not ended, jobs that are open at a provider, and legal holds."""
    found = []
    running = batches.filter(ended_at=None)
    if names := _named(running):
        found.append(f"Not ended: {names}. Wait for their end, or cancel them.")
    jobs = ProviderJob.objects.filter(batch__in=batches.values("pk"), state__in=OPEN_JOBS).exclude(batch__ended_at=None)
    if markers := ", ".join(jobs.values_list("marker", flat=True)[:NAMED]):
        found.append(f"Jobs that are still open at their provider: {markers}. They are being taken back.")
    about = Q(batch=None) | Q(batch__in=batches.values("pk"))
    holds = LegalHold.objects.active().filter(about, project=project).select_related("project")[:NAMED]
    found += [f"{hold.place[0].upper()}{hold.place[1:]} is under legal hold: {hold.reason}" for hold in holds]
    if batches.order_by()[MOST_BATCHES:].exists():
        found.append(f"More than {MOST_BATCHES:,} batches have it.")
    return found


def _named(batches: BatchQuerySet) -> str:
    rows = [str(batch) for batch in batches.only("pk").order_by("-created_at")[: NAMED + 1]]
    return ", ".join(rows[:NAMED]) + (" and more" if len(rows) > NAMED else "")


def jobs_left(batches: Sequence[UUID]) -> "QuerySet[ProviderJob]":
    """The jobs of batches whose files may still be at their provider."""
    stored = ~Q(input_ref="") | Q(uploads__gt=0) | ~Q(remote_id="")
    return ProviderJob.objects.filter(stored, batch__in=batches, removed_at=None).select_related("provider").order_by("pk")

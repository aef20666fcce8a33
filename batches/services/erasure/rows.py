"""rows: erase requests in the database. Their rows stay, so that every count stays true."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, QuerySet, Value, When

from batches.models import (
    ERASED,
    LAST_LINE,
    Attempt,
    Batch,
    BatchError,
    BatchObject,
    BatchResult,
    ErrorGroup,
    Leftover,
    Project,
    bulk,
    unnamed,
)
from batches.rules.states import ObjectStatus
from batches.services.erasure.progress import Progress
from batches.services.erasure.subject import Subject

MESSAGE = "This was erased."
_UNSUCCESSFUL = (ObjectStatus.FAILED, ObjectStatus.CANCELLED, ObjectStatus.EXPIRED)


def objects_of(project: Project, subject: Subject) -> QuerySet[BatchObject]:
    """The objects with this custom_id in the batches of a project, by the index of custom_ids."""
    return BatchObject.objects.filter(batch__project=project, custom_id=subject.value).order_by()


def erase_objects(project: Project, subject: Subject, progress: Progress, *, among: Sequence[UUID]) -> None:
    """Erase the requests of a custom_id in these batches, and in rows that retention is about to delete."""
    leaving = Leftover.objects.filter(project=project).values("batch_id")
    for batches in (list(among), list(leaving.values_list("batch_id", flat=True))):
        rows = BatchObject.objects.filter(batch__in=batches, custom_id=subject.value).order_by()
        for batch, line in list(rows.values_list("batch_id", "line")):
            with transaction.atomic():
                _erase(batch, line, line, progress)


def erase_batch(batch: Batch, progress: Progress) -> None:
    """Erase all requests of a batch, some lines at a time."""
    for first, last in _pieces(batch):
        with transaction.atomic():
            _erase(batch.pk, first, last, progress)


def _pieces(batch: Batch) -> Iterator[tuple[int, int]]:
    objects = BatchObject.objects.filter(batch=batch).order_by("line").values_list("line", flat=True)
    after = 0
    while (first := objects.filter(line__gt=after).first()) is not None:
        after = min(first + settings.PRUNE_ROWS - 1, LAST_LINE)
        yield first, after


def _erase(batch: UUID, first_line: int, last_line: int, progress: Progress) -> None:
    """Erase the requests at these lines: names, answers, messages, and the ids by which others know the calls."""
    here = {"batch": batch, "line__gte": first_line, "line__lte": last_line}
    objects = BatchObject.objects.filter(**here)
    named = [(pk, line) for pk, line, name in objects.values_list("pk", "line", "custom_id") if name != unnamed(line, pk)]
    bulk.update_each(BatchObject, ["custom_id", "request_id"], [(pk, unnamed(line, pk), "") for pk, line in named])
    objects.filter(status__in=_UNSUCCESSFUL).update(kind=ERASED)
    results = BatchResult.objects.filter(**here)
    results.update(
        body=Case(When(body="", then=Value("")), default=Value("{}")),
        error_message=Case(When(error_code="", then=Value("")), default=Value(MESSAGE)),
        request_id="",
    )
    attempts = Attempt.objects.filter(**here).update(message="", request_id="")
    errors = BatchError.objects.filter(**here)
    _erase_samples(errors)
    erased = errors.update(message=MESSAGE, param="")
    for place, number in (("requests", len(named)), ("results", results.count()), ("attempts", attempts), ("errors", erased)):
        progress.count(place, number)


def _erase_samples(errors: QuerySet[BatchError]) -> None:
    """Replace the samples of error groups that came from these errors by the group's message without its variable parts."""
    messages = set(errors.order_by().values_list("batch__project", "fingerprint", "message"))
    for project, fingerprint, message in messages:
        ErrorGroup.objects.filter(project=project, fingerprint=fingerprint, sample=message).update(sample=F("message"))

"""Finding the batches, files and uploads that a client names, in its own project only, and fields that dialects share."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from rest_framework.serializers import Serializer

from batches.models import ApiKey, Batch, BatchError, File, OnInvalid, Project, Upload, load_counts
from batches.rules import identifiers
from batches.rules.errors import NotFound
from batches.rules.states import BatchStatus
from batches.services.intake.idempotency import note_use
from batches.services.telemetry import log_context

SHOWN_ERRORS = 1000  # the most errors that are shown for one batch


def find_batch(key: ApiKey, text: str) -> Batch:
    """The batch with this id in the key's project. Raises NotFound; an id of another project looks like an unknown one."""
    found = identifiers.parse(text)
    batch = Batch.objects.visible(project=key.project).filter(pk=found).first() if found else None
    if batch is None:
        raise NotFound(f"There is no batch with the id {text[:100]!r}.", param="batch_id")
    log_context.note(**{log_context.BATCH: str(batch)})
    note_use([batch], key=key, now=timezone.now())
    return batch


def find_batch_at(key: ApiKey, text: str, *, provider: str | None) -> Batch:
    """The batch with this id in the key's project. If a provider is named, the batch must be at it. Raises NotFound."""
    batch = find_batch(key, text)
    if provider and batch.provider.name != provider:
        raise NotFound(f"There is no batch with the id {text[:100]!r} at provider {provider[:100]}.", param="batch_id")
    return batch


def find_file(project: Project, text: str, *, now: datetime, param: str = "file_id") -> File:
    """The project's file with this id. Deleted and expired files are not found. Raises NotFound."""
    key = identifiers.parse(text)
    file = File.objects.visible(project=project, now=now).filter(pk=key).first() if key else None
    if file is None:
        raise NotFound(f"There is no file with the id {text[:100]!r}.", param=param)
    return file


def find_upload(project: Project, text: str) -> Upload:
    """The project's upload with this id. Raises NotFound."""
    key = identifiers.parse(text)
    upload = Upload.objects.select_related("project", "file").filter(project=project, pk=key).first() if key else None
    if upload is None:
        raise NotFound(f"There is no upload with the id {text[:100]!r}.", param="upload_id")
    return upload


def failure_reasons(batches: Iterable[Batch]) -> dict[UUID, list[dict[str, Any]]]:
    """The errors of each failed batch, in the order of lines, found with one query for all batches."""
    failed = [batch.pk for batch in batches if batch.status == BatchStatus.FAILED]
    reasons: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    if not failed:
        return reasons
    rows = BatchError.objects.filter(batch__in=failed, round=None).order_by("batch", "line", "id")
    for row in rows.values_list("batch_id", "code", "message", "param", "line"):
        batch_id, code, message, param, line = row
        if len(reasons[batch_id]) < SHOWN_ERRORS:
            reasons[batch_id].append({"code": code, "message": message, "param": param or None, "line": line})
    return reasons


def shown_with_reasons(batches: Sequence[Batch], serializer: type[Serializer[Batch]]) -> list[dict[str, Any]]:
    """The dialect's documents for batches. The number of queries does not grow with the number of batches.

    The serializer finds the errors of failed batches in `context["reasons"]`.
    """
    load_counts(batches)
    one = serializer(context={"reasons": failure_reasons(batches)})
    return [one.to_representation(batch) for batch in batches]


def archived_at(batch: Batch, *, now: datetime) -> datetime | None:
    """The time when the results of an ended batch of messages became unavailable; None while they are available."""
    at = batch.archived_at or batch.created_at + timedelta(seconds=settings.RESULTS_LIFETIME_SECONDS)
    return at if batch.is_terminal and at <= now else None


def skipping(batch: Batch) -> dict[str, str]:
    """The additional field of a batch whose client asked to skip invalid lines. The contract does not have it."""
    return {"on_invalid": batch.on_invalid} if batch.on_invalid == OnInvalid.SKIP else {}


def completed_and_failed(batch: Batch) -> dict[str, int]:
    """The three counts in the format of OpenAI.

    After the end of a batch, every object without success counts as failed, so that completed and failed make up the total.
    """
    counts = batch.counts
    failed = counts.unsuccessful if batch.is_terminal else counts.failed
    return {"total": counts.total, "completed": counts.succeeded, "failed": failed}

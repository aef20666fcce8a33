"""Finding what a client names, in its own project only, and what it may see of it."""

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

SHOWN_ERRORS = 1000  # of one batch


def find_batch(key: ApiKey, text: str) -> Batch:
    """The batch of the key's project with this id. Raises NotFound, the same for an unknown id and one of another project."""
    found = identifiers.parse(text)
    batch = Batch.objects.visible(project=key.project).filter(pk=found).first() if found else None
    if batch is None:
        raise NotFound(f"There is no batch with the id {text[:100]!r}.", param="batch_id")
    note_use([batch], key=key, now=timezone.now())
    return batch


def find_batch_at(key: ApiKey, text: str, *, provider: str | None) -> Batch:
    """The same, at this provider if one is named. Raises NotFound."""
    batch = find_batch(key, text)
    if provider and batch.provider.name != provider:
        raise NotFound(f"There is no batch with the id {text[:100]!r} at provider {provider[:100]}.", param="batch_id")
    return batch


def find_file(project: Project, text: str, *, now: datetime, param: str = "file_id") -> File:
    """The project's file with this id, neither deleted nor expired. Raises NotFound."""
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
    """Why each failed batch failed, by line, with one query for all of them."""
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
    """Batches as a dialect shows them, with as many queries for many as for one; `context["reasons"]` says why any failed."""
    load_counts(batches)
    one = serializer(context={"reasons": failure_reasons(batches)})
    return [one.to_representation(batch) for batch in batches]


def archived_at(batch: Batch, *, now: datetime) -> datetime | None:
    """When the results of an ended batch of messages became unavailable; None while they can be had."""
    at = batch.archived_at or batch.created_at + timedelta(seconds=settings.RESULTS_LIFETIME_SECONDS)
    return at if batch.is_terminal and at <= now else None


def skipping(batch: Batch) -> dict[str, str]:
    """What a batch shows besides the contract when its client asked for invalid lines to be skipped."""
    return {"on_invalid": batch.on_invalid} if batch.on_invalid == OnInvalid.SKIP else {}


def completed_and_failed(batch: Batch) -> dict[str, int]:
    """The three counts of OpenAI, and of whoever speaks like OpenAI.

    Once the batch has ended, whatever did not succeed has failed: completed and failed make up the total.
    """
    counts = batch.counts
    failed = counts.unsuccessful if batch.is_terminal else counts.failed
    return {"total": counts.total, "completed": counts.succeeded, "failed": failed}

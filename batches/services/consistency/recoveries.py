"""Recoveries against rows: what a batch's retries have recovered is what succeeded in them."""

import uuid
from datetime import datetime
from typing import Any

from batches.models import Batch, BatchErrorGroup
from batches.services.consistency.base import BatchesPage, Check, Found
from batches.services.tally.recoveries import RECOVERABLE, Recoveries, count_recoveries, lineage_ids, recoveries


def _recovered(page: BatchesPage, now: datetime) -> Found:
    del now
    truths: dict[uuid.UUID, Recoveries] = {}
    for batch in _with_relatives(page):
        if batch.pk not in truths:
            truths |= recoveries(lineage_ids(batch.pk))
        # A retry may have ended between the reading of the batch and of its rows, so that a difference is looked at again.
        if _differences(batch, truths[batch.pk]) and (differ := _differences(_again(batch), _truth(batch))):
            yield batch, differ, None


def _with_relatives(page: BatchesPage) -> list[Batch]:
    """The batches that are retries, have retries, or are counted as if they had."""
    parents = set(Batch.objects.filter(parent__in=page.by_id).order_by().values_list("parent", flat=True))
    return [batch for batch in page.batches if batch.parent_id or batch.pk in parents or batch.recovered]


def _again(batch: Batch) -> Batch:
    return Batch.objects.get(pk=batch.pk)


def _truth(batch: Batch) -> Recoveries:
    return recoveries(lineage_ids(batch.pk))[batch.pk]


def _differences(batch: Batch, truth: Recoveries) -> str:
    """The numbers of a batch that are not those of its rows."""
    counted = {status: getattr(batch, f"recovered_{status}") for status in RECOVERABLE}
    groups = BatchErrorGroup.objects.filter(batch=batch, recovered__gt=0).values_list("group__fingerprint", "recovered")
    counted_in_groups = dict(groups)
    pairs = {status: (count, truth.statuses.get(status, 0)) for status, count in counted.items()} | {
        fingerprint: (counted_in_groups.get(fingerprint, 0), truth.groups.get(fingerprint, 0))
        for fingerprint in sorted(counted_in_groups.keys() | truth.groups.keys())
    }
    return ", ".join(
        f"{count} {name} are counted as recovered and {true} ought to be"
        for name, (count, true) in pairs.items()
        if count != true
    )


def _count_again(batch: Batch, subject: Any, now: datetime) -> str:
    del subject, now
    count_recoveries(batch)
    return "Counted what its retries recovered anew."


CHECKS = (
    Check(
        "recoveries",
        "The recovered objects of a batch, and of its error groups, are those that succeeded in a retry that has ended.",
        _recovered,
        _count_again,
    ),
)

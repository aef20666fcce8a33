"""Error groups against errors: what is counted as it comes is what is there."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Count

from batches.models import Batch, BatchError, BatchErrorGroup
from batches.services.error_groups import recount_groups
from batches.services.proof.base import Check, Found, NotMended


def _groups(batches: Sequence[Batch], now: datetime) -> Found:
    del now
    by_id = {batch.pk: batch for batch in batches}
    errors = BatchError.objects.filter(batch__in=by_id, retried_at=None).order_by().values_list("batch", "fingerprint")
    true = {(batch, fingerprint): count for batch, fingerprint, count in errors.annotate(Count("pk"))}
    counted = BatchErrorGroup.objects.filter(batch__in=by_id).order_by().values_list("batch", "group__fingerprint", "count")
    told = {(batch, fingerprint): count for batch, fingerprint, count in counted}
    for key in sorted(true.keys() | told.keys()):
        if true.get(key, 0) != told.get(key, 0):
            pk, fingerprint = key
            text = f"{true.get(key, 0)} errors are like {fingerprint}, and {told.get(key, 0)} are counted"
            yield by_id[pk], text, fingerprint


def _recount(batch: Batch, subject: Any, now: datetime) -> str:
    del now
    if not BatchErrorGroup.objects.filter(batch=batch, group__fingerprint=subject).exists():
        raise NotMended("These errors belong to no group.")
    recount_groups(batch, [subject])
    return f"Counted the errors like {subject} anew."


CHECKS = (
    Check(
        "error_groups", "A group counts the errors of a batch that were not sent for again.", _groups, _recount, unattended=True
    ),
)

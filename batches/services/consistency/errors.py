"""Error groups against errors: each group's count is the number of its errors."""

import random
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import Count

from batches.models import Batch, BatchError, BatchErrorGroup, ErrorGroup, bulk
from batches.services.consistency.base import ROWS_AT_ONCE, BatchesPage, Check, Found, NotMended, as_uuid
from batches.services.tally.error_groups import recount_groups

GROUPS_AT_MOST = 20  # how many groups a sample looks at

_Counted = tuple[uuid.UUID, str, int, int]  # a batch and a fingerprint; the number of errors, and the group's count


def _groups(page: BatchesPage, now: datetime) -> Found:
    del now
    counted = _all_groups(page) if page.sample is None else _some_groups(page)
    for batch_id, fingerprint, actual, recorded in counted:
        if actual != recorded:
            yield page.by_id[batch_id], f"{actual} errors are like {fingerprint}, and {recorded} are counted", fingerprint


def _all_groups(page: BatchesPage) -> Iterator[_Counted]:
    """All groups of each batch, and errors without a group."""
    for batch in page.batches:
        errors = BatchError.objects.filter(batch=batch, retried_at=None).order_by().values_list("fingerprint")
        actual = dict(errors.annotate(Count("pk")))
        recorded = dict(BatchErrorGroup.objects.filter(batch=batch).order_by().values_list("group__fingerprint", "count"))
        for fingerprint in sorted(actual.keys() | recorded.keys()):
            yield batch.pk, fingerprint, actual.get(fingerprint, 0), recorded.get(fingerprint, 0)


def _some_groups(page: BatchesPage) -> Iterator[_Counted]:
    """A few groups, each counted in one statement. A group with too many errors for one statement is left out."""
    small = BatchErrorGroup.objects.filter(batch__in=page.by_id, count__lt=ROWS_AT_ONCE)
    groups = list(small.order_by("batch_id", "group_id").values_list("pk", flat=True)[:ROWS_AT_ONCE])
    for group_id in random.sample(groups, min(len(groups), GROUPS_AT_MOST)):
        with bulk.row_by_row(), bulk.cursor() as cursor:
            cursor.execute(_COUNTED, [bulk.adapt(BatchErrorGroup, "id", group_id)])
            rows = cursor.fetchall()
        for batch_id, fingerprint, recorded, actual in rows:
            if actual is not None:
                yield as_uuid(batch_id), fingerprint, actual, recorded


_COUNTED = f"""
    SELECT b.batch_id, g.fingerprint, b.count,
           (SELECT CASE WHEN count(*) < {ROWS_AT_ONCE} THEN count(*) FILTER (WHERE few.retried_at IS NULL) END
              FROM (SELECT e.retried_at
                      FROM {BatchError._meta.db_table} e
                     WHERE e.batch_id = b.batch_id AND e.fingerprint = g.fingerprint
                     LIMIT {ROWS_AT_ONCE}) few)
      FROM {BatchErrorGroup._meta.db_table} b
      JOIN {ErrorGroup._meta.db_table} g ON g.id = b.group_id
     WHERE b.id = %s
"""  # noqa: S608 - names of tables and a number only


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

"""Late batches: `assess` marks those that will miss their deadline at their present pace, so that they are taken up first."""

import uuid
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, IntegerField, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from batches.models import Batch, BatchMinute, Slice
from batches.rules.states import BatchStatus
from batches.services.core.direct import carried_directly
from batches.services.core.outbox import AT_RISK, announce_attention

RECENT = timedelta(minutes=5)  # the time over which the pace is measured
MARGIN = 1.25  # the pace must be this many times faster than the deadline demands
STANDING_STILL = 0.25  # a batch without a pace is at risk when less than this part of its window is left
AT_ONCE = 500  # how many batches one run looks at: those with the nearest deadlines


def is_at_risk(*, remaining: int, recent: int, seconds: float, left: timedelta, window: timedelta) -> bool:
    """Whether a batch has too little time left.

    `recent` is the number of objects that settled in the last `seconds`, and `remaining` the number of open objects. `left` is
    the part of the completion window that is still to come.
    """
    if not remaining:
        return False
    if not recent:
        return left < window * STANDING_STILL
    return remaining * max(seconds, 1.0) / recent * MARGIN > left.total_seconds()


def assess(*, now: datetime) -> None:
    """Mark the running batches that are at risk, and unmark those that no longer are.

    The pace of direct calls says nothing about requests in provider jobs: they are no part of what remains, and batches with
    nothing else are left alone. When such a batch is late, `delegation.take_back` decides and marks it.
    """
    since = now.replace(second=0, microsecond=0) - RECENT
    unfinished = Slice.objects.filter(batch=OuterRef("pk"), pending__gt=0, provider_job=None)
    minutes = BatchMinute.objects.filter(batch=OuterRef("pk"), minute__gte=since)
    running = Batch.objects.filter(
        carried_directly(), ended_at=None, status=BatchStatus.IN_PROGRESS, expires_at__gt=now
    ).annotate(remaining=_total(unfinished, Sum("pending")), recent=_total(minutes, Sum(F("succeeded") + F("failed"))))
    columns = ("pk", "at_risk_since", "created_at", "in_progress_at", "expires_at", "remaining", "recent")
    rows = running.order_by("expires_at").values_list(*columns)[:AT_ONCE]
    for pk, marked, created_at, begun, expires_at, remaining, recent in rows:
        at_risk = is_at_risk(
            remaining=remaining,
            recent=recent,
            seconds=(now - max(since, begun)).total_seconds(),
            left=expires_at - now,
            window=expires_at - created_at,
        )
        if at_risk and marked is None:
            mark_at_risk(pk, now=now)
        elif marked is not None and not at_risk:
            Batch.objects.filter(pk=pk, status=BatchStatus.IN_PROGRESS).update(at_risk_since=None)


@transaction.atomic
def mark_at_risk(batch_id: uuid.UUID, *, now: datetime) -> None:
    """Note that a running batch will miss its deadline, and tell receivers, unless it is noted already."""
    one = Batch.objects.filter(pk=batch_id)
    if one.filter(status=BatchStatus.IN_PROGRESS, at_risk_since=None).update(at_risk_since=now):
        announce_attention(one, reason=AT_RISK, now=now)


def _total(rows: "QuerySet[Slice] | QuerySet[BatchMinute]", total: Sum) -> Coalesce:
    """The sum over the rows of a batch; 0 if there are no rows."""
    summed = rows.order_by().values("batch").annotate(total=total).values("total")
    return Coalesce(Subquery(summed, output_field=IntegerField()), 0)

"""batches: how many batches are open, in which state, and how long work waits. Objects are not read, only their slices."""

import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, Min, Q
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from batches.models import Batch, Project, ProviderJob, Slice, WebhookDelivery, bulk
from batches.rules.execution import JobState
from batches.rules.states import OPEN, BatchStatus
from batches.services.core.direct import carried_directly
from batches.services.core.lease import is_free
from batches.services.insight.metrics.names import OTHER
from batches.services.lifecycle.finalize import WINDING_UP


def batches(now: datetime) -> Iterator[Metric]:
    """The open batches by status, and those of them under a condition. One pass over the open batches."""
    conditions = {
        "paused": Q(status=BatchStatus.IN_PROGRESS, paused_at__isnull=False),
        "at_risk": Q(at_risk_since__isnull=False),
        "throttled": Q(status=BatchStatus.IN_PROGRESS, throttled_until__gt=now),
        "blocked": Q(blocked_until__gt=now),
        "overdue": Q(expires_at__lte=now) & ~Q(status__in=WINDING_UP),
    }
    counts = {name: Count("pk", filter=condition) for name, condition in conditions.items()}
    rows: Iterable[Any] = Batch.objects.filter(ended_at=None).order_by().values("status").annotate(all=Count("pk"), **counts)
    found = {row["status"]: row for row in rows}
    by_status = GaugeMetricFamily("batchyard_batches", "Open batches by status.", labels=["status"])
    for status in sorted(OPEN):
        by_status.add_metric([status], found[status]["all"] if status in found else 0)
    yield by_status
    by_condition = GaugeMetricFamily("batchyard_batches_with", "Open batches under a condition.", labels=["condition"])
    for name in conditions:
        by_condition.add_metric([name], sum(row[name] for row in found.values()))
    yield by_condition


def queue(now: datetime) -> Iterator[Metric]:
    """How long the oldest work of each kind waits for a worker, and how many slices there are."""
    ages = GaugeMetricFamily(
        "batchyard_queue_age_seconds",
        "How long the oldest work waits for a worker: batches to be validated, executed and finalized, slices whose"
        " lease has run out (leases), provider jobs that are due (delegate), and deliveries of webhooks (notify). 0: none waits.",
        labels=["queue"],
    )
    unattended = Batch.objects.filter(is_free(now), ended_at=None).order_by()
    validating = unattended.filter(status=BatchStatus.VALIDATING)
    unbegun = Batch.objects.filter(
        carried_directly(), ended_at=None, status=BatchStatus.IN_PROGRESS, begun_at=None, paused_at=None
    )
    leased = Slice.objects.filter(lease_owner__isnull=False, pending__gt=0).order_by()
    # Jobs that are not created yet may wait for their batch or for room, which is no worker's fault.
    begun = ProviderJob.objects.filter(poll_at__isnull=False).exclude(state=JobState.PREPARING).order_by()
    oldest = {
        "validate": validating.aggregate(at=Min("created_at"))["at"],
        "execute": unbegun.order_by().aggregate(at=Min("in_progress_at"))["at"],
        "finalize": _earlier(unattended.filter(status__in=WINDING_UP).aggregate(Min("finalizing_at"), Min("cancelling_at"))),
        "leases": leased.aggregate(at=Min("lease_expires_at"))["at"],
        "delegate": begun.aggregate(at=Min("poll_at"))["at"],
        "notify": WebhookDelivery.objects.filter(is_free(now), due_at__isnull=False).aggregate(at=Min("due_at"))["at"],
    }
    for name, at in oldest.items():
        ages.add_metric([name], 0.0 if at is None else max((now - at).total_seconds(), 0.0))
    yield ages
    yield GaugeMetricFamily("batchyard_slices_leased", "Slices that executors work on.", value=leased.count())


def _earlier(stamps: dict[str, datetime | None]) -> datetime | None:
    return min(filter(None, stamps.values()), default=None)


# The slices of each batch are added up before their project is looked up: a batch has up to hundreds of them.
_PENDING = f"""
    SELECT b.project_id, sum(s.pending)
      FROM (SELECT batch_id, sum(pending) AS pending
              FROM {Slice._meta.db_table}
             WHERE pending > 0
             GROUP BY batch_id) s
      JOIN {Batch._meta.db_table} b ON b.id = s.batch_id
     GROUP BY b.project_id
"""  # noqa: S608 - names of tables only


def projects(_now: datetime) -> Iterator[Metric]:
    """Open batches and pending requests, in all and of the projects with most of them."""
    bulk.join_row_by_row()
    opened = dict(Batch.objects.filter(ended_at=None).order_by().values_list("project").annotate(Count("pk")))
    with bulk.cursor() as cursor:
        cursor.execute(_PENDING)
        pending = {bulk.as_uuid(project_id): int(number) for project_id, number in cursor.fetchall()}
    slugs = dict(Project.objects.filter(pk__in=opened.keys() | pending.keys()).values_list("pk", "slug"))
    yield _by_project("batchyard_project_open_batches", "Open batches by project.", opened, slugs)
    yield _by_project("batchyard_project_pending_objects", "Batch objects without an outcome, by project.", pending, slugs)
    total = sum(pending.values())
    yield GaugeMetricFamily("batchyard_objects_pending", "Batch objects of validated batches without an outcome.", value=total)


def _by_project(name: str, help_text: str, numbers: Mapping[uuid.UUID, int], slugs: Mapping[uuid.UUID, str]) -> Metric:
    """The numbers of the METRICS_MOST_PROJECTS projects with the largest ones, and the sum of the others."""
    most = settings.METRICS_MOST_PROJECTS
    family = GaugeMetricFamily(name, help_text, labels=["project"])
    ranked = sorted(numbers.items(), key=lambda found: (-found[1], found[0]))
    for project_id, number in ranked[:most]:
        family.add_metric([slugs.get(project_id, OTHER)], number)
    if most and (rest := sum(number for _, number in ranked[most:])):
        family.add_metric([OTHER], rest)
    return family

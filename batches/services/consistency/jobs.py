"""Jobs at providers' batch APIs against slices, rows and time: none is forgotten, and none holds requests that it gave back."""

from datetime import datetime
from typing import Any

from django.db.models import Count, F, Q

from batches.models import Batch, ProviderJob, Slice
from batches.rules.execution import AT_PROVIDER, OPEN_JOBS, Recall
from batches.rules.lines.bits import LineBits
from batches.services.consistency.base import BatchesPage, Check, Found
from batches.services.consistency.states import STUCK_AFTER
from batches.services.core import wake
from batches.services.core.lease import is_free
from batches.services.delegation.take_back import release_slices


def _holding(page: BatchesPage, now: datetime) -> Found:
    del now
    held = Slice.objects.filter(batch__in=page.by_id, pending__gt=0, provider_job__isnull=False)
    over = held.exclude(provider_job__state__in=OPEN_JOBS).order_by()
    for batch, pk, marker, slices in over.values_list("batch", "provider_job", "provider_job__marker").annotate(Count("pk")):
        yield page.by_id[batch], f"job {marker} is over, and {slices} slices with open requests wait for it", pk


def _release(batch: Batch, pk: Any, now: datetime) -> str:
    del batch
    return f"Left the requests of {release_slices(ProviderJob.objects.get(pk=pk), now=now)} slices to others."


def _counts(page: BatchesPage, now: datetime) -> Found:
    del now
    for job in ProviderJob.objects.filter(batch__in=page.by_id).order_by("batch_id", "first_line", "pk").iterator():
        seen = LineBits(job.first_line, job.last_line, bytes(job.seen)).count()
        if seen != job.collected:
            says = f"counts {job.collected:,} rows of results, and has seen those of {seen:,} lines"
            yield page.by_id[job.batch_id], f"job {job.marker} {says}", job.pk


def _unwatched(page: BatchesPage, now: datetime) -> Found:
    long_ago = now - STUCK_AFTER
    missing, overdue = Q(poll_at=None), Q(poll_at__lt=long_ago, state__in=AT_PROVIDER)
    open_jobs = ProviderJob.objects.open().filter(is_free(now), missing | overdue, batch__in=page.by_id, updated_at__lt=long_ago)
    for job in open_jobs.defer("seen").order_by("batch_id", "first_line", "pk"):
        since = "at no time" if job.poll_at is None else f"since {job.poll_at:%Y-%m-%d %H:%M:%S}, and nobody did"
        yield page.by_id[job.batch_id], f"job {job.marker} is open and was to be looked at {since}", job.pk


def _watch(batch: Batch, pk: Any, now: datetime) -> str:
    del batch
    ProviderJob.objects.open().filter(pk=pk).update(poll_at=now, lease_owner=None, lease_expires_at=None)
    wake.delegate()
    return "It is looked at now."


def _outliving(page: BatchesPage, now: datetime) -> Found:
    ended = [batch.pk for batch in page.batches if batch.ended_at is not None and batch.ended_at < now - STUCK_AFTER]
    for job in (
        ProviderJob.objects.open().filter(batch__in=ended, recall="").defer("seen").order_by("batch_id", "first_line", "pk")
    ):
        yield page.by_id[job.batch_id], f"job {job.marker} is open although the batch ended, and nobody takes it back", job.pk


def _take_back(batch: Batch, pk: Any, now: datetime) -> str:
    del batch
    ProviderJob.objects.open().filter(pk=pk).take_back(Recall.STOPPED, by="verify", now=now)
    wake.delegate()
    return "It is taken back."


def _leased(page: BatchesPage, now: datetime) -> Found:
    old = ProviderJob.objects.filter(batch__in=page.by_id, lease_expires_at__lt=now - STUCK_AFTER, poll_at=None)
    for job in old.defer("seen").order_by("batch_id", "first_line", "pk"):
        yield page.by_id[job.batch_id], f"job {job.marker} is leased, but nothing is to be done about it", job.pk


def _free(batch: Batch, pk: Any, now: datetime) -> str:
    del batch
    held = ProviderJob.objects.filter(pk=pk, lease_expires_at__lt=now - STUCK_AFTER)
    held.update(lease_owner=None, lease_expires_at=None, lease_epoch=F("lease_epoch") + 1)
    return "Freed it."


CHECKS = (
    Check("over_jobs", "No open request waits for a provider job that is over.", _holding, _release, unattended=True),
    Check("job_counts", "A provider job counts each row of its results once.", _counts),
    Check("unwatched_jobs", "Somebody looks at each open provider job.", _unwatched, _watch, unattended=True),
    Check("outliving_jobs", "A provider job whose batch has ended is taken back.", _outliving, _take_back, unattended=True),
    Check("leased_jobs", "A provider job is leased only while something is to be done about it.", _leased, _free),
)

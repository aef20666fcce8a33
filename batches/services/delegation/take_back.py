"""take_back: return requests from provider jobs to the executors, and decide when jobs are taken back."""

import math
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from batches.models import Batch, ProviderJob, Slice
from batches.models.batch import load_counts
from batches.rules.actors import Actor
from batches.rules.errors import Conflict
from batches.rules.execution import OPEN_JOBS, Execution, Recall
from batches.rules.states import TERMINAL, BatchStatus
from batches.services.core import wake
from providers.jobs.profiles import PROFILES
from providers.models import Provider

CALL_SECONDS = 10.0  # how long one direct call takes, where nothing better is known
MARGIN = 1.25  # direct calls may be slower than expected
MOST_OF_WINDOW = 0.5  # the reserve takes at most this part of the completion window
AT_ONCE = 500


class NotRecallable(Conflict):
    """The job is over: there is nothing to take back."""

    code = "not_recallable"


def direct_seconds(requests: int, provider: Provider) -> float:
    """About how long the executors need for so many requests at a provider, with its limits."""
    seconds = math.ceil(requests / max(provider.max_concurrency, 1)) * CALL_SECONDS
    if provider.requests_per_minute:
        seconds = max(seconds, requests / provider.requests_per_minute * 60)
    return seconds * MARGIN


def reserve(batch: Batch, *, open_requests: int) -> timedelta:
    """The time before its deadline that a hybrid batch needs to finish its open requests directly."""
    seconds = max(direct_seconds(open_requests, batch.provider), settings.JOB_RESERVE_SECONDS)
    window = (batch.expires_at - batch.created_at).total_seconds()
    return timedelta(seconds=min(seconds, window * MOST_OF_WINDOW))


def recall_at(batch: Batch, *, family: str, open_requests: int) -> datetime:
    """When the jobs of a batch are taken back: what is cancelled then is home early enough.

    A batch that is delegated alone is cancelled only so early that its results still arrive. Where a cancelled job brings
    nothing home, it runs on.
    """
    profile = PROFILES.get(family)
    takes = profile.cancel_takes if profile is not None and profile.cancel_keeps else timedelta()
    takes = min(takes, (batch.expires_at - batch.created_at) / 8)
    if batch.execution == Execution.HYBRID:
        takes += reserve(batch, open_requests=open_requests)
    return batch.expires_at - takes


def recall_due(*, now: datetime) -> int:
    """Take back the jobs of batches that stopped, and those that would miss their deadline. How many."""
    open_jobs = ProviderJob.objects.open().filter(recall="").order_by()
    batches = Batch.objects.filter(pk__in=list(open_jobs.values_list("batch", flat=True).distinct()))
    stopped = list(batches.exclude(status=BatchStatus.IN_PROGRESS).order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
    count = _recall(open_jobs.filter(batch__in=stopped), Recall.STOPPED, now=now) if stopped else 0
    running = batches.filter(status=BatchStatus.IN_PROGRESS).order_by("expires_at")
    spans = running.values_list("pk", "created_at", "expires_at")[:AT_ONCE]
    near = [pk for pk, created_at, expires_at in spans if now >= _earliest_recall(created_at, expires_at)]
    found = list(Batch.objects.filter(pk__in=near).select_related("provider"))
    load_counts(found)
    for batch in found:
        families = open_jobs.filter(batch=batch).values_list("family", flat=True).distinct()
        left = batch.counts.pending
        late = [family for family in families if now >= recall_at(batch, family=family, open_requests=left)]
        count += _recall(open_jobs.filter(batch=batch, family__in=late), Recall.LATE, now=now) if late else 0
    return count + _release_overdue(now=now)


def _recall(jobs: QuerySet[ProviderJob], why: Recall, *, now: datetime) -> int:
    return jobs.update(recall=why, recalled_at=now, recalled_by="engine", poll_at=now)


def _earliest_recall(created_at: datetime, expires_at: datetime) -> datetime:
    """The time before which no job of a batch with this window is taken back as late, however many requests are open."""
    window = expires_at - created_at
    return expires_at - window * MOST_OF_WINDOW - window / 8


def _release_overdue(*, now: datetime) -> int:
    """Free the requests of hybrid jobs that were taken back and have not come home although it is time to send directly."""
    held = ProviderJob.objects.open().filter(
        recall__in=[Recall.LATE, Recall.PERSON],
        released_at=None,
        batch__status=BatchStatus.IN_PROGRESS,
        batch__execution=Execution.HYBRID,
    )
    count = 0
    jobs = list(held.order_by("recalled_at").defer("seen").prefetch_related("batch", "batch__provider")[:AT_ONCE])
    load_counts(job.batch for job in jobs)
    for job in jobs:
        left = job.batch.counts.pending
        overdue = (
            job.recall == Recall.PERSON
            and job.recalled_at
            and now >= job.recalled_at + timedelta(seconds=settings.JOB_CANCEL_SECONDS)
        )
        if overdue or now >= job.batch.expires_at - reserve(job.batch, open_requests=left):
            count += release_slices(job, now=now, note="The provider did not give it back in time.")
    return count


def recall(job: ProviderJob, *, actor: Actor, now: datetime) -> ProviderJob:
    """Take a job back: cancel it at its provider, bring home what is done, and leave the rest to others.

    A job that is being taken back is returned unchanged. Raises NotRecallable.
    """
    taken = ProviderJob.objects.filter(pk=job.pk, state__in=OPEN_JOBS, recall="").update(
        recall=Recall.PERSON, recalled_at=now, recalled_by=actor.name[:200], poll_at=now, updated_at=now
    )
    job.refresh_from_db()
    if not taken and job.state not in OPEN_JOBS:
        raise NotRecallable(f"A job with state '{job.state}' cannot be taken back.")
    wake.delegate()
    return job


@transaction.atomic
def release_slices(job: ProviderJob, *, now: datetime, note: str = "") -> int:
    """Free the slices of a job that have open requests, and let others carry them out. How many slices.

    In a hybrid batch the executors do; in a delegated one the next job does. The caller need not hold the job.
    """
    batch = Batch.objects.select_for_update(no_key=True).get(pk=job.batch_id)
    freed = Slice.objects.filter(provider_job=job, pending__gt=0).update(provider_job=None, not_before=None)
    changes: dict[str, object] = {"released_at": now, "updated_at": now} | ({"note": note[:500]} if note else {})
    ProviderJob.objects.filter(pk=job.pk, released_at=None).update(**changes)
    if not freed or batch.status in TERMINAL:
        return freed
    if batch.execution == Execution.HYBRID:
        Batch.objects.filter(pk=batch.pk, taken_back_at=None).update(taken_back_at=now)
        wake.execute()
    else:
        wake.delegate()
    return freed

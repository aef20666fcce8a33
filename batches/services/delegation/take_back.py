"""take_back: return requests from provider jobs to the executors, and decide when jobs are taken back."""

import logging
import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Count, QuerySet, Sum

from batches.models import NOTE_CHARS, Batch, Event, ProviderHealth, ProviderJob, Slice, load_counts
from batches.rules.actors import ENGINE, Actor
from batches.rules.display.counted import counted
from batches.rules.errors import Conflict
from batches.rules.execution import OPEN_JOBS, Execution, Recall
from batches.rules.states import TERMINAL, Act, BatchStatus
from batches.services.core import wake
from batches.services.core.audit import record_acts
from batches.services.core.transition import record
from batches.services.delegation.due import KEYS_A_STATEMENT, lock_batch
from batches.services.policy.deadline_guard import (
    CALL_SECONDS,
    CANCEL_OF_WINDOW,
    MOST_OF_WINDOW,
    Course,
    JobAtWork,
    Pace,
    recall_times,
)
from batches.services.tally.late_batches import mark_at_risk
from batches.services.tally.pace import call_seconds
from providers.jobs.profiles import PROFILES
from providers.models import Provider

logger = logging.getLogger(__name__)

MOST_EARLY = MOST_OF_WINDOW + CANCEL_OF_WINDOW  # no job is taken back before this part of the window is left
KNOWN_FOR = timedelta(minutes=10)  # how long the concurrency that a provider allowed counts
MEASURED_OVER = timedelta(minutes=15)  # the time over which calls are measured
AT_ONCE = 500


class NotRecallable(Conflict):
    """The job is over: there is nothing to take back."""

    code = "not_recallable"


def recall_at(batch: Batch, *, family: str, open_requests: int) -> datetime:
    """When a job with so many open requests is taken back, if it is the only one. See `policy.deadline_guard`."""
    job = JobAtWork(batch.pk, open_requests, _cancel_takes(family))
    return recall_times([_course(batch, (job,))], pace=_pace(batch.provider), least=_least())[batch.pk]


def recall_due(*, now: datetime) -> int:
    """Take back the jobs of batches that stopped, and those that would miss their deadline. How many.

    A batch with a job that would be late is marked as at risk. A fault with one provider or job keeps no other from its turn.
    """
    open_jobs = ProviderJob.objects.open().filter(recall="").order_by()
    batches = Batch.objects.filter(pk__in=list(open_jobs.values_list("batch", flat=True).distinct()))
    stopped = list(batches.exclude(status=BatchStatus.IN_PROGRESS).order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
    count = _recall(open_jobs.filter(batch__in=stopped), Recall.STOPPED, now=now) if stopped else 0
    near: defaultdict[Provider, list[Batch]] = defaultdict(list)
    for batch in _near_their_deadline(batches, now=now):
        near[batch.provider].append(batch)
    for provider, some in near.items():
        count += _alone(_recall_late, provider, some, now=now)
    return count + _release_overdue(now=now)


def _alone(act: Callable[..., int], *about: object, now: datetime) -> int:
    """What an act returns; 0 after a fault of its own, which is logged. That the database does not answer is for the caller."""
    try:
        return act(*about, now=now)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        logger.exception("%s failed for %s", act.__name__, about[0])
        return 0


def _near_their_deadline(batches: QuerySet[Batch], *, now: datetime) -> list[Batch]:
    """Those of the batches that run and whose jobs may be due to be taken back at all."""
    running = batches.filter(status=BatchStatus.IN_PROGRESS).order_by("expires_at")
    spans = running.values_list("pk", "created_at", "expires_at")[:AT_ONCE]
    near = [pk for pk, created_at, expires_at in spans if now >= expires_at - (expires_at - created_at) * MOST_EARLY]
    return list(Batch.objects.filter(pk__in=near).select_related("provider").order_by("expires_at"))


@transaction.atomic
def _recall(jobs: QuerySet[ProviderJob], why: Recall, *, now: datetime) -> int:
    """Take back those of the jobs that nobody has taken back. How many. They are locked in one order, as everywhere."""
    keys = list(jobs.filter(recall="").select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))
    taken = 0
    for start in range(0, len(keys), KEYS_A_STATEMENT):
        some = ProviderJob.objects.filter(pk__in=keys[start : start + KEYS_A_STATEMENT])
        taken += some.take_back(why, by=ENGINE.name, now=now)
    return taken


def _recall_late(provider: Provider, batches: Sequence[Batch], *, now: datetime) -> int:
    """Take back the jobs of some batches of one provider for which it is time. How many."""
    load_counts(batches)
    courses = {batch.pk: _course(batch, jobs, pending=batch.counts.pending) for batch, jobs in _jobs_at_work(batches)}
    times = recall_times(courses.values(), pace=_pace(provider, now=now), least=_least())
    count = 0
    for batch in batches:
        late = [job.key for job in courses[batch.pk].jobs if now >= times[job.key]]
        if late:
            count += _recall_some(batch, late, now=now)
    return count


@transaction.atomic
def _recall_some(batch: Batch, late: Sequence[uuid.UUID], *, now: datetime) -> int:
    """Take back some jobs of one batch, which get no successors. The event counts all that were taken back for this reason."""
    Batch.objects.select_for_update(no_key=True).get(pk=batch.pk)
    taken = _recall(ProviderJob.objects.filter(pk__in=late), Recall.LATE, now=now)
    if not taken:
        return 0
    Batch.objects.filter(pk=batch.pk, taken_back_at=None).update(taken_back_at=now)
    mark_at_risk(batch.pk, now=now)
    jobs = ProviderJob.objects.filter(batch=batch, recall=Recall.LATE).aggregate(jobs=Count("pk"), rows=Sum("rows"))
    many = f"{counted(jobs['jobs'], 'job')} with {counted(jobs['rows'], 'request')}"
    tell(batch, Act.TAKEN_BACK, f"{many} would miss the deadline.", now=now)
    return taken


def _jobs_at_work(batches: Sequence[Batch]) -> Iterator[tuple[Batch, list[JobAtWork]]]:
    """The jobs of each batch that nobody has taken back, with their open requests."""
    jobs = ProviderJob.objects.open().filter(batch__in=batches, recall="").annotate(open_requests=Sum("slices__pending"))
    columns = ("pk", "batch", "family", "open_requests", "rows", "reported_succeeded", "reported_failed", "started_at")
    found: defaultdict[uuid.UUID, list[JobAtWork]] = defaultdict(list)
    for pk, batch_id, family, left, rows, succeeded, failed, started_at in jobs.order_by().values_list(*columns):
        done = ((succeeded or 0) + (failed or 0)) / rows if rows else 0.0
        found[batch_id].append(JobAtWork(pk, left or 0, _cancel_takes(family), min(done, 1.0), started_at))
    for batch in batches:
        yield batch, found[batch.pk]


def _course(batch: Batch, jobs: Collection[JobAtWork], *, pending: int = 0) -> Course:
    loose = max(pending - sum(job.requests for job in jobs), 0)
    return Course(batch.created_at, batch.expires_at, jobs, batch.execution == Execution.HYBRID, loose)


def _cancel_takes(family: str) -> timedelta:
    """How long a cancelled job is waited for; 0 where it brings nothing home, so that it runs on."""
    profile = PROFILES.get(family)
    return profile.cancel_takes if profile is not None and profile.cancel_keeps else timedelta()


def _least() -> timedelta:
    return timedelta(seconds=settings.JOB_RESERVE_SECONDS)


def _pace(provider: Provider, *, now: datetime | None = None) -> Pace:
    """How fast executors send to a provider at present, as far as it is known; or how fast they may, without the time."""
    if now is None:
        return Pace(provider.max_concurrency, per_minute=provider.requests_per_minute)
    lately = ProviderHealth.objects.filter(provider=provider, model="", updated_at__gt=now - KNOWN_FOR)
    allowed = lately.values_list("concurrency", flat=True).first()
    concurrency = min(provider.max_concurrency, allowed or provider.max_concurrency)
    measured = call_seconds(provider.pk, since=now - MEASURED_OVER)
    return Pace(concurrency, measured or CALL_SECONDS, provider.requests_per_minute)


def _release_overdue(*, now: datetime) -> int:
    """Free the requests of hybrid jobs that were taken back and have not come home although it is time to send directly."""
    held = ProviderJob.objects.open().filter(
        recall__in=[Recall.LATE, Recall.PERSON],
        released_at=None,
        batch__status=BatchStatus.IN_PROGRESS,
        batch__execution=Execution.HYBRID,
    )
    count = 0
    for job in held.order_by("recalled_at").defer("seen").prefetch_related("batch", "batch__provider")[:AT_ONCE]:
        count += _alone(_release_if_overdue, job, now=now)
    return count


def _release_if_overdue(job: ProviderJob, *, now: datetime) -> int:
    """Free the requests of one job if it was waited for long enough. How many slices."""
    assert job.recalled_at is not None
    takes = _course(job.batch, ()).cancel_time(_cancel_takes(job.family))
    if takes and job.recall == Recall.PERSON:
        takes = timedelta(seconds=settings.JOB_CANCEL_SECONDS)
    latest = recall_at(job.batch, family="", open_requests=job.rows)
    if now < min(job.recalled_at + takes, max(latest, job.recalled_at)):
        return 0
    return release_slices(job, now=now, note="The provider did not give it back in time.")


@transaction.atomic
def recall(job: ProviderJob, *, actor: Actor, now: datetime, reason: str = "") -> ProviderJob:
    """Take a job back: cancel it at its provider, bring home what is done, and leave the rest to others.

    A job that is being taken back is returned unchanged. Raises NotRecallable.
    """
    taken = recall_many(ProviderJob.objects.filter(pk=job.pk), actor=actor, now=now, reason=reason)
    job.refresh_from_db()
    if not taken and job.state not in OPEN_JOBS:
        raise NotRecallable(f"A job with state '{job.state}' cannot be taken back.")
    return job


def recallable(jobs: QuerySet[ProviderJob]) -> QuerySet[ProviderJob]:
    """Those of the jobs that can be taken back."""
    return jobs.filter(state__in=OPEN_JOBS, recall="")


def recall_many(jobs: QuerySet[ProviderJob], *, actor: Actor, now: datetime, reason: str = "") -> int:
    """Take back those of the jobs that can be, each with its audit entry. How many."""
    keys = list(recallable(jobs).order_by("pk").values_list("pk", flat=True))
    count = 0
    for start in range(0, len(keys), AT_ONCE):
        with transaction.atomic():
            locked = ProviderJob.objects.select_for_update(of=("self",)).filter(pk__in=keys[start : start + AT_ONCE])
            rows = list(recallable(locked).order_by("pk").select_related("batch__project").defer("seen"))
            taken = ProviderJob.objects.filter(pk__in=[row.pk for row in rows])
            taken.take_back(Recall.PERSON, by=actor.name, now=now)
            record_acts("recall_job", [(row, row.batch.project) for row in rows], actor=actor, now=now, reason=reason)
        count += len(rows)
    if count:
        wake.delegate()
    return count


@transaction.atomic
def release_slices(job: ProviderJob, *, now: datetime, note: str = "") -> int:
    """Free the slices of a job that have open requests, and let others carry them out. How many slices.

    In a hybrid batch the executors do; in a delegated one, or at another provider, the next job does. The caller need not hold
    the job. Rows are locked in one order everywhere, so that no deadlock arises: batch, job, slices.
    """
    batch = lock_batch(job)
    changes: dict[str, object] = {"released_at": now, "updated_at": now} | ({"note": note[:500]} if note else {})
    ProviderJob.objects.filter(pk=job.pk, released_at=None).update(**changes)
    pieces = Slice.objects.select_for_update().filter(provider_job=job, pending__gt=0).order_by("pk")
    freed = dict(pieces.values_list("pk", "pending"))
    if not freed:
        return 0
    Slice.objects.filter(pk__in=freed).update(provider_job=None, not_before=None)
    if batch.status in TERMINAL:
        return len(freed)
    if batch.execution == Execution.HYBRID and job.recall != Recall.MOVED:
        send_directly(batch, requests=sum(freed.values()), why=note or _why(job), now=now)
    else:
        wake.delegate()
    return len(freed)


def _why(job: ProviderJob) -> str:
    """Why a job leaves requests to others, in one sentence."""
    if job.recall:
        return f"Job {job.marker} was taken back: {Recall(job.recall).label}."
    return f"Job {job.marker} brought no result that can be kept for all of its requests."


def send_directly(batch: Batch, *, requests: int, why: str, now: datetime) -> None:
    """Let the executors send the requests of a hybrid batch that are in no job. The first time is told in the timeline."""
    if Batch.objects.filter(pk=batch.pk, taken_back_at=None).update(taken_back_at=now) or not _is_told(batch):
        many = counted(requests, "request is", "requests are")
        tell(batch, Act.FINISHED_DIRECTLY, f"{many} sent directly, and so will be others without a result. {why}", now=now)
    wake.execute()


def _is_told(batch: Batch) -> bool:
    return Event.objects.filter(batch=batch, act=Act.FINISHED_DIRECTLY).exists()


def tell(batch: Batch, act: Act, note: str, *, now: datetime) -> None:
    """Note in the timeline of a running batch what the engine did with its jobs. One event tells of all that was taken back.

    The version of the batch stays, because nothing changed that somebody may have chosen.
    """
    if act is Act.TAKEN_BACK:
        told = Event.objects.filter(batch=batch, act=act, source=ENGINE.source).order_by("-created_at").first()
        if told is not None:
            Event.objects.filter(pk=told.pk).update(note=note[:NOTE_CHARS])
            return
    batch.refresh_from_db(fields=["status", "version"])
    record(batch, origin=BatchStatus(batch.status), actor=ENGINE, now=now, note=note, act=act)

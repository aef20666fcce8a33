"""watching: what was seen of a job at its provider, and when it is looked at again."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from batches.models import ProviderJob
from batches.rules.execution import IncidentCode, JobState
from batches.rules.states import BatchStatus
from batches.services.delegation.due import lock_each, put_off, write, write_each
from batches.services.delegation.incidents import Finding, open_incident, open_incidents_of
from batches.services.delegation.take_back import recall_at
from providers.base import Failure
from providers.failures import Kind
from providers.jobs.base import Snapshot
from providers.jobs.profiles import PROFILES

SOON = timedelta(minutes=10)  # so long before it is taken back a job is looked at more often
LONG = timedelta(hours=6)  # after which it is looked at less often
NOT_LISTED = Failure(Kind.NOT_FOUND, "The provider's list of jobs does not show the job.", code=Kind.NOT_FOUND.value)
MISSES = 10  # failed looks in a row after which people are told


def next_look(job: ProviderJob, *, now: datetime, calls: float | None = None, jitter: float | None = None) -> datetime:
    """When a running job is looked at again. `jitter` is a share of the interval, by default a random one.

    `calls` is how many calls a look at all jobs of the provider takes; by default it is found out. The interval is so long that
    the provider is not called more often than JOB_POLLS_PER_MINUTE. Where jobs are looked at one by one, those that are taken
    back or near their deadline wait for each other alone.
    """
    seconds, is_urgent = settings.JOB_POLL_SECONDS, _is_urgent(job, now=now)
    if job.started_at is not None and now - job.started_at > LONG:
        seconds *= 5
    if is_urgent:
        seconds = min(seconds, settings.JOB_POLL_SECONDS / 4)
    if calls is None:
        calls = calls_of(job, among=~Q(recall="") | Q(batch=job.batch_id)) if is_urgent else calls_of(job)
    seconds = max(seconds, calls * 60 / settings.JOB_POLLS_PER_MINUTE)
    share = random.uniform(0, 0.2) if jitter is None else jitter
    return now + timedelta(seconds=seconds * (1 + share))


def _is_urgent(job: ProviderJob, *, now: datetime) -> bool:
    """Whether a job was taken back, or soon will be."""
    return bool(job.recall) or recall_at(job.batch, family=job.family, open_requests=job.rows) - now < SOON


def calls_of(job: ProviderJob, *, among: Q | None = None) -> float:
    """How many calls it takes to look once at the jobs that the provider of a job runs: one for each, or for a page of all.

    `among` are the jobs that count where each is looked at by itself.
    """
    running = ProviderJob.objects.filter(provider=job.provider_id, state=JobState.RUNNING)
    profile = PROFILES.get(job.family)
    if profile is not None and profile.lists:
        return running.count() / profile.lists
    return running.filter(among or Q()).count()


def running(job: ProviderJob, found: Snapshot, *, now: datetime) -> None:
    """Record that a job was seen at its provider, after which it runs or is collected."""
    was = job.state
    changes = _seen(job, found, now=now)
    with transaction.atomic():
        # Somebody may have taken the job back since it was leased, and would wait for the next look but one.
        job.recall = ProviderJob.objects.select_for_update(of=("self",)).values_list("recall", flat=True).get(pk=job.pk)
        for code, note in _troubles(job, found):
            open_incident(job, code, note, now=now)
        at_once = found.has_ended or (job.recall and job.cancel_asked_at is None and was != JobState.RUNNING)
        write(job, now=now, poll_at=now if at_once else next_look(job, now=now), **changes)


def listed(found: Sequence[tuple[ProviderJob, Snapshot]], *, calls: float, now: datetime) -> None:
    """Record what a list showed of many running jobs of one provider, like `running`. `calls` is how many calls the list took.

    The jobs that another worker has taken meanwhile are left alone.
    """
    shown = {job.pk: seen for job, seen in found}
    with transaction.atomic():
        held = [(job, shown[job.pk]) for job in lock_each([job for job, _ in found])]
        open_incidents_of([(job, *trouble) for job, seen in held for trouble in _troubles(job, seen)], now=now)
        changes = []
        for job, seen in held:
            each = _seen(job, seen, now=now)
            each["poll_at"] = now if seen.has_ended else next_look(job, now=now, calls=calls)
            changes.append((job, each))
        write_each(changes, now=now)


def _seen(job: ProviderJob, found: Snapshot, *, now: datetime) -> dict[str, Any]:
    """The columns of a job that was seen at its provider, all but the time of the next look."""
    is_new_end = found.has_ended and job.state != JobState.COLLECTING
    changes: dict[str, Any] = {
        "state": JobState.COLLECTING if found.has_ended else JobState.RUNNING,
        "remote_id": found.remote_id[:300],
        "word": found.word[:64],
        "ending": found.ending.value if found.ending else "",
        "outputs": list(found.outputs),
        "reported_total": found.counts.total,
        "reported_succeeded": found.counts.succeeded,
        "reported_failed": found.counts.failed,
        "remote_created_at": found.created_at or job.remote_created_at,
        "remote_ended_at": found.ended_at,
        "remote_expires_at": found.expires_at,
        "tries": 0,
        "failure": "",
        "note": "",
        "problem_kind": found.problem.kind.value if found.problem is not None else "",
        "started_at": job.started_at or now,
        "looks": 0 if is_new_end else job.looks,
        "collecting_at": now if is_new_end else job.collecting_at,
    }
    job.started_at = job.started_at or now
    if found.problem is not None:
        changes["failure"] = changes["note"] = found.problem.message[:500]
    return changes


def _troubles(job: ProviderJob, found: Snapshot) -> list[tuple[IncidentCode, str]]:
    """The incidents of what was seen, with the numbers of both sides."""
    troubles = []
    if not found.is_known:
        note = f"The provider calls the job '{found.word[:64]}', which is taken for running."
        troubles.append((IncidentCode.UNKNOWN_WORD, note))
    total = found.counts.total
    if total and job.rows and total != job.rows:
        note = f"The provider counts {total:,} requests in the job, and {job.rows:,} were sent."
        troubles.append((IncidentCode.COUNTS_DIFFER, note))
    if found.problem is not None and found.problem.kind is not Kind.RATE_LIMITED:
        troubles.append((IncidentCode.FAILED, found.problem.message))
    return troubles


def is_to_be_cancelled(job: ProviderJob) -> bool:
    """Whether a running job is to be cancelled at its provider with the next call.

    Where a cancelled job brings nothing home, a job that was taken back runs on while its batch does: its results may still be
    the first. After the end of the batch nobody wants them, and they would only cost. A job that was adopted without a marker
    is not cancelled before its rows prove that it is ours.
    """
    if not job.recall or job.cancel_asked_at is not None or not job.is_proven:
        return False
    profile = PROFILES.get(job.family)
    return job.batch.status != BatchStatus.IN_PROGRESS or (profile is not None and profile.cancel_keeps)


def cancel_asked(job: ProviderJob, found: Snapshot, *, now: datetime) -> None:
    """Record that the provider was asked to cancel, and how the job stood then. A call that failed is repeated."""
    write(job, now=now, release=False, cancel_asked_at=now)
    running(job, found, now=now)


def missed(job: ProviderJob, failure: Failure, *, now: datetime) -> None:
    """Record a look that failed. That a job cannot be found is no news: providers answer so for jobs that exist."""
    if trouble := _trouble_of_miss(job, failure):
        open_incident(job, *trouble, now=now)
    put_off(job, seconds=patience(job, failure), now=now, failure=failure.message)


def look_later(jobs: Sequence[ProviderJob], *, now: datetime) -> None:
    """Leave these running jobs of one provider for their next turn, because it was asked often enough for the moment."""
    calls = calls_of(jobs[0])

    def later(job: ProviderJob) -> datetime:
        among_all = None if _is_urgent(job, now=now) else calls
        return next_look(job, now=now, calls=among_all, jitter=random.uniform(-1, 0))

    with transaction.atomic():
        write_each([(job, {"poll_at": later(job)}) for job in lock_each(jobs)], now=now)


def not_listed(jobs: Sequence[ProviderJob], failure: Failure, *, now: datetime) -> None:
    """Record that a list did not show these jobs, like `missed`. Those that another worker has taken are left alone."""
    with transaction.atomic():
        held, failed = lock_each(jobs), failure.message[:500]
        troubles: list[Finding] = [(job, *trouble) for job in held if (trouble := _trouble_of_miss(job, failure))]
        open_incidents_of(troubles, now=now)
        times = [(job, now + timedelta(seconds=patience(job, failure))) for job in held]
        write_each([(job, {"poll_at": at, "tries": job.tries + 1, "failure": failed}) for job, at in times], now=now)


def _trouble_of_miss(job: ProviderJob, failure: Failure) -> tuple[IncidentCode, str] | None:
    """The incident of a job whose looks have failed many times in a row, this one included; None before."""
    if job.tries + 1 < MISSES:
        return None
    code = IncidentCode.GONE if failure.kind is Kind.NOT_FOUND else IncidentCode.UNREADABLE
    return code, f"The last looks at the job failed: {failure.message}"


def patience(job: ProviderJob, failure: Failure) -> float:
    """Seconds until the next look after one that failed; more with each in a row."""
    seconds: float = min(settings.JOB_POLL_SECONDS / 4 * 2 ** min(job.tries, 6), settings.JOB_POLL_SECONDS * 5)
    return max(seconds, failure.retry_after or 0.0)

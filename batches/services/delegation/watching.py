"""watching: what was seen of a job at its provider, and when it is looked at again."""

import random
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from batches.models import ProviderJob
from batches.rules.execution import IncidentCode, JobState
from batches.services.delegation.due import put_off, write
from batches.services.delegation.incidents import open_incident
from batches.services.delegation.take_back import recall_at
from providers.base import Failure
from providers.failures import Kind
from providers.jobs.base import Snapshot
from providers.jobs.profiles import PROFILES

SOON = timedelta(minutes=10)  # so long before it is taken back a job is looked at more often
LONG = timedelta(hours=6)  # after which it is looked at less often
NOT_LISTED = Failure(Kind.NOT_FOUND, "The provider's list of jobs does not show the job.", code=Kind.NOT_FOUND.value)
MISSES = 10  # failed looks in a row after which people are told


def next_look(job: ProviderJob, *, now: datetime, jitter: float | None = None) -> datetime:
    """When a running job is looked at again. `jitter` is a share of the interval, by default a random one."""
    seconds = settings.JOB_POLL_SECONDS
    profile = PROFILES.get(job.family)
    if profile is not None and not profile.lists:
        open_jobs = ProviderJob.objects.filter(provider=job.provider_id, state=JobState.RUNNING).count()
        seconds = max(seconds, open_jobs * 60 / settings.JOB_POLLS_PER_MINUTE)
    if job.started_at is not None and now - job.started_at > LONG:
        seconds *= 5
    if job.recall or recall_at(job.batch, family=job.family, open_requests=job.rows) - now < SOON:
        seconds = min(seconds, settings.JOB_POLL_SECONDS / 4)
    share = random.uniform(0, 0.2) if jitter is None else jitter
    return now + timedelta(seconds=seconds * (1 + share))


def running(job: ProviderJob, found: Snapshot, *, now: datetime) -> None:
    """Record that a job was seen at its provider, after which it runs or is collected."""
    collect = found.has_ended
    was = job.state
    changes: dict[str, Any] = {
        "state": JobState.COLLECTING if collect else JobState.RUNNING,
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
    }
    changes["problem_kind"] = found.problem.kind.value if found.problem is not None else ""
    if found.problem is not None:
        changes["failure"] = changes["note"] = found.problem.message[:500]
    if job.started_at is None:
        changes["started_at"] = job.started_at = now
    if collect and was != JobState.COLLECTING:
        changes |= {"looks": 0, "collecting_at": now}
    with transaction.atomic():
        _tell(job, found, now=now)
        write(job, now=now, poll_at=now if collect else next_look(job, now=now), **changes)


def _tell(job: ProviderJob, found: Snapshot, *, now: datetime) -> None:
    """Open the incidents of what was seen."""
    if not found.is_known:
        note = f"The provider calls the job '{found.word[:64]}', which is taken for running."
        open_incident(job, IncidentCode.UNKNOWN_WORD, note, now=now)
    total = found.counts.total
    if total and job.rows and total != job.rows:
        note = f"The provider counts {total:,} requests in the job, and {job.rows:,} were sent."
        open_incident(job, IncidentCode.COUNTS_DIFFER, note, now=now)
    if found.problem is not None and found.problem.kind is not Kind.RATE_LIMITED:
        open_incident(job, IncidentCode.FAILED, found.problem.message, now=now)


def cancel_asked(job: ProviderJob, found: Snapshot, *, now: datetime) -> None:
    """Record that the provider was asked to cancel, and how the job stood then. A call that failed is repeated."""
    write(job, now=now, release=False, cancel_asked_at=now)
    running(job, found, now=now)


def missed(job: ProviderJob, failure: Failure, *, now: datetime) -> None:
    """Record a look that failed. That a job cannot be found is no news: providers answer so for jobs that exist."""
    if job.tries + 1 >= MISSES:
        code = IncidentCode.GONE if failure.kind is Kind.NOT_FOUND else IncidentCode.UNREADABLE
        open_incident(job, code, f"The last looks at the job failed: {failure.message}", now=now)
    seconds = min(settings.JOB_POLL_SECONDS / 4 * 2 ** min(job.tries, 6), settings.JOB_POLL_SECONDS * 5)
    put_off(job, seconds=max(seconds, failure.retry_after or 0), now=now, failure=failure.message)

"""concluding: what follows when the results of a job were read to their end, or cannot be read."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from batches.models import ProviderJob
from batches.rules.execution import IncidentCode, JobState
from batches.services.delegation import watching
from batches.services.delegation.creating.doubt import create_again, rule_out
from batches.services.delegation.creating.submitting import FULL_SECONDS
from batches.services.delegation.due import BUSY, QUEUE_FULL, hold_back, let_next, lock_batch, put_off, write
from batches.services.delegation.incidents import open_incident, resolve_incidents
from batches.services.delegation.take_back import release_slices
from batches.services.delegation.watching import MISSES
from providers.base import Failure
from providers.failures import Kind
from providers.jobs.base import Ending

BUSY_SECONDS = 10.0  # how long rows wait whose requests an executor has in hand; doubled with each look
LONGEST_BUSY_SECONDS = 300.0
UNREADABLE_TRIES = 20


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of the results from their beginning to their end."""

    outputs: list[str]
    busy: int = 0
    foreign: int = 0
    unreadable: int = 0


def finish(job: ProviderJob, reading: Reading, *, now: datetime) -> bool:
    """Conclude after the results were read to their end. False if they are read again later.

    The lines of the results are compared with the lines that were sent. Missing ones may come late; then their requests are
    left to others.
    """
    read = {"outputs": reading.outputs, "foreign": reading.foreign, "unreadable": reading.unreadable}
    write(job, now=now, release=False, **read)
    fresh = ProviderJob.objects.defer("seen").get(pk=job.pk)
    if reading.busy:
        seconds = min(BUSY_SECONDS * 2 ** min(job.looks, 8), LONGEST_BUSY_SECONDS)
        note = f"{reading.busy:,} rows wait for calls in flight."
        write(job, now=now, poll_at=now + timedelta(seconds=seconds), looks=job.looks + 1, note=note)
        return False
    if not fresh.collected and fresh.foreign and not fresh.is_proven:
        note = f"Job {job.remote_id} was taken for this one, but its {fresh.foreign:,} results are of other requests."
        rule_out(job, note=note, now=now)
        return False
    missing = max(job.rows - fresh.collected, 0)
    since = job.collecting_at or job.started_at or now  # by the portal's clock, from which the provider's may differ
    if not fresh.collected and job.problem_kind == Kind.RATE_LIMITED.value:
        seconds = FULL_SECONDS * 2 ** min(len(job.former_markers), 5)
        with transaction.atomic():
            create_again(job, now=now, seconds=seconds, note=QUEUE_FULL)
            hold_back(job, until=now + timedelta(seconds=seconds), note=QUEUE_FULL, now=now)
        return False
    complete = job.ending in (Ending.COMPLETED.value, Ending.CANCELLED.value, Ending.EXPIRED.value)
    if missing and complete and not _is_over(since, job, now=now):
        seconds = max(settings.JOB_GRACE_SECONDS / 10, 1.0)
        note = f"{missing:,} results are missing; they may come late."
        write(job, now=now, poll_at=now + timedelta(seconds=seconds), looks=job.looks + 1, note=note)
        return False
    _conclude(job, fresh, now=now)
    return True


@transaction.atomic
def _conclude(job: ProviderJob, fresh: ProviderJob, *, now: datetime) -> None:
    """End a job with what came of it, and leave its open requests to others."""
    lock_batch(job)
    missing = max(job.rows - fresh.collected, 0)
    note = _conclusion(fresh, missing=missing)
    write(job, now=now, state=JobState.ENDED, ended_at=now, poll_at=now, tries=0, failure="", looks=0, note=note)
    _tell(fresh, missing=missing, now=now)
    release_slices(job, now=now)
    let_next(job, QUEUE_FULL, BUSY, now=now)


def _is_over(since: datetime, job: ProviderJob, *, now: datetime) -> bool:
    """Whether missing results are no longer waited for. Cancelled and expired jobs may well have none for some rows."""
    grace = settings.JOB_GRACE_SECONDS
    if job.ending != Ending.COMPLETED.value and job.looks >= 2:
        return True
    return now >= since + timedelta(seconds=grace) and job.looks >= 1


def _conclusion(job: ProviderJob, *, missing: int) -> str:
    parts = [f"{job.succeeded:,} succeeded", f"{job.failed:,} failed"]
    more = (("never_ran", "never ran"), ("duplicates", "were duplicates"), ("late", "came too late"))
    parts += [f"{getattr(job, name):,} {words}" for name, words in more if getattr(job, name)]
    if missing:
        parts.append(f"{missing:,} had no result")
    return f"{', '.join(parts)}."


def _tell(job: ProviderJob, *, missing: int, now: datetime) -> None:
    """Open the incidents of what was collected, with the numbers of both sides."""
    if missing and job.ending == Ending.COMPLETED.value:
        note = f"{job.rows:,} requests were sent, and {job.collected:,} results came: {missing:,} are missing."
        open_incident(job, IncidentCode.MISSING_ROWS, note, now=now)
    else:
        resolve_incidents(job, IncidentCode.MISSING_ROWS, by="engine", resolution="Every result came.", now=now)
    if job.foreign:
        note = f"{job.foreign:,} results are of requests that were not in the job."
        open_incident(job, IncidentCode.FOREIGN_ROWS, note, now=now)
    if job.unreadable:
        open_incident(job, IncidentCode.UNREADABLE, f"{job.unreadable:,} lines of the results cannot be read.", now=now)
    reported = (job.reported_succeeded, job.reported_failed)
    if None not in reported and job.ending == Ending.COMPLETED.value:
        good = job.succeeded + job.duplicates + job.late
        if (reported[0] or 0) > job.collected:
            note = f"The provider counts {reported[0]:,} succeeded and {reported[1]:,} failed; {good:,} results succeeded."
            open_incident(job, IncidentCode.COUNTS_DIFFER, note, now=now)


def missed(job: ProviderJob, failure: Failure, *, now: datetime) -> None:
    """Record a look that failed. A job that was taken back and cannot be found time and again is given up."""
    if failure.kind is Kind.NOT_FOUND and job.recall and job.tries + 1 >= MISSES:
        open_incident(job, IncidentCode.GONE, f"The last {job.tries + 1} looks did not find the job: {failure.message}", now=now)
        _conclude(job, ProviderJob.objects.defer("seen").get(pk=job.pk), now=now)
        return
    watching.missed(job, failure, now=now)


def unreadable_results(job: ProviderJob, failure: Failure, *, now: datetime) -> None:
    """Record that the results could not be read to their end. They are read again; after many times people are told.

    Results that are gone, or broken off as the provider keeps them, come no more: then the job is concluded without them.
    """
    if job.tries + 1 >= UNREADABLE_TRIES:
        open_incident(job, IncidentCode.UNREADABLE, f"The results cannot be read: {failure.message}", now=now)
        if failure.kind in (Kind.NOT_FOUND, Kind.INVALID_RESPONSE) or failure.http_status == 410:
            _conclude(job, ProviderJob.objects.defer("seen").get(pk=job.pk), now=now)
            return
    put_off(job, seconds=watching.patience(job, failure), now=now, failure=failure.message)

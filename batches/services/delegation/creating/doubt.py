"""doubt: whether a create call without an answer has made a job, and which. A job is created again only when that is shown.

It is looked for by its marker, and adopted. It is created again only after a complete list has shown that it does not exist, or
when somebody decides so.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from batches.models import ProviderJob
from batches.rules.execution import IncidentCode, JobState, Recall
from batches.rules.wire_ids import marked_job, marker_of
from batches.services.delegation.creating.submitting import created
from batches.services.delegation.due import KEYS_A_STATEMENT, put_off, write
from batches.services.delegation.incidents import open_incident
from providers.base import Failure
from providers.jobs.base import Found, Snapshot
from providers.jobs.profiles import PROFILES
from providers.models import Provider

LOOKS = 3  # how many complete lists without the job show that it does not exist
HELD_SECONDS = 300.0
FORGOTTEN_AFTER = timedelta(hours=48)  # a job in doubt that nobody waits for any more is looked for no longer
NOTHING_CAME = "No job came of the last create call."
# The columns of a job that is not known to exist at its provider.
_NOTHING_THERE: Mapping[str, Any] = {
    "started_at": None,
    "collecting_at": None,
    "remote_id": "",
    "word": "",
    "ending": "",
    "problem_kind": "",
    "outputs": [],
    "reported_total": None,
    "reported_succeeded": None,
    "reported_failed": None,
    "remote_created_at": None,
    "remote_ended_at": None,
    "remote_expires_at": None,
}


def in_doubt(job: ProviderJob, failure: Failure | None, *, now: datetime) -> None:
    """Record that nobody knows whether the create call succeeded: its answer was lost, or the worker that made it."""
    message = failure.message if failure is not None else "The worker that made the create call ended before the answer."
    wait = min(30.0, settings.JOB_DOUBT_SECONDS / 20)
    write(job, now=now, state=JobState.UNCERTAIN, looks=0, failure=message[:500], poll_at=now + timedelta(seconds=wait))


def looked_for(job: ProviderJob, found: Found | Failure, *, now: datetime) -> None:
    """Decide about a job in doubt: adopt it, look again, create it anew, or hold it until a person decides."""
    if isinstance(found, Failure):
        put_off(job, seconds=min(30.0, settings.JOB_DOUBT_SECONDS / 10), now=now, failure=found.message)
        return
    taken = _taken(job, [*found.jobs, *found.others])
    candidates = [one for one in found.jobs if one.remote_id not in taken]
    strangers = [one for one in found.others if one.remote_id not in taken]
    if len(candidates) == 1:
        adopt(job, candidates[0], now=now)
        return
    assert job.sent_at is not None
    waited = (now - job.sent_at).total_seconds() >= settings.JOB_DOUBT_SECONDS
    looks = job.looks + 1
    if candidates:
        names = [one.remote_id for one in candidates[:5]]
        note = f"The provider has {len(candidates)} jobs that may be it: {', '.join(names)}."
        open_incident(job, IncidentCode.AMBIGUOUS, note, now=now, candidates=names)
    elif found.is_complete and not strangers and waited and looks >= LOOKS:
        create_again(job, now=now)
        return
    elif waited and (strangers or not found.is_complete):
        named = [one.remote_id for one in strangers[:1]]
        open_incident(job, IncidentCode.UNCERTAIN, _why_uncertain(job, strangers), now=now, candidates=named)
    is_elsewhere = job.released_at is not None or job.recall == Recall.STOPPED
    if is_elsewhere and now - job.sent_at > FORGOTTEN_AFTER:
        note = "It never appeared at the provider."
        write(job, now=now, state=JobState.ENDED, ended_at=now, poll_at=now if job.has_files else None, note=note)
        return
    is_held = waited and (candidates or strangers or not found.is_complete)
    seconds = HELD_SECONDS if is_held else min(60.0, settings.JOB_DOUBT_SECONDS / 5)
    write(job, now=now, looks=looks, poll_at=now + timedelta(seconds=seconds))


def adopt(job: ProviderJob, found: Snapshot, *, now: datetime) -> None:
    """Take a job at the provider for this one. Where its marker does not show, only its rows prove that it is."""
    profile = PROFILES.get(job.family)
    if profile is None or not profile.has_marker:
        write(job, now=now, release=False, adopted_at=now)
    created(job, found, now=now)


def rule_out(job: ProviderJob, *, note: str, now: datetime) -> None:
    """Record that the adopted job is somebody else's, by the ids of its rows. The job is in doubt again."""
    with transaction.atomic():
        open_incident(job, IncidentCode.FOREIGN_ROWS, note, now=now)
        former = [*(job.ruled_out or ()), job.remote_id]
        changes: dict[str, Any] = {"state": JobState.UNCERTAIN, "looks": 0, "ruled_out": former, "adopted_at": None}
        write(job, now=now, poll_at=now, note=note[:500], **changes, **_NOTHING_THERE)


def _taken(job: ProviderJob, listed: Sequence[Snapshot]) -> set[str]:
    """Of the listed jobs, those that are known to be other jobs of the portal, or nobody's."""
    of_others = ProviderJob.objects.filter(provider=job.provider_id).exclude(pk=job.pk)
    keys = [one.remote_id for one in listed]
    taken = {*(job.ruled_out or ())}
    for start in range(0, len(keys), 500):
        some = of_others.filter(remote_id__in=keys[start : start + 500])
        taken.update(some.values_list("remote_id", flat=True))
    return taken


def _why_uncertain(job: ProviderJob, strangers: Sequence[Snapshot]) -> str:
    if not strangers:
        return f"The create call was not answered, and the list of the provider does not show everything. {job.failure}"
    one = strangers[0]
    counted = "an unknown number of" if one.counts.total is None else f"{one.counts.total:,}"
    return (
        f"The create call was not answered. {len(strangers)} jobs of nobody are newer; {one.remote_id}, with {counted} requests, "
        f"may be this one of {job.rows:,}."
    )


def create_again(job: ProviderJob, *, now: datetime, seconds: float = 0.0, note: str = NOTHING_CAME) -> None:
    """Let a job be created anew under a new marker, after so many seconds. The old marker is known as long as the job is."""
    former = [*job.former_markers, job.marker]
    ruled_out = [*(job.ruled_out or ()), *filter(None, [job.remote_id])]
    write(
        job,
        now=now,
        state=JobState.PREPARING,
        former_markers=former,
        marker=marker_of(job.pk, number=len(former)),
        ruled_out=ruled_out,
        adopted_at=None,
        poll_at=now + timedelta(seconds=seconds),
        looks=0,
        tries=0,
        note=note,
        **_NOTHING_THERE,
    )


def note_surfaced(provider: Provider, found: Sequence[Snapshot], *, now: datetime) -> list[str]:
    """Tell of listed jobs with a marker that was given up: they are paid beside the jobs that replaced them.

    Those that still run are the answer, to be cancelled.
    """
    surfaced = []
    marked = {one.remote_id: pk for one in found if (pk := marked_job(one.marker)) is not None}
    lost = _created_anew(provider, set(marked.values()))
    for one in found:
        job = lost.get(marked[one.remote_id]) if one.remote_id in marked else None
        if job is None or one.marker not in job.former_markers:
            continue
        if one.remote_id == job.remote_id or one.remote_id in (job.ruled_out or ()):
            continue
        does = "has run" if one.has_ended else "runs"
        note = f"Job {one.remote_id} was taken for lost and {does} at the provider, beside {job.remote_id or 'its successor'}."
        open_incident(job, IncidentCode.SURFACED, note, now=now)
        if not one.has_ended:
            surfaced.append(one.remote_id)
    return surfaced


def _created_anew(provider: Provider, keys: Collection[uuid.UUID]) -> dict[uuid.UUID, ProviderJob]:
    """Of the jobs of a provider with these keys, those that were created again after a first call came to nothing."""
    anew = ProviderJob.objects.filter(provider=provider).exclude(former_markers=[]).defer("seen")
    ordered, found = list(keys), dict[uuid.UUID, ProviderJob]()
    for start in range(0, len(ordered), KEYS_A_STATEMENT):
        found |= anew.in_bulk(ordered[start : start + KEYS_A_STATEMENT])
    return found

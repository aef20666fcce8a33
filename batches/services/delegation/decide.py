"""decide: what people do about provider jobs: look now, decide about a job in doubt, resolve an incident.

No act calls a provider. The next look at an adopted job finds out whether the provider has it. Each decision takes the job
from whichever worker had it before: a lease that is in force refuses it, and an older one is fenced off.
"""

import re
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet

from batches.models import ProviderJob, ProviderJobIncident
from batches.models.provider_job import NOTE_CHARS
from batches.rules.actors import Actor
from batches.rules.errors import Conflict, InvalidRequest
from batches.rules.execution import HELD, OPEN_JOBS, IncidentCode, JobState, Recall
from batches.services.core import wake
from batches.services.core.audit import plainly, record_act, record_acts
from batches.services.delegation.creating.doubt import create_again
from batches.services.delegation.due import write
from batches.services.delegation.incidents import resolve_incidents
from batches.services.delegation.take_back import release_slices

AT_ONCE = 500
ID_CHARS = 300
_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._:@-]{{0,{ID_CHARS - 1}}}")


class JobBusy(Conflict):
    """A worker is at work on this job at the moment. Try again in a minute."""

    code = "job_busy"


class NothingToLookAt(Conflict):
    """This job is over: there is nothing to look at."""

    code = "nothing_to_look_at"


class NotInDoubt(Conflict):
    """This job is not in doubt any more."""

    code = "not_in_doubt"


class NotAJobId(InvalidRequest):
    """A job id has letters, digits and . _ : @ - and no spaces."""

    code = "invalid_job_id"


class JobIdTaken(Conflict):
    """Another provider job already has this id."""

    code = "job_id_taken"


class AlreadyResolved(Conflict):
    """This incident is already resolved."""

    code = "already_resolved"


def to_look_at(jobs: QuerySet[ProviderJob]) -> QuerySet[ProviderJob]:
    """Those of the jobs at which there is something to look at: open ones, and those with files left at the provider."""
    return jobs.filter(Q(state__in=OPEN_JOBS) | ~Q(left_behind=[]))


def look_now(jobs: QuerySet[ProviderJob], *, actor: Actor, now: datetime, reason: str = "") -> int:
    """Let jobs be looked at as soon as a worker is free, each with its audit entry. How many.

    A job that a worker has in hand is looked at again afterwards only if the worker finds that it should be.
    """
    keys = list(to_look_at(jobs).order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(keys), AT_ONCE):
        with transaction.atomic():
            some = ProviderJob.objects.filter(pk__in=keys[start : start + AT_ONCE])
            locked = some.select_for_update(of=("self",)).order_by("pk")
            rows = list(locked.select_related("batch__project").defer("seen"))
            some.update(poll_at=now, tries=0)
            record_acts("look_at_job", [(row, row.batch.project) for row in rows], actor=actor, now=now, reason=reason)
    if keys:
        wake.delegate()
    return len(keys)


def look_at(job: ProviderJob, *, actor: Actor, now: datetime) -> ProviderJob:
    """Let one job be looked at as soon as a worker is free. Raises NothingToLookAt."""
    if not look_now(ProviderJob.objects.filter(pk=job.pk), actor=actor, now=now):
        raise NothingToLookAt(f"A job with state '{job.state}' is not looked at any more.")
    job.refresh_from_db()
    return job


@transaction.atomic
def adopt(job: ProviderJob, *, remote_id: str, actor: Actor, now: datetime, reason: str = "") -> ProviderJob:
    """Take a job of the provider for this one. Only its rows prove that it is.

    Raises NotAJobId, JobIdTaken, JobBusy and NotInDoubt.
    """
    remote_id = remote_id.strip()
    if not _ID.fullmatch(remote_id):
        raise NotAJobId(param="remote_id")
    held = _in_doubt(job, now=now)
    if ProviderJob.objects.filter(provider=held.provider_id, remote_id=remote_id).exclude(pk=held.pk).exists():
        raise JobIdTaken(f"Another provider job already has the id {remote_id}.", param="remote_id")
    if remote_id in (held.ruled_out or ()):
        raise JobIdTaken(f"Job {remote_id} was ruled out: its rows are not those of this job.", param="remote_id")
    note = f"Adopted as job {remote_id} by {actor.name}."
    changes: dict[str, Any] = {
        "remote_id": remote_id,
        "started_at": held.started_at or now,
        "adopted_at": now,
        "note": note[:NOTE_CHARS],
    }
    write(held, now=now, state=JobState.RUNNING, poll_at=now, looks=0, tries=0, failure="", **changes)
    _decided(held, f"It is job {remote_id}.", by=actor.name, now=now)
    told = plainly(remote_id=("", remote_id))
    record_act("adopt_job", actor=actor, now=now, target=held, project=held.batch.project, reason=reason, changes=told)
    wake.delegate()
    return held


@transaction.atomic
def recreate(job: ProviderJob, *, actor: Actor, now: datetime, reason: str = "") -> ProviderJob:
    """Create a job again, because its create call came to nothing. A job that was taken back ends instead.

    Raises JobBusy and NotInDoubt.
    """
    held = _in_doubt(job, now=now)
    create_again(held, now=now, note=f"It does not exist at the provider, says {actor.name}."[:NOTE_CHARS])
    _decided(held, "It does not exist; it is created again.", by=actor.name, now=now)
    record_act("recreate_job", actor=actor, now=now, target=held, project=held.batch.project, reason=reason)
    wake.delegate()
    return held


@transaction.atomic
def leave(job: ProviderJob, *, actor: Actor, now: datetime, reason: str = "") -> int:
    """Leave the open requests of a job in doubt to others. How many slices were freed.

    Executors send those of a hybrid batch, and the next job those of a delegated one. The job counts as taken back: it is not
    created again, and it is cancelled if it appears. Raises JobBusy and NotInDoubt.
    """
    held = _in_doubt(job, now=now)
    taken: dict[str, Any] = {} if held.recall else {"recall": Recall.PERSON, "recalled_at": now, "recalled_by": actor.name[:200]}
    write(held, now=now, poll_at=now, **taken)
    freed = release_slices(held, now=now, note=f"Its requests were left to others by {actor.name}.")
    _decided(held, "Its requests were left to others.", by=actor.name, now=now)
    record_act("leave_job", actor=actor, now=now, target=held, project=held.batch.project, reason=reason)
    wake.delegate()
    return freed


@transaction.atomic
def resolve(incident: ProviderJobIncident, *, note: str, actor: Actor, now: datetime) -> ProviderJobIncident:
    """Resolve an incident with a note. Those that hold their job back need one of the decisions above.

    Raises InvalidRequest, AlreadyResolved, and Conflict for a job that is held.
    """
    if not note.strip():
        raise InvalidRequest("Say how it was resolved.", param="reason")
    if incident.code in HELD:
        raise Conflict("This incident is resolved by a decision about its job.")
    job = ProviderJob.objects.select_related("batch__project").defer("seen").get(pk=incident.job_id)
    if not resolve_incidents(job, IncidentCode(incident.code), by=actor.name, resolution=note, now=now):
        raise AlreadyResolved
    about = plainly(incident=(incident.code, None))
    record_act("resolve_incident", actor=actor, now=now, target=job, project=job.batch.project, reason=note, changes=about)
    incident.refresh_from_db()
    return incident


def _in_doubt(job: ProviderJob, *, now: datetime) -> ProviderJob:
    """The job in doubt, locked, and under a new epoch: a worker that had it before can write nothing any more."""
    rows = ProviderJob.objects.select_for_update(of=("self",)).select_related("batch__project").defer("seen")
    held = rows.get(pk=job.pk)
    if held.state != JobState.UNCERTAIN:
        raise NotInDoubt(f"This job is not in doubt any more: its state is “{JobState(held.state).label.lower()}”.")
    if held.lease_expires_at is not None and held.lease_expires_at > now:
        raise JobBusy
    ProviderJob.objects.filter(pk=held.pk).update(lease_epoch=F("lease_epoch") + 1)
    held.lease_epoch += 1
    return held


def _decided(job: ProviderJob, resolution: str, *, by: str, now: datetime) -> None:
    resolve_incidents(job, *HELD, by=by, resolution=resolution, now=now)

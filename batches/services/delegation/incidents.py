"""incidents: what may need a person at provider jobs, opened by the engine and resolved by it or by somebody."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from uuid_utils.compat import uuid7

from batches.models import ProviderJob, ProviderJobIncident
from batches.models.provider_job import NOTE_CHARS
from batches.rules.execution import IncidentCode


def open_incident(job: ProviderJob, code: IncidentCode, note: str, *, now: datetime, candidates: Sequence[str] = ()) -> None:
    """Note an incident. One that is open already gets the new note; one that was resolved is opened again.

    `candidates` are the provider's ids of the jobs that may be the one in doubt.
    """
    note = note[:NOTE_CHARS]
    known = ProviderJobIncident.objects.filter(job=job, code=code)
    if known.filter(note=note).exists():
        return  # also if somebody has resolved it: nothing has changed since
    found: dict[str, Any] = {"note": note, "candidates": list(candidates), "updated_at": now}
    if not known.update(**found, resolved_at=None, resolved_by="", resolution=""):
        ProviderJobIncident.objects.create(id=uuid7(), job=job, code=code, opened_at=now, **found)


Finding = tuple[ProviderJob, IncidentCode, str]  # a job, what is wrong with it, and a note with the numbers of both sides


def open_incidents_of(found: Sequence[Finding], *, now: datetime) -> None:
    """Note incidents of many jobs. One query tells which are known already, as most are at a second look."""
    if not found:
        return
    jobs = {job.pk for job, _, _ in found}
    known = set(ProviderJobIncident.objects.filter(job__in=jobs).values_list("job", "code", "note"))
    for job, code, note in found:
        if (job.pk, code.value, note[:NOTE_CHARS]) not in known:
            open_incident(job, code, note, now=now)


def resolve_incidents(job: ProviderJob, *codes: IncidentCode, by: str, resolution: str, now: datetime) -> int:
    """Resolve the open incidents with these codes. How many there were."""
    found = ProviderJobIncident.objects.filter(job=job, code__in=codes, resolved_at=None)
    return found.update(resolved_at=now, updated_at=now, resolved_by=by[:200], resolution=resolution[:NOTE_CHARS])

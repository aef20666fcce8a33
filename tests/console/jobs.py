"""Provider jobs in every state, made as the services of delegation leave them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.utils import timezone
from uuid_utils.compat import uuid7

from batches.models import Batch, ProviderJob, ProviderJobIncident
from batches.rules.execution import IncidentCode, JobState
from batches.services.delegation.incidents import open_incident


def make_job(
    batch: Batch,
    *,
    state: JobState = JobState.RUNNING,
    incident: IncidentCode | None = None,
    incident_note: str = "",
    candidates: Sequence[str] = (),
    **columns: Any,
) -> ProviderJob:
    """A job over the lines of a batch; with an open incident of a kind."""
    now, pk = timezone.now(), uuid7()
    sent = {} if state == JobState.PREPARING else {"sent_at": now, "started_at": now}
    defaults = {"first_line": 1, "last_line": 2000, "rows": 2000, "poll_at": now + timedelta(minutes=1)} | sent
    job = ProviderJob.objects.create(
        **{
            "id": pk,
            "batch": batch,
            "provider": batch.provider,
            "family": "openai",
            "model": "m",
            "window": "24h",
            "marker": f"by{pk.hex}",
            "state": state,
            "created_at": now,
            "updated_at": now,
            **defaults,
            **columns,
        }
    )
    if incident is not None:
        open_incident(job, incident, incident_note or f"About {incident}.", now=now, candidates=candidates)
    return job


def incident_of(job: ProviderJob) -> ProviderJobIncident:
    """The one incident of a job."""
    return job.incidents.get()

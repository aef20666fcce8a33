"""tidy: leave nothing behind at the provider, and show what is still there."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from batches.models import ProviderJob
from batches.rules.execution import IncidentCode
from batches.services.delegation.due import write
from batches.services.delegation.incidents import open_incident, resolve_incidents

TRIES = 5
AGAIN = timedelta(minutes=5)


def removed(job: ProviderJob, left: Sequence[str], *, now: datetime) -> None:
    """Record what is left of a job at its provider after it was told to delete it. With the last file gone, its key goes too."""
    if not left:
        write(job, now=now, removed_at=now, left_behind=[], poll_at=None, tries=0, former_base_url="", former_credential=b"")
        resolve_incidents(job, IncidentCode.LEFT_BEHIND, by="engine", resolution="It is gone.", now=now)
        return
    again = job.tries + 1 < TRIES
    if not again:
        open_incident(job, IncidentCode.LEFT_BEHIND, f"Still there: {'; '.join(left)}", now=now)
    poll_at = now + AGAIN * 2**job.tries if again else None
    write(job, now=now, left_behind=list(left), poll_at=poll_at, tries=job.tries + 1)

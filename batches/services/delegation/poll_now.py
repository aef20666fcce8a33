"""poll_now: have a provider job looked at now, because somebody asks."""

from datetime import datetime

from django.db import transaction

from batches.models import ProviderJob
from batches.rules.actors import Actor
from batches.rules.errors import Conflict
from batches.rules.execution import OPEN_JOBS
from batches.services.core import wake
from batches.services.core.audit import record_act


class NothingToPoll(Conflict):
    """The job is over: there is nothing to look at."""

    code = "nothing_to_poll"


@transaction.atomic
def poll_now(job: ProviderJob, *, actor: Actor, now: datetime) -> ProviderJob:
    """Have a job looked at as soon as a worker is free. A job that is due already stays as it is. Raises NothingToPoll."""
    open_jobs = ProviderJob.objects.filter(pk=job.pk, state__in=OPEN_JOBS)
    moved = open_jobs.filter(poll_at__gt=now).update(poll_at=now, updated_at=now)
    job.refresh_from_db()
    if job.state not in OPEN_JOBS:
        raise NothingToPoll(f"A job with state '{job.state}' is not looked at any more.")
    if moved:
        record_act("poll_job", actor=actor, now=now, target=job, project=job.batch.project)
    wake.delegate()
    return job

"""The page of one provider job: its state, the counts of both sides, its incidents, and what a person can do."""

import uuid
from datetime import timedelta

from django.conf import settings
from django.http import HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_safe

from batches.console.drawing.provider_job import both_counts, job_row
from batches.console.kit.access import SignedIn, requires
from batches.console.kit.live import respond
from batches.console.pages.jobs.job_acts import find_job, job_offers
from batches.rules.execution import HELD, OPEN_JOBS
from batches.services.core.access import Right
from batches.services.insight.audit_log import records_about
from batches.services.insight.provider_jobs import bill_of_job
from batches.services.insight.withheld import unquoting_incidents, unquoting_jobs
from providers.jobs.profiles import PROFILES

LATEST_ACTS = 20


@require_safe
@requires(Right.READ)
def job_page(request: SignedIn, job_id: uuid.UUID) -> HttpResponseBase:
    """Everything about one provider job. Its credential is never shown."""
    now = timezone.now()
    job = find_job(request, job_id)
    unquoting_jobs([job], request.access.readable)
    incidents = unquoting_incidents(job.incidents.order_by("-opened_at", "-pk"), request.access.readable)
    waiting = [one for one in incidents if one.resolved_at is None]
    may_act = request.access.may(Right.ACT, job.batch.project_id)
    profile = PROFILES.get(job.family)
    context: dict[str, object] = {
        "job": job,
        "batch": job.batch,
        "row": job_row(job, waiting),
        "now": now,
        "open": job.state in OPEN_JOBS,
        "lasts": job.state in OPEN_JOBS or job.poll_at is not None,
        "counts": list(both_counts(job)),
        "bill": bill_of_job(job),
        "currency": settings.CURRENCY,
        "waiting": [(one, one.code in HELD) for one in waiting],
        "resolved": [one for one in incidents if one.resolved_at is not None],
        "may_act": may_act,
        "offers": job_offers(job) if may_act else [],
        "kept_until": job.remote_ended_at + profile.keeps_results if profile and job.remote_ended_at else None,
        "is_stretched": profile is not None and not profile.lists,
        "late_look": job.poll_at is not None and job.poll_at < now - timedelta(minutes=1),
        "entries": records_about(job, most=LATEST_ACTS),
    }
    return respond(request, "console/provider_job.html", regions="console/provider_job_regions.html", context=context)

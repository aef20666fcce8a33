"""The provider jobs of a batch: why it runs so, what its jobs come to together, and each job."""

import uuid

from django.conf import settings
from django.http import HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_safe

from batches.console.drawing.provider_job import job_rows, with_incidents
from batches.console.kit.access import SignedIn, find_batch, requires
from batches.console.kit.lists.paging import JOB_SORTS, BadPosition, KeysetPage, sorted_page
from batches.console.kit.live import respond
from batches.console.pages.batches.page_around import page_around
from batches.models import Batch, ProviderJob, ProviderJobIncident
from batches.rules.execution import OPEN_JOBS, Execution
from batches.services.core.access import Right
from batches.services.delegation.take_back import recall_at
from batches.services.insight.provider_jobs import NO_JOBS, bill_of, job_sums, open_troubles

PAGE_SIZE = 50
NAMED_INCIDENTS = 5


@require_safe
@requires(Right.READ)
def batch_jobs(request: SignedIn, batch_id: uuid.UUID) -> HttpResponseBase:
    """The jobs of a batch at its provider's batch API, the newest first."""
    now = timezone.now()
    batch = find_batch(request, batch_id)
    problems: list[str] = []
    incidents = ProviderJobIncident.objects.filter(job__batch=batch)
    try:
        jobs = with_incidents(ProviderJob.objects.filter(batch=batch))
        after, before = request.GET.get("after"), request.GET.get("before")
        page = sorted_page(jobs, sort=JOB_SORTS["created"], after=after, before=before, size=PAGE_SIZE)
    except BadPosition as error:
        problems, page = [str(error)], KeysetPage([])
    context: dict[str, object] = {
        **page_around(request, batch, page="batch_jobs"),
        **how_it_runs(batch),
        "now": now,
        "live": not batch.is_terminal,
        "page": page,
        "rows": job_rows(page.rows),
        "problems": problems,
        "caption": "Provider jobs, the newest first",
        "may_act": request.access.may(Right.ACT, batch.project_id),
        "troubles": open_troubles(incidents, request.access.readable, named=NAMED_INCIDENTS),
        "recall_at": _recall_at(batch, page.rows),
        "currency": settings.CURRENCY,
    }
    return respond(request, "console/batch_jobs.html", regions="console/batch_jobs_regions.html", context=context)


def how_it_runs(batch: Batch) -> dict[str, object]:
    """How a batch is carried out, and what its provider jobs come to. One query if it was handed over, else none."""
    execution = Execution(batch.execution)
    context: dict[str, object] = {"execution": execution, "runs_how": execution.label.partition(": ")[2]}
    if execution.is_handed_over:
        sums = job_sums([batch]).get(batch.pk, NO_JOBS)
        context |= {"sums": sums, "bill": bill_of(batch, sums)}
    return context


def _recall_at(batch: Batch, jobs: list[ProviderJob]) -> object:
    """When the open jobs are taken back so that the batch ends in time; None if there is none to take back."""
    waiting = [job for job in jobs if job.state in OPEN_JOBS and not job.recall]
    if batch.is_terminal or not waiting:
        return None
    return recall_at(batch, family=waiting[0].family, open_requests=batch.counts.pending)

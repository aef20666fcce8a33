"""Exports of the filtered list of provider jobs, streamed."""

from typing import Any

from django.http import HttpResponseBase, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from batches.console.drawing.provider_job import with_incidents
from batches.console.kit.access import SignedIn, requires
from batches.console.kit.exports import not_exported
from batches.console.kit.lists.list_export import json_line, moment
from batches.console.kit.lists.list_query import question
from batches.console.kit.lists.paging import JOB_SORTS, BadSort, in_pieces, read_sort
from batches.filters import ProviderJobFilter
from batches.models import ProviderJob
from batches.rules.display.csv_lines import csv_lines
from batches.services.core.access import Right
from batches.services.exports.form import CONTENT_TYPES, Form
from batches.services.insight.provider_jobs import bill_of_job
from batches.services.insight.withheld import unquoting_jobs

PIECE = 500  # the number of jobs that are read at once
PLAIN = ("marker", "attempt", "state", "word", "note", "first_line", "last_line", "rows", "bytes")
REPORTED = ("reported_total", "reported_succeeded", "reported_failed")
COLLECTED = ("succeeded", "failed", "never_ran", "duplicates", "late", "foreign", "unreadable", "unpriced")
MOMENTS = ("created_at", "sent_at", "started_at", "remote_ended_at", "remote_expires_at", "ended_at", "removed_at", "poll_at")
FIELDS = (
    *("id", "batch", "project", "provider", "family", "model", "remote_id", "input_ref"),
    *(*PLAIN, *COLLECTED, *REPORTED, "cost", "direct_cost", "wasted"),
    *("recall", "recalled_by", "recalled_at", *MOMENTS, "failure", "incidents"),
)


@require_safe
@requires(Right.READ)
def export_jobs(request: SignedIn, form: str) -> HttpResponseBase:
    """All provider jobs that the list's filters match, in the list's order, as CSV or JSON lines; 400 for an unknown filter."""
    now = timezone.now()
    chosen = ProviderJobFilter.asked_by(request.access, question(request.GET), now=now)
    problems, sort = list(chosen.problems), JOB_SORTS["created"]
    try:
        sort = read_sort(request.GET.get("sort", ""), among=JOB_SORTS)
    except BadSort as error:
        problems.append(str(error))
    if problems:
        return not_exported(request, problems, back=reverse("console:provider_jobs"))
    pieces = in_pieces(with_incidents(chosen.matching), sort, size=PIECE)
    records = (_record(job) for piece in pieces for job in unquoting_jobs(piece, request.access.readable))
    lines = csv_lines(records, FIELDS) if form == "csv" else map(json_line, records)
    headers = {"Content-Disposition": f'attachment; filename="provider-jobs-{now:%Y%m%dT%H%M%SZ}.{form}"'}
    return StreamingHttpResponse(lines, content_type=CONTENT_TYPES[Form(form)], headers=headers)


def _record(job: ProviderJob) -> dict[str, Any]:
    """The fields of a job in an export. Times are in UTC. What the provider does not tell is empty, which is not 0."""
    record = {
        "id": str(job.pk),
        "batch": str(job.batch),
        "project": job.batch.project.slug,
        "provider": job.provider.name,
        "family": job.family,
        "model": job.model,
        "remote_id": job.remote_id,
        "input_ref": job.input_ref,
        **{name: getattr(job, name) for name in (*PLAIN, *COLLECTED, *REPORTED)},
        **_amounts(job),
        "recall": job.recall,
        "recalled_by": job.recalled_by,
        "recalled_at": moment(job.recalled_at),
        **{name: moment(getattr(job, name)) for name in MOMENTS},
        "failure": job.failure,
        "incidents": ", ".join(one.code for one in job.told),  # type: ignore[attr-defined]
    }
    return {name: record[name] for name in FIELDS}


def _amounts(job: ProviderJob) -> dict[str, str | None]:
    """What a job cost, in the portal's currency. Without a price nobody knows, which is not 0."""
    bill = bill_of_job(job)
    found = {"cost": bill.cost, "direct_cost": bill.direct, "wasted": bill.wasted}
    return {name: f"{amount:f}" if bill.is_known else None for name, amount in found.items()}

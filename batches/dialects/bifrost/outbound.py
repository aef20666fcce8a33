"""Answers for Bifrost's clients. Times are whole seconds, empty fields are left out, and `extra_fields` describe the call."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from batches.dialects.shared.endpoints import MESSAGES
from batches.dialects.shared.files import ShownFile
from batches.dialects.shared.reading import archived_at, failure_reasons, skipping
from batches.http.rendering import list_object
from batches.models import Batch, File, ProviderJob, load_counts
from batches.rules import identifiers
from batches.rules.execution import OPEN_JOBS, Execution
from batches.rules.states import BatchStatus
from batches.services.insight.delegation import Underway, underway

STATUSES = {
    BatchStatus.VALIDATING: "validating",
    BatchStatus.IN_PROGRESS: "in_progress",
    BatchStatus.FINALIZING: "finalizing",
    BatchStatus.CANCELLING: "cancelling",
    BatchStatus.COMPLETED: "completed",  # `ended` for messages
    BatchStatus.FAILED: "failed",
    BatchStatus.EXPIRED: "expired",
    BatchStatus.CANCELLED: "canceled",
}
NOTHING = Underway()
MOST_JOBS = 100  # the most provider jobs that an answer lists
_TIMES = ("in_progress_at", "finalizing_at", "completed_at", "failed_at", "expired_at", "cancelling_at", "cancelled_at")


def created(batch: Batch, *, url: str, known: Underway = NOTHING) -> dict[str, Any]:
    """The answer to a create call. `url` is the address of the list of batches, as the client uses it."""
    return _without_empty(
        {
            "id": str(batch),
            "object": "batch",
            "endpoint": batch.endpoint,
            "input_file_id": _file_id(batch.input_file_id),
            "completion_window": batch.completion_window,
            "status": status(batch),
            "request_counts": request_counts(batch),
            "metadata": batch.metadata,
            **skipping(batch),
            "created_at": _seconds(batch.created_at),
            "expires_at": _seconds(batch.expires_at),
            "output_file_id": _file_id(batch.output_file_id),
            "error_file_id": _file_id(batch.error_file_id),
            "processing_status": processing_status(batch),
            "results_url": f"{url}/{batch}/results?provider={batch.provider.name}" if batch.is_terminal else None,
            # The name of a long-running operation. In Bifrost it is the upstream's name for a batch that it runs as a whole.
            "operation_name": batch.operation_name or known.name or f"batches/{batch}",
        }
    )


def batch_objects(batches: Sequence[Batch], *, url: str, now: datetime) -> list[dict[str, Any]]:
    """The documents for batches. If their providers are loaded, the number of queries does not grow with the batches."""
    load_counts(batches)
    reasons, known = failure_reasons(batches), underway(batches)
    return [
        created(batch, url=url, known=known.get(batch.pk, NOTHING))
        | _progress(batch, reasons.get(batch.pk), known.get(batch.pk, NOTHING), now=now)
        for batch in batches
    ]


def page(batches: Sequence[Batch], *, has_more: bool, url: str, now: datetime) -> dict[str, Any]:
    """The document for a page of a list."""
    listed = list_object(batch_objects(batches, url=url, now=now), has_more=has_more)
    return _without_empty(listed | {"next_cursor": listed["last_id"] if has_more else None})


def cancelled(batch: Batch) -> dict[str, Any]:
    """The answer to a cancel call."""
    return _without_empty(
        {
            "id": str(batch),
            "object": "batch",
            "status": status(batch),
            "request_counts": request_counts(batch),
            "cancelling_at": _seconds(batch.cancelling_at),
            "cancelled_at": _seconds(batch.cancelled_at),
        }
    )


def status(batch: Batch) -> str:
    """The batch's status in Bifrost's words."""
    if batch.status == BatchStatus.COMPLETED and batch.endpoint == MESSAGES:
        return "ended"
    return STATUSES[BatchStatus(batch.status)]


def processing_status(batch: Batch) -> str:
    """The batch's status in the three words of Anthropic's batches of messages."""
    if batch.is_terminal:
        return "ended"
    return "canceling" if batch.status == BatchStatus.CANCELLING else "in_progress"


def request_counts(batch: Batch) -> dict[str, int]:
    """The counts of the requests. The last four are left out if they are 0."""
    counts = batch.counts
    rare = {
        "succeeded": counts.succeeded,
        "expired": counts.expired,
        "canceled": counts.cancelled,
        "pending": counts.pending,
    }
    always = {"total": counts.total, "completed": counts.succeeded, "failed": counts.failed}
    return always | {name: count for name, count in rare.items() if count}


def _progress(batch: Batch, reasons: Sequence[Mapping[str, Any]] | None, known: Underway, *, now: datetime) -> dict[str, Any]:
    """The fields of a batch that the answer to a create call does not have."""
    return _without_empty(
        {
            **{name: _seconds(getattr(batch, name)) for name in _TIMES},
            "errors": {"object": "list", "data": reasons} if reasons else None,
            "archived_at": _seconds(archived_at(batch, now=now)) if batch.endpoint == MESSAGES else None,
            "done": batch.is_terminal,
            "progress": percent_done(batch, elsewhere=known.done),
        }
    )


def percent_done(batch: Batch, *, elsewhere: int = 0) -> int:
    """The percentage of requests that have an outcome, at the portal or, as the provider counts, in a provider job.

    It is 100 only when the batch has ended: until then, outcomes of provider jobs have to be brought home.
    """
    if batch.is_terminal:
        return 100
    counts = batch.counts
    done = min(counts.settled + elsewhere, counts.total)
    return min(done * 100 // counts.total, 99 if elsewhere else 100) if counts.total else 0


def provider_jobs(batch: Batch) -> dict[str, Any]:
    """The fields of `extra_fields` about the jobs of a batch at its provider's batch API; empty for a batch that has none."""
    if not Execution(batch.execution).is_handed_over:
        return {}
    jobs = ProviderJob.objects.filter(batch=batch).defer("seen").order_by("created_at", "id")
    shown = [_provider_job(job) for job in jobs[:MOST_JOBS]]
    return {"provider_job_count": jobs.count() if len(shown) == MOST_JOBS else len(shown), "provider_jobs": shown}


def _provider_job(job: ProviderJob) -> dict[str, Any]:
    """One job, in the words of its provider, and whether its results are here. Counts that are not known are left out."""
    counts = {"total": job.reported_total, "completed": job.reported_succeeded, "failed": job.reported_failed}
    return _without_empty(
        {
            "operation_name": job.remote_id,
            "status": job.word,
            "state": job.state,
            "done": job.state not in OPEN_JOBS,
            "request_counts": {name: count for name, count in counts.items() if count is not None},
            "created_at": _seconds(job.remote_created_at or job.started_at),
            "completed_at": _seconds(job.remote_ended_at),
            "expires_at": _seconds(job.remote_expires_at),
        }
    )


def file_object(file: File, *, url: str) -> dict[str, Any]:
    """The document for a file, with the address of its content. `url` is the address of the list of files."""
    shown = dict(ShownFile(file).data) | {"storage_backend": "api", "storage_uri": f"{url}/{file}/content"}
    return _without_empty(shown)


def _file_id(value: Any) -> str | None:
    return identifiers.render("file-", value) if value else None


def _seconds(at: datetime | None) -> int | None:
    return int(at.timestamp()) if at else None


def _without_empty(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None and value not in ("", {})}

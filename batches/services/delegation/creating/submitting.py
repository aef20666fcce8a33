"""submitting: from the requests of a job to a job at its provider, which is created at most once.

The order is: the input is uploaded; `sending` is committed; one create call is made; its outcome is committed. Where nobody knows
whether the call created a job, `doubt` finds out.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.conf import settings
from django.db import transaction

from batches.models import Batch, BatchObject, ProviderJob, Slice
from batches.rules.execution import Execution, IncidentCode, JobState
from batches.rules.lines import jsonl
from batches.rules.states import BatchStatus, ObjectStatus
from batches.rules.wire_ids import wire_id
from batches.services.delegation.creating.budget import JobEstimate, over_budget_with
from batches.services.delegation.due import BUSY, hold_back, let_next, lock_batch, write
from batches.services.delegation.give_up import fail_open
from batches.services.delegation.incidents import open_incident, resolve_incidents
from batches.services.delegation.take_back import release_slices
from batches.services.delegation.watching import running
from batches.services.intake.extras import kept_extras
from batches.services.policy.stops_in_force import unsent
from batches.services.results.results import slice_lines
from batches.services.upstreams.former import own_columns
from providers.base import Failure
from providers.jobs.base import Intent, Row, Snapshot

FULL_SECONDS = 30.0  # after a refusal that is about the moment; doubled with each
LONGEST_SECONDS = 600.0
WAITS_FOR_BUDGET = "It waits for room in the budget."
# Of a job whose input was uploaded under a credential that has been replaced and is refused now.
UPLOAD_ANEW: Mapping[str, Any] = {"input_ref": "", "former_base_url": "", "former_credential": b""}


class InputUnreadable(Exception):
    """A line of the input cannot be read any more."""


def rows_of(job: ProviderJob) -> Iterator[list[Row]]:
    """The open requests of a job, slice by slice. Raises Gone, StorageAway and InputUnreadable."""
    for piece in Slice.objects.filter(provider_job=job, pending__gt=0).order_by("first_line"):
        lines = slice_lines(job.batch, piece)
        try:
            yield [
                Row(wire_id(job.pk, line=line, round_=round_), bytes(jsonl.read_request(lines[line]).body))
                for line, round_ in _open(piece)
            ]
        except (KeyError, msgspec.DecodeError, RecursionError):
            raise InputUnreadable("The input file has changed.") from None


def _open(piece: Slice) -> Iterable[tuple[int, int]]:
    """Line and round of each open request of a slice. Where all lines are open, the first rounds are not read: most are."""
    objects = BatchObject.objects.filter(batch=piece.batch_id, line__gte=piece.first_line, line__lte=piece.last_line)
    if piece.pending < piece.last_line - piece.first_line + 1:
        return objects.filter(status=ObjectStatus.PENDING).order_by("line").values_list("line", "round")
    later = dict(objects.exclude(round=1).values_list("line", "round"))
    return ((line, later.get(line, 1)) for line in range(piece.first_line, piece.last_line + 1))


def intent_of(job: ProviderJob) -> Intent:
    """The create call of a job, as it was or will be made."""
    assert job.sent_at is not None
    return Intent(
        marker=job.marker,
        endpoint=job.batch.endpoint,
        model=job.model,
        window=job.window,
        rows=job.rows,
        input_ref=job.input_ref,
        since=job.sent_at,
        before=job.before,
        extras=kept_extras(job.batch),
    )


def may_be_created(job: ProviderJob) -> bool:
    """Whether the batch of a job still wants it, and its project still allows it."""
    wanted = Batch.objects.filter(
        pk=job.batch_id,
        status=BatchStatus.IN_PROGRESS,
        provider=job.provider_id,
        provider__jobs_family=job.family,
        project__may_delegate=True,
    )
    return wanted.exists() and ProviderJob.objects.filter(pk=job.pk, recall="").exists()


def begin_upload(job: ProviderJob, *, now: datetime) -> None:
    """Record that an upload begins. If it is the last that is heard of it, its file is looked for at the end. Raises LostRace."""
    write(job, now=now, release=False, uploads=job.uploads + 1)


def note_estimated(job: ProviderJob, estimate: JobEstimate, *, now: datetime) -> None:
    """Record what a job may use and cost at most. Raises LostRace."""
    write(job, now=now, release=False, estimated_tokens=estimate.tokens, estimated_nanos=estimate.nanos())


def within_budget(job: ProviderJob, *, now: datetime) -> bool:
    """Whether the budget of its batch has room for a job. If not, the job waits, with the reason on it.

    The requests of a hybrid batch of which no job is open are left to the executors, which stop at the guard by themselves.
    """
    reason = over_budget_with(job)
    if not reason:
        return True
    others = ProviderJob.objects.at_provider().filter(batch=job.batch_id).exclude(pk=job.pk)
    if job.batch.execution == Execution.HYBRID and not others.exists():
        nothing_to_send(job, now=now, note=reason)
    else:
        write(job, now=now, poll_at=now + timedelta(seconds=settings.JOB_POLL_SECONDS), note=f"{WAITS_FOR_BUDGET} {reason}"[:500])
    return False


@transaction.atomic
def note_uploaded(job: ProviderJob, *, rows: int, size: int, input_ref: str, now: datetime) -> None:
    """Record the input of a job. Raises LostRace."""
    write(job, now=now, release=False, rows=rows, bytes=size, input_ref=input_ref, **own_columns(job))


@transaction.atomic
def begin_sending(job: ProviderJob, *, before: str, now: datetime) -> bool:
    """Commit that the create call is made now. False, and nothing is written, if the batch no longer wants it."""
    batch = Batch.objects.select_for_update(no_key=True, of=("self",)).select_related("provider").get(pk=job.batch_id)
    stopped = unsent().has(provider=batch.provider_id, project=batch.project_id)
    if not may_be_created(job) or batch.paused_at is not None or not batch.provider.enabled or stopped:
        write(job, now=now, poll_at=now + timedelta(seconds=1))
        return False
    if not within_budget(job, now=now):
        return False
    sending: dict[str, Any] = {"state": JobState.SENDING, "sent_at": now, "before": before[:200], "looks": 0, "note": ""}
    write(job, now=now, release=False, **sending, **own_columns(job))
    return True


def created(job: ProviderJob, found: Snapshot, *, now: datetime) -> None:
    """Record that the job exists: its create call was answered, or it was found and is adopted."""
    running(job, found, now=now)
    let_next(job, BUSY, now=now)
    resolve_incidents(
        job,
        *(IncidentCode.UNCERTAIN, IncidentCode.AMBIGUOUS, IncidentCode.REFUSED),
        by="engine",
        resolution=f"It is job {found.remote_id}.",
        now=now,
    )


def not_created(job: ProviderJob, failure: Failure, *, later: bool, now: datetime) -> None:
    """Record that no job came of the create call, or of the upload before it."""
    message = failure.message
    delegated = job.batch.execution == Execution.DELEGATED
    was_replaced = failure.kind.is_of_account and bool(job.former_credential)
    if later or was_replaced or (delegated and (failure.kind.is_of_account or failure.kind.retryable)):
        seconds = min(FULL_SECONDS * 2 ** min(job.tries, 8), LONGEST_SECONDS)
        seconds = max(seconds, failure.retry_after or 0)
        until = now + timedelta(seconds=seconds)
        with transaction.atomic():
            changes: dict[str, Any] = {"poll_at": until, "tries": job.tries + 1, "failure": message[:500], "note": BUSY}
            changes |= UPLOAD_ANEW if was_replaced else {}
            write(job, now=now, state=JobState.PREPARING, **changes)
            if failure.kind.retryable or failure.kind.is_of_account:
                hold_back(job, until=until, note=BUSY, now=now)
            if not later:
                open_incident(job, IncidentCode.REFUSED, message, now=now)
        return
    with transaction.atomic():
        lock_batch(job)
        write(job, now=now, state=JobState.REFUSED, ended_at=now, poll_at=now if job.has_files else None, failure=message[:500])
        open_incident(job, IncidentCode.REFUSED, message, now=now)
        if delegated:
            pieces = list(Slice.objects.select_for_update().filter(provider_job=job, pending__gt=0).order_by("pk"))
            fail_open(job.batch, pieces, failure, attempts=job.attempt, now=now)
        else:
            release_slices(job, now=now, note=f"The provider refused it: {message}")


def nothing_to_send(job: ProviderJob, *, now: datetime, note: str = "") -> None:
    """End a job that was not created and is not wanted any more, or has no open request left."""
    with transaction.atomic():
        lock_batch(job)
        is_left = Slice.objects.filter(provider_job=job, pending__gt=0).exists()
        note = note or ("It was taken back before it was sent." if is_left else "No request was left to send.")
        write(job, now=now, state=JobState.ENDED, ended_at=now, poll_at=now if job.has_files else None, note=note)
        release_slices(job, now=now)

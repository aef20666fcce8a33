"""submitting: from the requests of a job to a job at its provider, which is created at most once.

The order is: the input is uploaded; `sending` is committed; one create call is made; its outcome is committed. If nobody knows
whether the call created a job, it is looked for by its marker, and adopted. It is created again only after a complete list
has shown that it does not exist, or when somebody decides so.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

import msgspec
from django.conf import settings
from django.db import transaction

from batches.models import Batch, BatchObject, ProviderJob, Slice
from batches.rules.execution import Execution, IncidentCode, JobState
from batches.rules.lines import jsonl
from batches.rules.states import BatchStatus, ObjectStatus
from batches.services.delegation.due import put_off, write
from batches.services.delegation.give_up import fail_open
from batches.services.delegation.incidents import open_incident, resolve_incidents
from batches.services.delegation.take_back import release_slices
from batches.services.delegation.watching import running
from batches.services.delegation.wire_ids import marked_job, marker_of, wire_id
from batches.services.intake.extras import kept_extras
from batches.services.results.results import slice_lines
from providers.base import Failure
from providers.jobs.base import Found, Intent, Row, Snapshot
from providers.models import Provider

FULL_SECONDS = 30.0  # after a refusal that is about the moment; doubled with each
LONGEST_SECONDS = 600.0
LOOKS = 3  # how many complete lists without the job show that it does not exist
HELD_SECONDS = 300.0
FORGOTTEN_AFTER = timedelta(hours=48)  # a job in doubt whose requests are elsewhere is looked for no longer
NOTHING_CAME = "No job came of the last create call."


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
    """Whether the batch of a job still wants it."""
    wanted = Batch.objects.filter(pk=job.batch_id, status=BatchStatus.IN_PROGRESS)
    return wanted.exists() and ProviderJob.objects.filter(pk=job.pk, recall="").exists()


def note_uploaded(job: ProviderJob, *, rows: int, size: int, input_ref: str, now: datetime) -> None:
    """Record the input of a job. Raises LostRace."""
    write(job, now=now, release=False, rows=rows, bytes=size, input_ref=input_ref)


@transaction.atomic
def begin_sending(job: ProviderJob, *, before: str, now: datetime) -> bool:
    """Commit that the create call is made now. False, and nothing is written, if the batch no longer wants it."""
    batch = Batch.objects.select_for_update(no_key=True).get(pk=job.batch_id)
    recalled = ProviderJob.objects.filter(pk=job.pk).exclude(recall="").exists()
    if batch.status != BatchStatus.IN_PROGRESS or batch.paused_at is not None or recalled:
        write(job, now=now, poll_at=now + timedelta(seconds=1))
        return False
    write(job, now=now, release=False, state=JobState.SENDING, sent_at=now, before=before[:200], looks=0, note="")
    return True


def created(job: ProviderJob, found: Snapshot, *, now: datetime) -> None:
    """Record that the job exists: its create call was answered, or it was found and is adopted."""
    running(job, found, now=now)
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
    if later or (delegated and (failure.kind.is_of_account or failure.kind.retryable)):
        seconds = min(FULL_SECONDS * 2 ** min(job.tries, 8), LONGEST_SECONDS)
        seconds = max(seconds, failure.retry_after or 0)
        write(
            job,
            now=now,
            state=JobState.PREPARING,
            poll_at=now + timedelta(seconds=seconds),
            tries=job.tries + 1,
            failure=message[:500],
            note=f"The provider takes no further job at the moment: {message}"[:500],
        )
        if not later:
            open_incident(job, IncidentCode.REFUSED, message, now=now)
        return
    with transaction.atomic():
        write(job, now=now, state=JobState.REFUSED, ended_at=now, poll_at=now if job.input_ref else None, failure=message[:500])
        open_incident(job, IncidentCode.REFUSED, message, now=now)
        if delegated:
            pieces = list(Slice.objects.select_for_update().filter(provider_job=job, pending__gt=0).order_by("pk"))
            fail_open(job.batch, pieces, failure, attempts=job.attempt, now=now)
        else:
            release_slices(job, now=now, note=f"The provider refused it: {message}")


def in_doubt(job: ProviderJob, failure: Failure | None, *, now: datetime) -> None:
    """Record that nobody knows whether the create call succeeded: its answer was lost, or the worker that made it."""
    message = failure.message if failure is not None else "The worker that made the create call ended before the answer."
    wait = min(30.0, settings.JOB_DOUBT_SECONDS / 20)
    write(job, now=now, state=JobState.UNCERTAIN, looks=0, failure=message[:500], poll_at=now + timedelta(seconds=wait))


def looked_for(job: ProviderJob, found: Found | Failure, *, now: datetime) -> None:
    """Decide about a job in doubt: adopt it, look again, create it anew, or hold it until a person decides."""
    if isinstance(found, Failure):
        put_off(job, seconds=min(30.0, settings.JOB_DOUBT_SECONDS / 10), now=now, failure=found.message)
        return
    others = ProviderJob.objects.filter(provider=job.provider_id, remote_id__in=[one.remote_id for one in found.jobs])
    known = set(others.values_list("remote_id", flat=True))
    candidates = [one for one in found.jobs if one.remote_id not in known]
    if len(candidates) == 1:
        created(job, candidates[0], now=now)
        return
    assert job.sent_at is not None
    waited = (now - job.sent_at).total_seconds() >= settings.JOB_DOUBT_SECONDS
    looks = job.looks + 1
    if candidates:
        names = ", ".join(one.remote_id for one in candidates[:5])
        open_incident(job, IncidentCode.AMBIGUOUS, f"The provider has {len(candidates)} jobs that may be it: {names}.", now=now)
    elif found.is_complete and waited and looks >= LOOKS:
        create_again(job, now=now)
        return
    elif waited:
        note = f"The create call was not answered, and the list of the provider does not show everything. {job.failure}"
        open_incident(job, IncidentCode.UNCERTAIN, note, now=now)
    if job.released_at is not None and now - job.sent_at > FORGOTTEN_AFTER:
        note = "It never appeared at the provider."
        write(job, now=now, state=JobState.ENDED, ended_at=now, poll_at=now if job.input_ref else None, note=note)
        return
    seconds = HELD_SECONDS if waited and (candidates or not found.is_complete) else min(60.0, settings.JOB_DOUBT_SECONDS / 5)
    write(job, now=now, looks=looks, poll_at=now + timedelta(seconds=seconds))


def create_again(job: ProviderJob, *, now: datetime, seconds: float = 0.0, note: str = NOTHING_CAME) -> None:
    """Let a job be created anew under a new marker, after so many seconds. The old marker is known as long as the job is."""
    former = [*job.former_markers, job.marker]
    write(
        job,
        now=now,
        state=JobState.PREPARING,
        former_markers=former,
        marker=marker_of(job.pk, number=len(former)),
        remote_id="",
        word="",
        ending="",
        outputs=[],
        poll_at=now + timedelta(seconds=seconds),
        looks=0,
        tries=0,
        note=note,
    )


def note_surfaced(provider: Provider, found: Sequence[Snapshot], *, now: datetime) -> list[str]:
    """The listed jobs with a marker that was given up: they run, and are paid, beside the jobs that replaced them."""
    surfaced = []
    marked = [(one, pk) for one in found if not one.has_ended and (pk := marked_job(one.marker)) is not None]
    lost = ProviderJob.objects.filter(provider=provider, pk__in={pk for _, pk in marked}).exclude(former_markers=[])
    jobs = lost.defer("seen").in_bulk() if marked else {}
    for one, pk in marked:
        job = jobs.get(pk)
        if job is not None and one.marker in job.former_markers and one.remote_id != job.remote_id:
            note = f"Job {one.remote_id} was taken for lost and runs at the provider, beside {job.remote_id or 'its successor'}."
            open_incident(job, IncidentCode.SURFACED, note, now=now)
            surfaced.append(one.remote_id)
    return surfaced


def nothing_to_send(job: ProviderJob, *, now: datetime) -> None:
    """End a job that was not created and is not wanted any more, or has no open request left."""
    with transaction.atomic():
        note = "It was taken back before it was sent." if job.recall else "No request was left to send."
        write(job, now=now, state=JobState.ENDED, ended_at=now, poll_at=now if job.input_ref else None, note=note)
        release_slices(job, now=now)

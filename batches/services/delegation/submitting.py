"""submitting: from the requests of a job to a job at its provider, which is created at most once.

The order is: the input is uploaded; `sending` is committed; one create call is made; its outcome is committed. If nobody knows
whether the call created a job, it is looked for by its marker, and adopted. It is created again only after a complete list
has shown that it does not exist, or when somebody decides so.
"""

import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.conf import settings
from django.db import transaction

from batches.models import Batch, BatchObject, ProviderJob, Slice
from batches.rules.execution import Execution, IncidentCode, JobState, Recall
from batches.rules.lines import jsonl
from batches.rules.states import BatchStatus, ObjectStatus
from batches.rules.wire_ids import marked_job, marker_of, wire_id
from batches.services.delegation.due import BUSY, KEYS_A_STATEMENT, hold_back, let_next, lock_batch, put_off, write
from batches.services.delegation.give_up import fail_open
from batches.services.delegation.incidents import open_incident, resolve_incidents
from batches.services.delegation.prices import JobEstimate, over_budget_with
from batches.services.delegation.take_back import release_slices
from batches.services.delegation.watching import running
from batches.services.intake.extras import kept_extras
from batches.services.policy.stops_in_force import unsent
from batches.services.results.results import slice_lines
from batches.services.upstreams.former import own_columns
from providers.base import Failure
from providers.jobs.base import Found, Intent, Row, Snapshot
from providers.jobs.profiles import PROFILES
from providers.models import Provider

FULL_SECONDS = 30.0  # after a refusal that is about the moment; doubled with each
LONGEST_SECONDS = 600.0
LOOKS = 3  # how many complete lists without the job show that it does not exist
HELD_SECONDS = 300.0
FORGOTTEN_AFTER = timedelta(hours=48)  # a job in doubt that nobody waits for any more is looked for no longer
WAITS_FOR_BUDGET = "It waits for room in the budget."
NOTHING_CAME = "No job came of the last create call."
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


def adopt(job: ProviderJob, found: Snapshot, *, now: datetime) -> None:
    """Take a job at the provider for this one. Where its marker does not show, only its rows prove that it is."""
    profile = PROFILES.get(job.family)
    if profile is None or not profile.has_marker:
        write(job, now=now, release=False, adopted_at=now)
    created(job, found, now=now)


def rule_out(job: ProviderJob, *, note: str, now: datetime) -> None:
    """Record that the adopted job is somebody else's, by the ids of its rows. The job is in doubt again."""
    with transaction.atomic():
        open_incident(job, IncidentCode.FOREIGN_ROWS, note, now=now)
        former = [*(job.ruled_out or ()), job.remote_id]
        changes: dict[str, Any] = {"state": JobState.UNCERTAIN, "looks": 0, "ruled_out": former, "adopted_at": None}
        write(job, now=now, poll_at=now, note=note[:500], **changes, **_NOTHING_THERE)


# The columns of a job that is not known to exist at its provider.
_NOTHING_THERE: Mapping[str, Any] = {
    "started_at": None,
    "collecting_at": None,
    "remote_id": "",
    "word": "",
    "ending": "",
    "problem_kind": "",
    "outputs": [],
    "reported_total": None,
    "reported_succeeded": None,
    "reported_failed": None,
    "remote_created_at": None,
    "remote_ended_at": None,
    "remote_expires_at": None,
}


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
    taken = _taken(job, [*found.jobs, *found.others])
    candidates = [one for one in found.jobs if one.remote_id not in taken]
    strangers = [one for one in found.others if one.remote_id not in taken]
    if len(candidates) == 1:
        adopt(job, candidates[0], now=now)
        return
    assert job.sent_at is not None
    waited = (now - job.sent_at).total_seconds() >= settings.JOB_DOUBT_SECONDS
    looks = job.looks + 1
    if candidates:
        names = ", ".join(one.remote_id for one in candidates[:5])
        open_incident(job, IncidentCode.AMBIGUOUS, f"The provider has {len(candidates)} jobs that may be it: {names}.", now=now)
    elif found.is_complete and not strangers and waited and looks >= LOOKS:
        create_again(job, now=now)
        return
    elif waited and (strangers or not found.is_complete):
        open_incident(job, IncidentCode.UNCERTAIN, _why_uncertain(job, strangers), now=now)
    is_elsewhere = job.released_at is not None or job.recall == Recall.STOPPED
    if is_elsewhere and now - job.sent_at > FORGOTTEN_AFTER:
        note = "It never appeared at the provider."
        write(job, now=now, state=JobState.ENDED, ended_at=now, poll_at=now if job.has_files else None, note=note)
        return
    is_held = waited and (candidates or strangers or not found.is_complete)
    seconds = HELD_SECONDS if is_held else min(60.0, settings.JOB_DOUBT_SECONDS / 5)
    write(job, now=now, looks=looks, poll_at=now + timedelta(seconds=seconds))


def _taken(job: ProviderJob, listed: Sequence[Snapshot]) -> set[str]:
    """Of the listed jobs, those that are known to be other jobs of the portal, or nobody's."""
    of_others = ProviderJob.objects.filter(provider=job.provider_id).exclude(pk=job.pk)
    keys = [one.remote_id for one in listed]
    taken = {*(job.ruled_out or ())}
    for start in range(0, len(keys), 500):
        some = of_others.filter(remote_id__in=keys[start : start + 500])
        taken.update(some.values_list("remote_id", flat=True))
    return taken


def _why_uncertain(job: ProviderJob, strangers: Sequence[Snapshot]) -> str:
    if not strangers:
        return f"The create call was not answered, and the list of the provider does not show everything. {job.failure}"
    one = strangers[0]
    counted = "an unknown number of" if one.counts.total is None else f"{one.counts.total:,}"
    return (
        f"The create call was not answered. {len(strangers)} jobs of nobody are newer; {one.remote_id}, with {counted} requests, "
        f"may be this one of {job.rows:,}."
    )


def create_again(job: ProviderJob, *, now: datetime, seconds: float = 0.0, note: str = NOTHING_CAME) -> None:
    """Let a job be created anew under a new marker, after so many seconds. The old marker is known as long as the job is."""
    former = [*job.former_markers, job.marker]
    ruled_out = [*(job.ruled_out or ()), *filter(None, [job.remote_id])]
    write(
        job,
        now=now,
        state=JobState.PREPARING,
        former_markers=former,
        marker=marker_of(job.pk, number=len(former)),
        ruled_out=ruled_out,
        adopted_at=None,
        poll_at=now + timedelta(seconds=seconds),
        looks=0,
        tries=0,
        note=note,
        **_NOTHING_THERE,
    )


def note_surfaced(provider: Provider, found: Sequence[Snapshot], *, now: datetime) -> list[str]:
    """Tell of listed jobs with a marker that was given up: they are paid beside the jobs that replaced them.

    Those that still run are the answer, to be cancelled.
    """
    surfaced = []
    marked = {one.remote_id: pk for one in found if (pk := marked_job(one.marker)) is not None}
    lost = _created_anew(provider, set(marked.values()))
    for one in found:
        job = lost.get(marked[one.remote_id]) if one.remote_id in marked else None
        if job is None or one.marker not in job.former_markers:
            continue
        if one.remote_id == job.remote_id or one.remote_id in (job.ruled_out or ()):
            continue
        does = "has run" if one.has_ended else "runs"
        note = f"Job {one.remote_id} was taken for lost and {does} at the provider, beside {job.remote_id or 'its successor'}."
        open_incident(job, IncidentCode.SURFACED, note, now=now)
        if not one.has_ended:
            surfaced.append(one.remote_id)
    return surfaced


def _created_anew(provider: Provider, keys: Collection[uuid.UUID]) -> dict[uuid.UUID, ProviderJob]:
    """Of the jobs of a provider with these keys, those that were created again after a first call came to nothing."""
    anew = ProviderJob.objects.filter(provider=provider).exclude(former_markers=[]).defer("seen")
    ordered, found = list(keys), dict[uuid.UUID, ProviderJob]()
    for start in range(0, len(ordered), KEYS_A_STATEMENT):
        found |= anew.in_bulk(ordered[start : start + KEYS_A_STATEMENT])
    return found


def nothing_to_send(job: ProviderJob, *, now: datetime, note: str = "") -> None:
    """End a job that was not created and is not wanted any more, or has no open request left."""
    with transaction.atomic():
        lock_batch(job)
        is_left = Slice.objects.filter(provider_job=job, pending__gt=0).exists()
        note = note or ("It was taken back before it was sent." if is_left else "No request was left to send.")
        write(job, now=now, state=JobState.ENDED, ended_at=now, poll_at=now if job.has_files else None, note=note)
        release_slices(job, now=now)

"""collecting: record the rows of a job's results, each once, whoever was killed meanwhile.

The rows of one call are recorded in one transaction with the bits of `ProviderJob.seen`, so that reading the results again
from their beginning changes nothing. Whoever settles a request first wins: a row for a request that has settled otherwise
was paid in vain, and is only counted.
"""

import uuid
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from batches.models import Batch, BatchObject, ProviderJob, Slice
from batches.rules.errors import LostRace
from batches.rules.execution import Execution, IncidentCode, JobState
from batches.rules.lines.bits import LineBits
from batches.rules.states import ObjectStatus
from batches.services.core.lease import lease_end
from batches.services.delegation.due import put_off, write
from batches.services.delegation.incidents import open_incident, resolve_incidents
from batches.services.delegation.prices import Prices
from batches.services.delegation.submitting import FULL_SECONDS, create_again
from batches.services.delegation.take_back import release_slices
from batches.services.delegation.wire_ids import row_reader
from batches.services.lifecycle.settle import Report, settle
from batches.services.tally.outcomes import Settled, Tried
from providers.base import Failure, Success
from providers.failures import Kind
from providers.jobs.base import Ending, RowResult

BUSY_SECONDS = 10.0  # how long rows wait whose requests an executor has in hand
UNREADABLE_TRIES = 20
QUEUE_FULL = "The provider's queue was full, so that the job failed. It is created anew."


class _Row(NamedTuple):
    """A row that is the job's own and was not recorded before."""

    line: int
    round: int
    found: RowResult


@dataclass(slots=True)
class _Tally:
    """What the rows of one call add to a job's counts."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, number: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + number


@transaction.atomic
def collect(job: ProviderJob, found: Sequence[RowResult], prices: Prices, *, unreadable: int = 0, now: datetime) -> int:
    """Record rows of a job's results. How many must be read again later, because an executor has their requests in hand.

    Raises LostRace if another worker has the job.
    """
    locked = ProviderJob.objects.select_for_update(of=("self",)).filter(pk=job.pk, lease_epoch=job.lease_epoch)
    stored = locked.values_list("seen", flat=True).first()
    if stored is None:
        raise LostRace
    seen, tally = LineBits(job.first_line, job.last_line, bytes(stored)), _Tally()
    tally.add("unreadable", unreadable)
    rows = list(_own(job, found, seen, tally))
    busy = _record(job, rows, prices, seen, tally, now=now) if rows else 0
    changes: dict[str, object] = {name: F(name) + number for name, number in tally.counts.items() if number}
    lease = {"lease_expires_at": lease_end(timezone.now())}
    ProviderJob.objects.filter(pk=job.pk).update(seen=seen.stored(), updated_at=now, **lease, **changes)
    return busy


def _own(job: ProviderJob, found: Iterable[RowResult], seen: LineBits, tally: _Tally) -> Iterable[_Row]:
    """The rows that are the job's own and new. A row that comes twice counts once; foreign ones are counted apart."""
    taken: set[int] = set()
    own_row = row_reader(job.pk)
    for row in found:
        own = own_row(row.wire_id)
        if own is None or not job.first_line <= own[0] <= job.last_line:
            tally.add("foreign")
        elif own[0] not in seen and own[0] not in taken:
            taken.add(own[0])
            yield _Row(*own, row)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A slice with lines of the results. `in_hand`: an executor holds it, and may just be sending its requests."""

    id: uuid.UUID
    first_line: int
    last_line: int
    in_hand: bool


def _record(job: ProviderJob, rows: list[_Row], prices: Prices, seen: LineBits, tally: _Tally, *, now: datetime) -> int:
    """Settle the requests of these rows that are still open; count the others. How many rows wait for an executor."""
    batch = Batch.objects.select_related("provider").get(pk=job.batch_id)
    batch_id, attempt, goes_on = batch.pk, job.attempt, batch.execution == Execution.HYBRID
    first, last = min(row.line for row in rows), max(row.line for row in rows)
    around = Slice.objects.select_for_update(of=("self",)).filter(batch=batch, last_line__gte=first, first_line__lte=last)
    slices = {piece.pk: piece for piece in around.order_by("pk")}
    states = _states(batch, rows, slices.values())
    price = prices.of_model(job.model)
    settled: list[Settled] = []
    tried: list[Tried] = []
    busy = 0
    for row, piece in _paired(rows, _pieces(slices.values(), job, now=now)):
        status, round_ = states.get(row.line, _UNSTARTED) if piece is not None else _NOWHERE
        if piece is None or not status:
            tally.add("foreign")
            continue
        is_open = status == _PENDING and round_ == row.round
        if is_open and piece.in_hand:
            busy += 1
            continue
        seen.add(row.line)
        outcome = row.found.outcome
        if outcome is None:
            tally.add("never_ran")
            continue
        cost, direct = price(outcome.usage) if isinstance(outcome, Success) else (None, None)
        if not is_open:
            _count_in_vain(outcome, status, cost, tally)
        elif goes_on and isinstance(outcome, Failure) and outcome.kind.retryable:
            tried.append(Tried(piece.id, batch_id, row.line, row.round, attempt, 0, outcome, now))
        else:
            settled.append(Settled(piece.id, batch_id, row.line, row.round, attempt, None, outcome, cost))
            tally.add("direct_cost_nanos", direct or 0)
    _count(settled, tried, tally)
    if touched := {item.slice_id for item in settled} | {item.slice_id for item in tried}:
        _settle(batch, [slices[key] for key in touched], settled, tried, now=now)
    return busy


def _count(settled: Sequence[Settled], tried: Sequence[Tried], tally: _Tally) -> None:
    """Count the requests that are settled or tried again because of these rows."""
    costs = [item.cost_nanos for item in settled if isinstance(item.outcome, Success)]
    tally.add("succeeded", len(costs))
    tally.add("failed", len(settled) - len(costs) + len(tried))
    tally.add("cost_nanos", sum(filter(None, costs)))
    tally.add("unpriced", costs.count(None))


_PENDING = ObjectStatus.PENDING.value
_UNSTARTED = (_PENDING, 1)
_NOWHERE = ("", 0)


def _states(batch: Batch, rows: Sequence[_Row], pieces: Collection[Slice]) -> dict[int, tuple[str, int]]:
    """Status and round of the requests of these rows. Where every line has a request, those not begun are left out: most."""
    lines = [row.line for row in rows]
    first, last = min(lines), max(lines)
    objects = BatchObject.objects.filter(batch=batch, line__gte=first, line__lte=last)
    if last - first >= 2 * len(lines):
        objects = objects.filter(line__in=lines)
    found: dict[int, tuple[str, int]] = {}
    if all(piece.total == piece.last_line - piece.first_line + 1 for piece in pieces):
        objects = objects.exclude(status=ObjectStatus.PENDING, round=1)
    else:
        found = dict.fromkeys(lines, _NOWHERE)
    return found | {line: (status, round_) for line, status, round_ in objects.values_list("line", "status", "round")}


def _pieces(slices: Iterable[Slice], job: ProviderJob, *, now: datetime) -> list[_Piece]:
    """These slices in the order of their lines. Slices of the job itself are in nobody's hand."""
    pieces = [
        _Piece(
            piece.pk,
            piece.first_line,
            piece.last_line,
            piece.provider_job_id != job.pk and piece.lease_expires_at is not None and piece.lease_expires_at > now,
        )
        for piece in slices
    ]
    return sorted(pieces, key=lambda piece: piece.first_line)


def _paired(rows: Sequence[_Row], pieces: Sequence[_Piece]) -> Iterator[tuple[_Row, _Piece | None]]:
    """Each row with the slice of its line. Rows mostly come in the order of the lines, so that the next is in the same slice."""
    starts = [piece.first_line for piece in pieces]
    piece: _Piece | None = None
    for row in rows:
        if piece is None or not piece.first_line <= row.line <= piece.last_line:
            place = bisect_right(starts, row.line) - 1
            piece = pieces[place] if place >= 0 and row.line <= pieces[place].last_line else None
        yield row, piece


def _count_in_vain(outcome: Success | Failure, status: str, cost: int | None, tally: _Tally) -> None:
    """Count a row whose request settled otherwise: it was paid twice, or came after the batch had stopped."""
    stopped = status in (ObjectStatus.CANCELLED, ObjectStatus.EXPIRED)
    tally.add("late" if stopped else "duplicates")
    if isinstance(outcome, Success):
        tally.add("wasted_nanos", cost or 0)


def _settle(batch: Batch, pieces: Sequence[Slice], settled: list[Settled], tried: list[Tried], *, now: datetime) -> None:
    """Settle under new epochs of the slices, which are locked, and let go of them at once."""
    keys = [piece.pk for piece in pieces]
    Slice.objects.filter(pk__in=keys).update(lease_epoch=F("lease_epoch") + 1, lease_owner=None, lease_expires_at=lease_end(now))
    epochs = {piece.pk: piece.lease_epoch + 1 for piece in pieces}
    receipt = settle(Report({batch.pk: batch}, epochs, settled, tried, done=dict.fromkeys(keys)), now=now)
    if receipt.lost:
        raise LostRace


def finish(job: ProviderJob, *, busy: int, outputs: list[str], now: datetime) -> bool:
    """Conclude after the results were read to their end. False if they are read again later.

    The lines of the results are compared with the lines that were sent. Missing ones may come late; then their requests are
    left to others.
    """
    fresh = ProviderJob.objects.get(pk=job.pk)
    write(job, now=now, release=False, outputs=outputs)
    if busy:
        write(job, now=now, poll_at=now + timedelta(seconds=BUSY_SECONDS), note=f"{busy:,} rows wait for calls in flight.")
        return False
    came = LineBits(fresh.first_line, fresh.last_line, bytes(fresh.seen)).count()
    missing = max(job.rows - came, 0)
    since = job.remote_ended_at or job.started_at or now
    if not came and job.problem_kind == Kind.RATE_LIMITED.value:
        create_again(job, now=now, seconds=FULL_SECONDS * 2 ** min(len(job.former_markers), 5), note=QUEUE_FULL)
        return False
    complete = job.ending in (Ending.COMPLETED.value, Ending.CANCELLED.value, Ending.EXPIRED.value)
    if missing and complete and not _is_over(since, job, now=now):
        seconds = max(settings.JOB_GRACE_SECONDS / 10, 1.0)
        note = f"{missing:,} results are missing; they may come late."
        write(job, now=now, poll_at=now + timedelta(seconds=seconds), looks=job.looks + 1, note=note)
        return False
    with transaction.atomic():
        note = _conclusion(fresh, missing=missing)
        write(job, now=now, state=JobState.ENDED, ended_at=now, poll_at=now, tries=0, failure="", looks=0, note=note)
        _tell(fresh, missing=missing, came=came, now=now)
        release_slices(job, now=now)
    return True


def _is_over(since: datetime, job: ProviderJob, *, now: datetime) -> bool:
    """Whether missing results are no longer waited for. Cancelled and expired jobs may well have none for some rows."""
    grace = settings.JOB_GRACE_SECONDS
    if job.ending != Ending.COMPLETED.value and job.looks >= 2:
        return True
    return now >= since + timedelta(seconds=grace) and job.looks >= 1


def _conclusion(job: ProviderJob, *, missing: int) -> str:
    parts = [f"{job.succeeded:,} succeeded", f"{job.failed:,} failed"]
    more = (("never_ran", "never ran"), ("duplicates", "were duplicates"), ("late", "came too late"))
    parts += [f"{getattr(job, name):,} {words}" for name, words in more if getattr(job, name)]
    if missing:
        parts.append(f"{missing:,} had no result")
    return f"{', '.join(parts)}."


def _tell(job: ProviderJob, *, missing: int, came: int, now: datetime) -> None:
    """Open the incidents of what was collected, with the numbers of both sides."""
    if missing and job.ending == Ending.COMPLETED.value:
        note = f"{job.rows:,} requests were sent, and {came:,} results came: {missing:,} are missing."
        open_incident(job, IncidentCode.MISSING_ROWS, note, now=now)
    else:
        resolve_incidents(job, IncidentCode.MISSING_ROWS, by="engine", resolution="Every result came.", now=now)
    if job.foreign:
        note = f"{job.foreign:,} results are of requests that were not in the job."
        open_incident(job, IncidentCode.FOREIGN_ROWS, note, now=now)
    if job.unreadable:
        open_incident(job, IncidentCode.UNREADABLE, f"{job.unreadable:,} lines of the results cannot be read.", now=now)
    reported = (job.reported_succeeded, job.reported_failed)
    if None not in reported and job.ending == Ending.COMPLETED.value:
        good = job.succeeded + job.duplicates + job.late
        if (reported[0] or 0) > came:
            note = f"The provider counts {reported[0]:,} succeeded and {reported[1]:,} failed; {good:,} results succeeded."
            open_incident(job, IncidentCode.COUNTS_DIFFER, note, now=now)


def unreadable_results(job: ProviderJob, failure: Failure, *, now: datetime) -> None:
    """Record that the results could not be read to their end. They are read again; after many times people are told."""
    if job.tries + 1 >= UNREADABLE_TRIES:
        open_incident(job, IncidentCode.UNREADABLE, f"The results cannot be read: {failure.message}", now=now)
    seconds = min(settings.JOB_POLL_SECONDS / 4 * 2 ** min(job.tries, 6), settings.JOB_POLL_SECONDS * 5)
    put_off(job, seconds=max(seconds, failure.retry_after or 0), now=now, failure=failure.message)

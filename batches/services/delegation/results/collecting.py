"""collecting: record the rows of a job's results, each once, whoever was killed meanwhile.

The rows of one call are recorded in one transaction with the bits of `ProviderJob.seen`, so that reading the results again
from their beginning changes nothing. Whoever settles a request first wins: a row for a request that has settled otherwise
was paid in vain, and is only counted.
"""

import uuid
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from batches.models import Batch, BatchObject, ProviderJob, Slice
from batches.rules.errors import LostRace
from batches.rules.execution import Execution
from batches.rules.lines.bits import LineBits
from batches.rules.states import ObjectStatus
from batches.rules.wire_ids import row_reader
from batches.services.core.lease import lease_end
from batches.services.delegation.due import lock_batch
from batches.services.delegation.prices import Prices
from batches.services.lifecycle.settle import settle_fenced
from batches.services.tally.outcomes import Settled, Tried
from batches.services.telemetry.catalogue import DUPLICATES
from batches.services.telemetry.counts import count_on_commit
from providers.base import Failure, Success
from providers.jobs.base import RowResult


class _Row(NamedTuple):
    """A row that is the job's own and was not recorded before."""

    line: int
    round: int
    found: RowResult


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of the rows of one call: `busy` ones must be read again, `foreign` ones are of no request of the job."""

    busy: int = 0
    foreign: int = 0


@dataclass(slots=True)
class _Tally:
    """What the rows of one call add to a job's counts."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, number: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + number


@transaction.atomic
def collect(job: ProviderJob, found: Sequence[RowResult], prices: Prices, *, now: datetime) -> Taken:
    """Record rows of a job's results. Rows whose requests an executor has in hand must be read again later.

    Raises LostRace if another worker has the job.
    """
    batch = lock_batch(job)
    locked = ProviderJob.objects.select_for_update(of=("self",)).filter(pk=job.pk, lease_epoch=job.lease_epoch)
    stored = locked.values_list("seen", flat=True).first()
    if stored is None:
        raise LostRace
    seen, tally = LineBits(job.first_line, job.last_line, bytes(stored)), _Tally()
    rows = list(_own(job, found, seen, tally))
    busy = _record(job, batch, rows, prices, seen, tally, now=now) if rows else 0
    foreign = tally.counts.pop("foreign", 0)  # each reading meets the same ones: `finish` records them
    count_on_commit(DUPLICATES, "job", by=tally.counts.get("duplicates", 0))
    count_on_commit(DUPLICATES, "late", by=tally.counts.get("late", 0))
    changes: dict[str, object] = {name: F(name) + number for name, number in tally.counts.items() if number}
    lease = {"lease_expires_at": lease_end(timezone.now())}
    ProviderJob.objects.filter(pk=job.pk).update(seen=seen.stored(), updated_at=now, **lease, **changes)
    return Taken(busy, foreign)


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


def _record(
    job: ProviderJob, batch: Batch, rows: list[_Row], prices: Prices, seen: LineBits, tally: _Tally, *, now: datetime
) -> int:
    """Settle the requests of these rows that are still open; count the others. How many rows wait for an executor."""
    batch.provider = job.provider  # who failed, if the batch was moved since
    batch_id, attempt, goes_on = batch.pk, job.attempt, batch.execution == Execution.HYBRID
    first, last = min(row.line for row in rows), max(row.line for row in rows)
    around = Slice.objects.select_for_update(of=("self",)).filter(batch=batch, last_line__gte=first, first_line__lte=last)
    slices = {piece.pk: piece for piece in around.order_by("pk")}
    states = _states(batch, rows, slices.values())
    settled: list[Settled] = []
    tried: list[Tried] = []
    busy = 0
    for row, piece in _paired(rows, _pieces(slices.values(), job, now=now)):
        status, round_ = states.get(row.line, _UNSTARTED) if piece is not None else _NOWHERE
        if piece is None or not status:
            tally.add("foreign")
            continue
        # A later round that is still open takes the success of an earlier one: the request is the same, and it is paid.
        came_good = round_ > row.round and isinstance(row.found.outcome, Success)
        is_open = status == _PENDING and (round_ == row.round or came_good)
        if is_open and piece.in_hand:
            busy += 1
            continue
        seen.add(row.line)
        outcome = row.found.outcome
        if outcome is None:
            tally.add("never_ran")
            continue
        cost, direct = prices.of_line(row.line)(outcome.usage) if isinstance(outcome, Success) else (None, None)
        if not is_open:
            _count_in_vain(outcome, status, cost, tally)
        elif goes_on and isinstance(outcome, Failure) and outcome.kind.retryable:
            tried.append(Tried(piece.id, batch_id, row.line, round_, attempt, 0, outcome, now))
        else:
            settled.append(Settled(piece.id, batch_id, row.line, round_, attempt, None, outcome, cost))
            tally.add("direct_cost_nanos", 0 if cost is None else direct or 0)  # else nothing could be compared
    _count(settled, tried, tally)
    if touched := {item.slice_id for item in settled} | {item.slice_id for item in tried}:
        settle_fenced(batch, [slices[key] for key in touched], settled, tried, now=now)
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

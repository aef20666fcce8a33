"""collecting: record the rows of a job's results, each once, whoever was killed meanwhile.

The rows of one call are recorded in one transaction with the bits of `ProviderJob.seen`, so that reading the results again
from their beginning changes nothing. Whoever settles a request first wins: a row for a request that has settled otherwise
was paid in vain, and is only counted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from batches.models import Batch, BatchObject, ProviderJob, Slice
from batches.rules.errors import LostRace
from batches.rules.execution import Execution
from batches.rules.states import ObjectStatus
from batches.rules.wire_ids import own_row
from batches.services.core.lease import lease_end
from batches.services.delegation.due import lock_batch
from batches.services.delegation.prices import Prices
from batches.services.lifecycle.settle import Report, settle
from batches.services.tally.outcomes import Settled, Tried
from providers.base import Failure, Success
from providers.jobs.base import RowKind, RowResult


@dataclass(frozen=True, slots=True)
class _Row:
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


class Bits:
    """One bit for each line of a job."""

    def __init__(self, job: ProviderJob, stored: bytes) -> None:
        self._first = job.first_line
        size = (job.last_line - job.first_line) // 8 + 1
        self._bits = bytearray(stored.ljust(size, b"\0"))

    def __contains__(self, line: int) -> bool:
        byte, bit = divmod(line - self._first, 8)
        return bool(self._bits[byte] >> bit & 1)

    def add(self, line: int) -> None:
        byte, bit = divmod(line - self._first, 8)
        self._bits[byte] |= 1 << bit

    def stored(self) -> bytes:
        return bytes(self._bits)

    def count(self) -> int:
        return int.from_bytes(self._bits).bit_count()


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
    seen, tally = Bits(job, bytes(stored)), _Tally()
    rows = list(_own(job, found, seen, tally))
    busy = _record(job, batch, rows, prices, seen, tally, now=now) if rows else 0
    foreign = tally.counts.pop("foreign", 0)  # each reading meets the same ones: `finish` records them
    changes: dict[str, object] = {name: F(name) + number for name, number in tally.counts.items() if number}
    lease = {"lease_expires_at": lease_end(timezone.now())}
    ProviderJob.objects.filter(pk=job.pk).update(seen=seen.stored(), updated_at=now, **lease, **changes)
    return Taken(busy, foreign)


def _own(job: ProviderJob, found: Iterable[RowResult], seen: Bits, tally: _Tally) -> Iterable[_Row]:
    """The rows that are the job's own and new. A row that comes twice counts once; foreign ones are counted apart."""
    taken: set[int] = set()
    for row in found:
        own = own_row(job.pk, row.wire_id)
        if own is None or not job.first_line <= own[0] <= job.last_line:
            tally.add("foreign")
        elif own[0] not in seen and own[0] not in taken:
            taken.add(own[0])
            yield _Row(*own, row)


def _record(job: ProviderJob, batch: Batch, rows: list[_Row], prices: Prices, seen: Bits, tally: _Tally, *, now: datetime) -> int:
    """Settle the requests of these rows that are still open; count the others. How many rows wait for an executor."""
    batch.provider = job.provider  # who failed, if the batch was moved since
    first, last = min(row.line for row in rows), max(row.line for row in rows)
    around = Slice.objects.select_for_update(of=("self",)).filter(batch=batch, last_line__gte=first, first_line__lte=last)
    pieces = list(around.order_by("pk"))
    of_line = {line: piece for piece in pieces for line in range(max(piece.first_line, first), min(piece.last_line, last) + 1)}
    objects = BatchObject.objects.filter(batch=batch, line__in=[row.line for row in rows])
    states = {line: (status, round_) for line, status, round_ in objects.values_list("line", "status", "round")}
    settled: list[Settled] = []
    tried: list[Tried] = []
    touched: dict[object, Slice] = {}
    busy = 0
    for row in rows:
        piece, (status, round_) = of_line.get(row.line), states.get(row.line, ("", 0))
        if piece is None or not status:
            tally.add("foreign")
            continue
        # A later round that is still open takes the success of an earlier one: the request is the same, and it is paid.
        came_good = round_ > row.round and isinstance(row.found.outcome, Success)
        is_open = status == ObjectStatus.PENDING and (round_ == row.round or came_good)
        in_hand = piece.provider_job_id != job.pk and piece.lease_expires_at is not None and piece.lease_expires_at > now
        if is_open and in_hand:
            busy += 1
            continue
        seen.add(row.line)
        if row.found.kind is not RowKind.OUTCOME or row.found.outcome is None:
            tally.add("never_ran")
            continue
        outcome = row.found.outcome
        usage = outcome.usage if isinstance(outcome, Success) else None
        cost, direct = prices.of(usage, job.model) if isinstance(outcome, Success) else (None, None)
        if not is_open:
            _count_in_vain(outcome, status, cost, tally)
            continue
        if isinstance(outcome, Failure) and outcome.kind.retryable and batch.execution == Execution.HYBRID:
            tally.add("failed")
            tried.append(Tried(piece.pk, batch.pk, row.line, round_, job.attempt, 0, outcome, now))
        else:
            settled.append(Settled(piece.pk, batch.pk, row.line, round_, job.attempt, None, outcome, cost))
            tally.add("succeeded" if isinstance(outcome, Success) else "failed")
            tally.add("cost_nanos", cost or 0)
            tally.add("direct_cost_nanos", direct or 0)
            tally.add("unpriced", int(isinstance(outcome, Success) and cost is None))
        touched[piece.pk] = piece
    if touched:
        _settle(batch, list(touched.values()), settled, tried, now=now)
    return busy


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

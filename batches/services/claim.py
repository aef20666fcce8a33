"""claim: lease slices to an executor."""

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from django.db import transaction
from django.db.models import Count, F, Max, Q
from django.utils import timezone

from batches.models import Attempt, BatchObject, Slice
from batches.queries.turns import Candidate, candidates, rank
from batches.services.lease import lease_end
from batches.states import BatchStatus, ObjectStatus
from providers.failures import Kind


class Waiting(msgspec.Struct):
    """An object to be sent, and what has been tried in this round."""

    line: int
    round: int = 1
    attempts: int = 0  # failed ones on record
    failures: Mapping[str, int] = {}  # of each kind, how many of them may count against the limit
    answered: int = 0  # how many of them the upstream answered
    not_before: datetime | None = None
    last_strike: datetime | None = None  # when it last failed for its provider's account


@dataclass(frozen=True, slots=True)
class Lease:
    """A slice that an executor may work on, under this epoch, until the lease ends or is renewed.

    `known` are its pending objects; None when it was never leased before: then nothing had to be looked up.
    """

    piece: Slice
    epoch: int
    known: Sequence[Waiting] | None

    def waiting(self, lines: Iterable[int]) -> Sequence[Waiting]:
        """The objects to be sent, of a slice that has these lines; at first each line waits for its first attempt."""
        return [Waiting(line) for line in lines] if self.known is None else self.known


@dataclass(frozen=True, slots=True)
class Appetite:
    """How many more slices an executor wants: for each provider that it speaks to already, and for any other.

    `full` are providers of which it takes none at all, `held` the batches that it works on.
    """

    otherwise: int
    wanted: Mapping[uuid.UUID, int] = field(default_factory=dict)
    full: frozenset[uuid.UUID] = frozenset()
    held: frozenset[uuid.UUID] = frozenset()


def claim(*, executor: uuid.UUID, appetite: Appetite, now: datetime) -> list[Lease]:
    """Lease slices, the most deserving first, as many as are wanted; and one of each further batch that is not held yet.

    So a busy executor still takes up a small new batch at once. Only what is still pending is handed out.
    """
    most = max(appetite.otherwise, *appetite.wanted.values(), 1)
    chosen = share(candidates(now=now, most=most), appetite)
    return [lease for batch_id, count in chosen.items() for lease in _lease(batch_id, count, executor=executor, now=now)]


NEWCOMERS = 16  # further batches taken up at once, however little is wanted


def share(found: Iterable[Candidate], appetite: Appetite) -> dict[uuid.UUID, int]:
    """How many slices to lease of which batch, in the order of `rank`; each one leased counts before the next is chosen.

    Providers do not compete with each other. Then come newcomers, so that a small batch does not wait behind a large one.
    """
    open_to = [candidate for candidate in found if candidate.provider_id not in appetite.full]
    taken: Counter[uuid.UUID] = Counter()
    newcomers: list[Candidate] = []
    for provider_id in {candidate.provider_id for candidate in open_to}:
        rivals = [candidate for candidate in open_to if candidate.provider_id == provider_id]
        taken += _deal(rivals, appetite.wanted.get(provider_id, appetite.otherwise))
        newcomers += _newcomers(rivals)
    unheld = [one for one in sorted(newcomers, key=rank) if not taken[one.batch_id] and one.batch_id not in appetite.held]
    return taken | {candidate.batch_id: 1 for candidate in unheld[:NEWCOMERS]}


def _newcomers(rivals: Sequence[Candidate]) -> list[Candidate]:
    """Batches that nobody works on: those never begun, and of the others those than which none has a higher standing."""
    highest = min(rival.standing for rival in rivals)
    return [rival for rival in rivals if not rival.served and (not rival.begun or rival.standing == highest)]


def _deal(rivals: Sequence[Candidate], wanted: int) -> Counter[uuid.UUID]:
    taken: Counter[uuid.UUID] = Counter()
    given: Counter[uuid.UUID] = Counter()  # cost, by batch and by project
    for _ in range(wanted):
        rivals = [rival for rival in rivals if taken[rival.batch_id] < rival.free]
        if not rivals:
            break
        best = min(rivals, key=lambda rival: rank(rival, given=given[rival.batch_id], given_to_project=given[rival.project_id]))
        taken[best.batch_id] += 1
        given[best.batch_id] += best.weight
        given[best.project_id] += best.weight
    return taken


def _free(now: datetime) -> Q:
    return (Q(lease_expires_at=None) | Q(lease_expires_at__lte=now)) & (Q(not_before=None) | Q(not_before__lte=now))


def anything_to_claim(*, now: datetime) -> bool:
    """Whether an executor would find work."""
    return bool(candidates(now=now, most=1))


@transaction.atomic
def _lease(batch_id: uuid.UUID, count: int, *, executor: uuid.UUID, now: datetime) -> list[Lease]:
    locked = Slice.objects.select_for_update(of=("self",), skip_locked=True)
    running = {"batch__status": BatchStatus.IN_PROGRESS, "batch__paused_at": None}
    free = locked.filter(_free(now), batch=batch_id, pending__gt=0, **running)
    pieces = list(free.order_by("first_line")[:count])
    if not pieces:
        return []
    Slice.objects.filter(pk__in=[piece.pk for piece in pieces]).update(
        lease_owner=executor, lease_epoch=F("lease_epoch") + 1, lease_expires_at=lease_end(timezone.now()), not_before=None
    )
    return [Lease(piece, piece.lease_epoch + 1, _waiting(piece) if _is_begun(piece) else None) for piece in pieces]


def _is_begun(piece: Slice) -> bool:
    """Whether not every line of a slice waits for its first attempt: it was leased before, or some were skipped."""
    return bool(piece.lease_epoch) or piece.pending < piece.total


def _waiting(piece: Slice) -> list[Waiting]:
    lines = {"batch": piece.batch_id, "line__gte": piece.first_line, "line__lte": piece.last_line}
    pending = BatchObject.objects.filter(**lines, status=ObjectStatus.PENDING).order_by("line")
    found = {key: Waiting(*key) for key in pending.values_list("line", "round")}
    # Added up in the database: what was throttled all day has thousands.
    tried = Attempt.objects.filter(**lines).order_by().values_list("line", "round", "kind", "answered", "counted")
    summed = tried.annotate(Count("pk"), Max("retry_at"), Max("created_at"))
    for line, round_, kind, answered, counted, count, retry_at, latest in summed:
        if item := found.get((line, round_)):
            item.attempts += count
            if counted:
                item.failures = {**item.failures, kind: item.failures.get(kind, 0) + count}
            item.answered += count if answered else 0
            item.not_before = retry_at if item.not_before is None else max(item.not_before, retry_at)
            if Kind(kind).is_of_account:
                item.last_strike = latest if item.last_strike is None else max(item.last_strike, latest)
    return list(found.values())


def give_back(lease: Lease) -> None:
    """Let go of one slice that was not begun."""
    Slice.objects.filter(pk=lease.piece.pk, lease_epoch=lease.epoch).update(lease_owner=None, lease_expires_at=None)


def put_off(lease: Lease, *, until: datetime) -> None:
    """Let go of one slice, for somebody to begin later."""
    held = Slice.objects.filter(pk=lease.piece.pk, lease_epoch=lease.epoch)
    held.update(lease_owner=None, lease_expires_at=None, not_before=until)

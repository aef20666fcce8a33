"""claim: lease slices to an executor."""

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import inf

import msgspec
from django.db import transaction
from django.db.models import Count, F, Max, Min, Q
from django.utils import timezone

from batches.models import Attempt, Batch, BatchObject, Slice
from batches.rules.states import BatchStatus, ObjectStatus
from batches.services.core.lease import LOST, is_free, lease_end
from batches.services.lifecycle.turns import Candidate, candidates, rank
from batches.services.telemetry.catalogue import LEASES_LOST
from batches.services.telemetry.counts import count_on_commit
from providers.failures import Kind

RECORDED_WITHIN = timedelta(seconds=1)  # an outcome is on record so soon after its call ended


class Pending(msgspec.Struct):
    """An object to be sent, and the failed attempts of this round."""

    line: int
    round: int = 1
    attempts: int = 0  # how many failed attempts are on record
    failures: Mapping[str, int] = {}  # how many attempts of each kind of failure may count against the limit
    answered: int = 0  # how many attempts the upstream answered
    not_before: datetime | None = None
    last_strike: datetime | None = None  # when it last failed because of its provider's account
    first_sent: Mapping[str, datetime] = {}  # about when the first attempt was sent that failed, by the kind of failure


@dataclass(frozen=True, slots=True)
class Lease:
    """A slice that an executor may work on, under this epoch, until the lease ends or is renewed.

    `known` are the slice's pending objects. It is None for a slice that was never leased before, whose objects are all
    pending. `lost` is how many leases in a row ran out before any outcome was recorded.
    """

    piece: Slice
    epoch: int
    known: Sequence[Pending] | None
    lost: int = 0

    def waiting(self, lines: Iterable[int]) -> Sequence[Pending]:
        """The objects to be sent, for a slice with these lines. In a slice that was never leased these are all lines."""
        return [Pending(line) for line in lines] if self.known is None else self.known


Tenancy = tuple[uuid.UUID, uuid.UUID]  # a provider, and a project at it


@dataclass(frozen=True, slots=True)
class Appetite:
    """How many more slices an executor wants.

    `wanted` is the number for each project at each provider that the executor works for already. `otherwise` is the number
    for any other provider. `full` are the projects at providers of which the executor takes no more slices at all. `held` are
    the batches that it works on. `avoided` are the providers and batches that its worker cannot carry out.
    """

    otherwise: int
    wanted: Mapping[Tenancy, int] = field(default_factory=dict)
    full: frozenset[Tenancy] = frozenset()
    held: frozenset[uuid.UUID] = frozenset()
    avoided: frozenset[uuid.UUID] = frozenset()

    def takes(self, candidate: Candidate) -> bool:
        """Whether the executor takes slices of this batch."""
        is_full = (candidate.provider_id, candidate.project_id) in self.full
        return not is_full and self.avoided.isdisjoint((candidate.provider_id, candidate.batch_id))

    def of_provider(self, provider_id: uuid.UUID) -> int:
        """How many slices of a provider the executor wants in all."""
        known = [count for (provider, _), count in self.wanted.items() if provider == provider_id]
        return sum(known) if known else self.otherwise


def claim(*, executor: uuid.UUID, appetite: Appetite, now: datetime) -> list[Lease]:
    """Lease as many slices as are wanted, the most deserving first, and one slice of each newcomer that is not held yet.

    So a busy executor still takes up a small new batch at once. A lease hands out only objects that are still pending.
    """
    most = max(appetite.otherwise, sum(appetite.wanted.values()), 1)
    found = candidates(now=now, most=most)
    chosen = share(found, appetite)
    leases = [lease for batch_id, count in chosen.items() for lease in _lease(batch_id, count, executor=executor, now=now)]
    unbegun = {candidate.batch_id for candidate in found if not candidate.begun}
    for batch_id in unbegun & {lease.piece.batch_id for lease in leases}:  # one by one, so that no deadlock arises
        Batch.objects.filter(pk=batch_id, begun_at=None).update(begun_at=now)
    return leases


NEWCOMERS = 16  # how many newcomers are taken up at once, however little is wanted
NEWCOMERS_COST = 2048  # after newcomers of this cost, further newcomers of the same project wait for the next turn


def share(found: Iterable[Candidate], appetite: Appetite) -> dict[uuid.UUID, int]:
    """How many slices of each batch to lease, chosen one by one by `rank`. Each chosen slice counts in the next choice.

    Providers do not compete with each other. Newcomers come after the wanted slices, so that a small batch does not wait
    behind a large one. While a batch has slices to lease, a batch of a lower precedence gets no slice but its first.
    """
    open_to = [candidate for candidate in found if appetite.takes(candidate)]
    taken: Counter[uuid.UUID] = Counter()
    newcomers: list[Candidate] = []
    for provider_id in {candidate.provider_id for candidate in open_to}:
        rivals = [candidate for candidate in open_to if candidate.provider_id == provider_id]
        most = {project: count for (provider, project), count in appetite.wanted.items() if provider == provider_id}
        highest = max(rival.precedence for rival in rivals)
        first = [rival for rival in rivals if rival.precedence == highest]
        taken += _deal(first, appetite.of_provider(provider_id), most=most)
        newcomers += _newcomers(rivals)
    unheld = [replace(one, free=1) for one in newcomers if not taken[one.batch_id] and one.batch_id not in appetite.held]
    return taken | _deal(unheld, NEWCOMERS, most={}, cost=NEWCOMERS_COST)


def _newcomers(rivals: Sequence[Candidate]) -> list[Candidate]:
    """Batches that no executor works on: those never begun, and the first in line of those begun before.

    A batch that was begun counts only if no batch of its project has a higher standing, and no batch a higher precedence.
    """
    first = max(rival.precedence for rival in rivals)
    highest = {rival.project_id: rival.standing for rival in sorted(rivals, key=lambda one: one.standing, reverse=True)}
    return [
        rival
        for rival in rivals
        if not rival.served and (not rival.begun or (rival.standing == highest[rival.project_id] and rival.precedence == first))
    ]


def _deal(rivals: Sequence[Candidate], wanted: int, *, most: Mapping[uuid.UUID, int], cost: float = inf) -> Counter[uuid.UUID]:
    """Deal out as many slices as are wanted, one by one.

    A project gets no more slices than `most` says, if it is named there, and none once its slices have reached `cost`.
    """
    taken: Counter[uuid.UUID] = Counter()
    taken_of: Counter[uuid.UUID] = Counter()  # by project
    dealt: Counter[uuid.UUID] = Counter()  # cost, by batch and by project
    for _ in range(wanted):
        rivals = [
            rival
            for rival in rivals
            if taken[rival.batch_id] < rival.free
            and taken_of[rival.project_id] < most.get(rival.project_id, wanted)
            and dealt[rival.project_id] < cost
        ]
        if not rivals:
            break
        best = min(rivals, key=lambda rival: rank(rival, dealt=dealt[rival.batch_id], dealt_to_project=dealt[rival.project_id]))
        taken[best.batch_id] += 1
        taken_of[best.project_id] += 1
        dealt[best.batch_id] += best.weight
        dealt[best.project_id] += best.weight
    return taken


def _claimable(now: datetime) -> Q:
    return is_free(now) & (Q(not_before=None) | Q(not_before__lte=now))


def anything_to_claim(*, now: datetime) -> bool:
    """Whether there is a slice that an executor could lease."""
    return bool(candidates(now=now, most=1))


@transaction.atomic
def _lease(batch_id: uuid.UUID, count: int, *, executor: uuid.UUID, now: datetime) -> list[Lease]:
    locked = Slice.objects.select_for_update(of=("self",), skip_locked=True)
    running = {"batch__status": BatchStatus.IN_PROGRESS, "batch__paused_at": None}
    free = locked.filter(_claimable(now), batch=batch_id, pending__gt=0, provider_job=None, **running)
    pieces = list(free.order_by("first_line")[:count])
    if not pieces:
        return []
    Slice.objects.filter(pk__in=[piece.pk for piece in pieces]).update(
        lease_owner=executor,
        lease_epoch=F("lease_epoch") + 1,
        lease_expires_at=lease_end(timezone.now()),
        not_before=None,
        lost_leases=F("lost_leases") + LOST,
    )
    count_on_commit(LEASES_LOST, "expired", by=sum(piece.lease_owner is not None for piece in pieces))
    return [
        Lease(
            piece,
            piece.lease_epoch + 1,
            _waiting(piece) if _is_begun(piece) else None,
            piece.lost_leases + (piece.lease_owner is not None),
        )
        for piece in pieces
    ]


def _is_begun(piece: Slice) -> bool:
    """Whether some line of a slice does not wait for its first attempt: the slice was leased before, or lines were skipped."""
    return bool(piece.lease_epoch) or piece.pending < piece.total


def _waiting(piece: Slice) -> list[Pending]:
    lines = {"batch": piece.batch_id, "line__gte": piece.first_line, "line__lte": piece.last_line}
    pending = BatchObject.objects.filter(**lines, status=ObjectStatus.PENDING).order_by("line")
    found = {key: Pending(*key) for key in pending.values_list("line", "round")}
    # The database adds them up, because objects that were throttled all day have thousands of attempts.
    tried = Attempt.objects.filter(**lines).order_by().values_list("line", "round", "kind", "answered", "counted")
    summed = tried.annotate(Count("pk"), Max("retry_at"), Min("created_at"), Max("created_at"), Max("latency_ms"))
    for line, round_, kind, answered, counted, count, retry_at, earliest, latest, latency_ms in summed:
        if item := found.get((line, round_)):
            item.attempts += count
            if counted:
                item.failures = {**item.failures, kind: item.failures.get(kind, 0) + count}
            item.answered += count if answered else 0
            item.not_before = retry_at if item.not_before is None else max(item.not_before, retry_at)
            sent_at = earliest - timedelta(milliseconds=latency_ms) - RECORDED_WITHIN
            item.first_sent = {**item.first_sent, kind: min(item.first_sent.get(kind, sent_at), sent_at)}
            if Kind(kind).is_of_account:
                item.last_strike = latest if item.last_strike is None else max(item.last_strike, latest)
    return list(found.values())


def give_back(lease: Lease) -> None:
    """Give the lease on a slice back that was not begun."""
    Slice.objects.filter(pk=lease.piece.pk, lease_epoch=lease.epoch).update(lease_owner=None, lease_expires_at=None)

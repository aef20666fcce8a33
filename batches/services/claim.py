"""claim: lease slices to an executor."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import Count, F, Q
from django.utils import timezone

from batches.models import Attempt, Batch, BatchObject, Slice
from batches.services.lease import lease_end
from batches.states import BatchStatus, ObjectStatus


@dataclass(frozen=True, slots=True)
class Candidate:
    """A running batch that has slices to lease: how many are free, and how many are leased already."""

    batch_id: uuid.UUID
    priority: int
    created_at: datetime
    free: int
    leased: int


@dataclass(slots=True)
class Waiting:
    """An object to be sent: what it is, and what has been tried in this round."""

    line: int
    object_id: uuid.UUID
    round: int
    attempts: int = 0  # failed attempts on record
    answered: int = 0  # ... of which the upstream answered
    not_before: datetime | None = None


@dataclass(slots=True)
class Lease:
    """A slice that an executor may work on, under this epoch, until the lease ends or is renewed."""

    piece: Slice
    epoch: int
    waiting: list[Waiting] = field(default_factory=list)

    @property
    def batch(self) -> Batch:
        return self.piece.batch


def claim(*, executor: uuid.UUID, limit: int, held: Iterable[uuid.UUID] = (), now: datetime) -> list[Lease]:
    """Lease up to `limit` slices, the most deserving first; and one of each further batch that is not `held` yet.

    So a full executor still takes up a small new batch at once. Only what is still pending is handed out.
    """
    chosen = share(_candidates(now=now), limit=limit, held=frozenset(held))
    return [lease for batch_id, count in chosen.items() for lease in _lease(batch_id, count, executor=executor, now=now)]


NEWCOMERS = 16  # further batches taken up at once, whatever the limit


def share(candidates: Sequence[Candidate], *, limit: int, held: frozenset[uuid.UUID]) -> dict[uuid.UUID, int]:
    """How many slices to lease of which batch: by priority, then to whoever has fewest leased, then by age."""
    taken: dict[uuid.UUID, int] = {}
    free = {candidate.batch_id: candidate.free for candidate in candidates}
    for _ in range(limit):
        best = min(
            (candidate for candidate in candidates if free[candidate.batch_id] > 0),
            key=lambda candidate: (
                -candidate.priority,
                candidate.leased + taken.get(candidate.batch_id, 0),
                candidate.created_at,
                candidate.batch_id,
            ),
            default=None,
        )
        if best is None:
            break
        taken[best.batch_id] = taken.get(best.batch_id, 0) + 1
        free[best.batch_id] -= 1
    newcomers = [c for c in candidates if c.batch_id not in held and c.batch_id not in taken and not c.leased]
    newcomers.sort(key=lambda candidate: (-candidate.priority, candidate.created_at, candidate.batch_id))
    return taken | {candidate.batch_id: 1 for candidate in newcomers[:NEWCOMERS]}


def _free(now: datetime) -> Q:
    return (Q(lease_expires_at=None) | Q(lease_expires_at__lte=now)) & (Q(not_before=None) | Q(not_before__lte=now))


def _candidates(*, now: datetime) -> list[Candidate]:
    unfinished = Slice.objects.filter(
        pending__gt=0, batch__status=BatchStatus.IN_PROGRESS, batch__expires_at__gt=now, batch__provider__enabled=True
    )
    rows = unfinished.order_by().values("batch_id", "batch__priority", "batch__created_at")
    counted = rows.annotate(free=Count("pk", filter=_free(now)), leased=Count("pk", filter=Q(lease_expires_at__gt=now)))
    return [
        Candidate(row["batch_id"], row["batch__priority"], row["batch__created_at"], row["free"], row["leased"])
        for row in counted
        if row["free"]
    ]


def anything_to_claim(*, now: datetime) -> bool:
    """Whether an executor would find work."""
    running = Slice.objects.filter(pending__gt=0, batch__status=BatchStatus.IN_PROGRESS, batch__provider__enabled=True)
    return running.filter(_free(now), batch__expires_at__gt=now).exists()


@transaction.atomic
def _lease(batch_id: uuid.UUID, count: int, *, executor: uuid.UUID, now: datetime) -> list[Lease]:
    free = Slice.objects.select_for_update(skip_locked=True).filter(_free(now), batch=batch_id, pending__gt=0)
    pieces = list(free.order_by("first_line")[:count])
    if not pieces:
        return []
    batch = Batch.objects.select_related("input_file", "provider").get(pk=batch_id)
    if batch.status != BatchStatus.IN_PROGRESS:
        return []
    Slice.objects.filter(pk__in=[piece.pk for piece in pieces]).update(
        lease_owner=executor, lease_epoch=F("lease_epoch") + 1, lease_expires_at=lease_end(timezone.now()), not_before=None
    )
    for piece in pieces:
        piece.batch = batch
    return [Lease(piece, piece.lease_epoch + 1, _waiting(piece)) for piece in pieces]


def _waiting(piece: Slice) -> list[Waiting]:
    lines = {"batch": piece.batch_id, "line__gte": piece.first_line, "line__lte": piece.last_line}
    pending = BatchObject.objects.filter(**lines, status=ObjectStatus.PENDING).order_by("line")
    waiting = [Waiting(*row) for row in pending.values_list("line", "id", "round")]
    if piece.lease_epoch == 0:
        return waiting  # never leased before, so nothing was attempted
    tried: dict[tuple[int, int], list[tuple[bool, datetime]]] = {}
    for line, round_, answered, retry_at in Attempt.objects.filter(**lines).values_list("line", "round", "answered", "retry_at"):
        tried.setdefault((line, round_), []).append((answered, retry_at))
    for item in waiting:
        if attempts := tried.get((item.line, item.round)):
            item.attempts = len(attempts)
            item.answered = sum(answered for answered, _ in attempts)
            item.not_before = max(retry_at for _, retry_at in attempts)
    return waiting

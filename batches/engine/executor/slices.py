"""The slices that an executor has leased, and their objects that are in flight or wait."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from operator import itemgetter

from django.conf import settings

from batches.engine.executor.permits import Pass, PermitGate
from batches.models import Batch
from batches.services.intake.extras import Extras, kept_extras
from batches.services.lifecycle.claim import Lease

MOST_OF_HELD = 8  # an executor keeps at most this many slices of a provider under a hold
SHARE_OF_HELD = 0.25  # and these slices take at most this part of its buffer


@dataclass(slots=True, eq=False)
class HeldSlice:
    """A slice that this executor has leased, and how many of its objects are still open."""

    batch: Batch
    lease: Lease
    deadline: float  # when its batch expires, on the event loop's clock
    open: int  # how many objects have not settled
    size: int  # bytes of the bodies of these objects
    flying: dict[int, "Item"] = field(default_factory=dict)  # by line, the one that was sent first at the front
    waiting: dict[int, "Wait"] = field(default_factory=dict)  # by line
    stopped_at: float | None = None  # when the slice stopped sending, on the event loop's clock
    strikes: int = 0  # how many strikes (see `limits.hold`) and failed probes its requests had
    held_back: bool = False  # the batch goes on later or elsewhere, so requests in flight may take their time
    slice_id: uuid.UUID = field(init=False)
    batch_id: uuid.UUID = field(init=False)
    key: str = field(init=False)  # the beginning of its objects' idempotency keys
    extras: Extras = field(init=False)  # the headers that its batch sends with every call

    def __post_init__(self) -> None:
        self.slice_id, self.batch_id = self.lease.piece.id, self.lease.piece.batch_id
        self.key = self.batch_id.hex
        self.extras = kept_extras(self.batch)

    @property
    def flying_since(self) -> float:
        """When the oldest request in flight was sent, in seconds since 1970; infinity if none is in flight."""
        return next(iter(self.flying.values())).sent_at if self.flying else inf

    @property
    def is_done(self) -> bool:
        """Whether every object has settled, or the slice is stopped and no request is in flight."""
        return not self.open or (self.stopped_at is not None and not self.flying)

    def only_waits(self) -> bool:
        """Whether every open object waits for its next attempt."""
        return len(self.waiting) == self.open and self.stopped_at is None

    def stop(self, *, now: float) -> None:
        """Send no more objects of this slice."""
        if self.stopped_at is None:
            self.stopped_at = now
            for wait in self.waiting.values():
                wait.timer.cancel()

    def hold_back(self, *, now: float) -> None:
        """Send no more objects of this slice here, and let the requests in flight take their time."""
        if self.stopped_at is None:
            self.stop(now=now)
            self.held_back = True

    def end(self, *, now: float) -> None:
        """Stop the slice because its batch has stopped running. Requests in flight have only the usual grace time."""
        if self.held_back:
            self.held_back, self.stopped_at = False, now
        self.stop(now=now)

    def abort(self, *, now: float) -> None:
        """Stop the slice, and cancel its requests in flight."""
        self.stop(now=now)
        for item in self.flying.values():
            assert item.task is not None
            item.task.cancel()


def beyond_probes(slices: Iterable[HeldSlice]) -> list[HeldSlice]:
    """The slices of one lane under a hold that the executor lets go of. The few others stay to send probes.

    A hold may last for days, and other providers need the room, so few slices stay. These belong to as many batches and
    projects as possible, and to those with the fewest strikes. So the odd requests of one batch cannot prolong the hold.
    """
    nth = Counter[uuid.UUID]()
    ranked: list[tuple[tuple[int, int, int, int], HeldSlice]] = []
    for position, held in enumerate(slices):
        batch, project = held.batch_id, held.batch.project_id
        ranked.append(((nth[batch], held.strikes, nth[project], position), held))
        nth[batch] += 1
        nth[project] += 1
    beyond, size, most = list[HeldSlice](), 0, settings.EXECUTOR_BUFFER_BYTES * SHARE_OF_HELD
    for place, (_, held) in enumerate(sorted(ranked, key=itemgetter(0))):
        size += held.size
        if place and (place >= MOST_OF_HELD or size > most):
            beyond.append(held)
    return beyond


@dataclass(slots=True, eq=False)
class Item:
    """An object to be sent or in flight: its body, and the attempts of this round."""

    held: HeldSlice
    line: int
    round: int
    body: bytes
    attempts: int
    counted: int  # how many attempts count against the limit
    answered: int  # how many attempts the upstream answered
    model: str
    task: "asyncio.Task[None] | None" = None  # the sender that has it in flight
    sent_at: float = 0.0  # when the last attempt was sent, in seconds since 1970
    last_strike: float | None = None  # when it last failed because of the provider's account, in seconds since 1970
    first_fault: float | None = None  # when the attempt was sent that first came to a fault, in seconds since 1970
    gate: PermitGate | None = None  # the gate of its model, while the request is in flight
    passes: tuple[Pass, ...] = ()  # the permits it used, to be corrected by the real usage

    @property
    def idempotency_key(self) -> str:
        """The Idempotency-Key of the next call. It changes only after an answer: an unanswered call may have been carried out."""
        return f"{self.held.key}.{self.line}-{self.round}-{self.answered}"


@dataclass(frozen=True, slots=True)
class Wait:
    """The wait of an object for its next attempt. `reason` is set if it waits because of the upstream's limits."""

    item: Item
    until: datetime
    reason: str
    timer: asyncio.TimerHandle

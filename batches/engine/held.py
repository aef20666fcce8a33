"""What an executor holds: slices that it leased, and the objects in them that are on their way."""

import asyncio
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings

from batches.engine.gates import Gate, Pass
from batches.models import Batch
from batches.services.claim import Lease

SHARE_OF_HELD = 0.25  # of an executor's buffer, at most, for the slices of one held provider


@dataclass(slots=True, eq=False)
class Held:
    """A slice that is leased here, and how much of it is still open."""

    batch: Batch
    lease: Lease
    deadline: float  # of its batch, on the event loop's clock
    open: int  # objects that have not settled
    size: int  # bytes of their bodies
    flying: dict[int, "asyncio.Task[None]"] = field(default_factory=dict)  # by line
    waiting: dict[int, "Wait"] = field(default_factory=dict)  # by line
    stopped_at: float | None = None  # since when nothing of it is sent any more, on the event loop's clock
    held_back: bool = False  # its batch goes on later, or elsewhere: what is in flight may take its time
    slice_id: uuid.UUID = field(init=False)
    batch_id: uuid.UUID = field(init=False)
    key: str = field(init=False)  # what its objects' idempotency keys begin with

    def __post_init__(self) -> None:
        self.slice_id, self.batch_id = self.lease.piece.id, self.lease.piece.batch_id
        self.key = self.batch_id.hex

    @property
    def is_done(self) -> bool:
        """Nothing of it is going on, and nothing will."""
        return not self.open or (self.stopped_at is not None and not self.flying)

    def only_waits(self) -> bool:
        """Every object that is still open waits for its next attempt."""
        return len(self.waiting) == self.open and self.stopped_at is None

    def stop(self, *, now: float) -> None:
        """Send nothing of it any more."""
        if self.stopped_at is None:
            self.stopped_at = now
            for wait in self.waiting.values():
                wait.timer.cancel()

    def hold_back(self, *, now: float) -> None:
        """Send nothing of it any more here; what is in flight is waited for."""
        if self.stopped_at is None:
            self.stop(now=now)
            self.held_back = True

    def end(self, *, now: float) -> None:
        """Its batch does not run any more: what is in flight has only the usual time."""
        if self.held_back:
            self.held_back, self.stopped_at = False, now
        self.stop(now=now)

    def abort(self, *, now: float) -> None:
        """Stop, and give up what is in flight."""
        self.stop(now=now)
        for task in self.flying.values():
            task.cancel()


def beyond_probes(slices: Iterable[Held]) -> Iterator[Held]:
    """Of the slices of one held provider, those to let go of: the others send its probes.

    One of each project stays, so that no project's odd requests are all that a provider is tried with, and not much in all:
    a hold may last for days, and other providers need the room.
    """
    projects, size = set[uuid.UUID](), 0
    for held in slices:
        fits = not projects or size + held.size <= settings.EXECUTOR_BUFFER_BYTES * SHARE_OF_HELD
        if held.batch.project_id in projects or not fits:
            yield held
        else:
            projects.add(held.batch.project_id)
            size += held.size


@dataclass(slots=True, eq=False)
class Item:
    """An object on its way: its body, and what was tried in this round."""

    held: Held
    line: int
    round: int
    body: bytes
    attempts: int
    counted: int  # attempts that count against the limit
    answered: int
    model: str
    last_strike: float | None = None  # when it last failed for the provider's account, in seconds since 1970
    probed: bool = False  # it has failed as the probe of a circuit breaker
    gate: Gate | None = None  # of its model, while it is in flight
    passes: tuple[Pass, ...] = ()  # to be corrected by what it used

    @property
    def idempotency_key(self) -> str:
        """The same for every repeat of a call that may have been carried out unanswered; new after an answer."""
        return f"{self.held.key}.{self.line}-{self.round}-{self.answered}"


@dataclass(frozen=True, slots=True)
class Wait:
    """An object waits for its next attempt; `reason` is set when the upstream's limits are why."""

    item: Item
    until: datetime
    reason: str
    timer: asyncio.TimerHandle

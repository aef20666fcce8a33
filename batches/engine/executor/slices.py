"""What an executor holds: slices that it leased, and the objects in them that are on their way."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter

from django.conf import settings

from batches.engine.executor.permits import Pass, PermitGate
from batches.models import Batch
from batches.services.intake.extras import Extras, kept_extras
from batches.services.lifecycle.claim import Lease

MOST_OF_HELD = 8  # slices of one held provider that an executor keeps
SHARE_OF_HELD = 0.25  # of its buffer, at most, that they take


@dataclass(slots=True, eq=False)
class HeldSlice:
    """A slice that is leased here, and how much of it is still open."""

    batch: Batch
    lease: Lease
    deadline: float  # of its batch, on the event loop's clock
    open: int  # objects that have not settled
    size: int  # bytes of their bodies
    flying: dict[int, "asyncio.Task[None]"] = field(default_factory=dict)  # by line
    waiting: dict[int, "Wait"] = field(default_factory=dict)  # by line
    stopped_at: float | None = None  # since when nothing of it is sent any more, on the event loop's clock
    strikes: int = 0  # of its requests, as `hold` calls them
    held_back: bool = False  # its batch goes on later, or elsewhere: what is in flight may take its time
    slice_id: uuid.UUID = field(init=False)
    batch_id: uuid.UUID = field(init=False)
    key: str = field(init=False)  # what its objects' idempotency keys begin with
    extras: Extras = field(init=False)  # of its batch, for every call

    def __post_init__(self) -> None:
        self.slice_id, self.batch_id = self.lease.piece.id, self.lease.piece.batch_id
        self.key = self.batch_id.hex
        self.extras = kept_extras(self.batch)

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


def beyond_probes(slices: Iterable[HeldSlice]) -> list[HeldSlice]:
    """Of the slices of one held provider, those to let go of: the others send its probes.

    A hold may last for days, and other providers need the room: few stay. They are of as many batches and projects as
    possible, and rather those that have not been tried in vain, so that odd requests of one batch do not hold all others.
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
    """An object on its way: its body, and what was tried in this round."""

    held: HeldSlice
    line: int
    round: int
    body: bytes
    attempts: int
    counted: int  # attempts that count against the limit
    answered: int
    model: str
    sent_at: float = 0.0  # the last time, in seconds since 1970
    last_strike: float | None = None  # when it last failed for the provider's account, in seconds since 1970
    gate: PermitGate | None = None  # of its model, while it is in flight
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

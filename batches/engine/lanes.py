"""Lanes: what one executor holds in memory. One lane for each provider, with the objects that are ready to be sent."""

import asyncio
import math
import uuid
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings

from batches.models import Batch
from batches.services.claim import Lease
from providers.base import Adapter


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

    def abort(self, *, now: float) -> None:
        """Stop, and give up what is in flight."""
        self.stop(now=now)
        for task in self.flying.values():
            task.cancel()


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


class Lane:
    """The objects for one provider. Its batches take turns, so that a small one does not wait behind a large one."""

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter
        self.share = 0  # requests this executor may have in flight
        self.shut_since: float | None = None  # since when that is none although there is something to send
        self.in_flight = 0
        self.senders: set[asyncio.Task[None]] = set()
        self.ready = 0
        self.usual_slice = (settings.SLICE_LINES, 1)  # lines and bytes of the last one
        self._turns: deque[uuid.UUID] = deque()
        self._queues: dict[uuid.UUID, deque[Item]] = {}

    @property
    def free_slots(self) -> int:
        return max(self.share - len(self.senders), 0)

    def slices_of(self, *, lines: float, size: int) -> int:
        """How many slices, if they are as usual, have so many lines, but no more than so many bytes."""
        usual_lines, usual_size = self.usual_slice
        return max(min(math.ceil(lines / usual_lines), size // usual_size), 0)

    def grant(self, share: int, *, now: float) -> None:
        """So many requests may be in flight from now on."""
        self.share = share
        if share or not self.ready:
            self.shut_since = None
        elif self.shut_since is None:
            self.shut_since = now

    def push(self, item: Item) -> None:
        """An object may be sent."""
        batch_id = item.held.batch_id
        queue = self._queues.get(batch_id)
        if queue is None:
            queue = self._queues[batch_id] = deque()
            self._turns.append(batch_id)
        queue.append(item)
        self.ready += 1

    def pop(self) -> Item | None:
        """The next object to send, or None. Whatever belongs to a stopped slice is dropped on the way."""
        while self._turns:
            batch_id = self._turns[0]
            queue = self._queues[batch_id]
            item = queue.popleft()
            self.ready -= 1
            if not queue:
                self._turns.popleft()
                del self._queues[batch_id]
            elif len(self._turns) > 1:
                self._turns.rotate(-1)
            if item.held.stopped_at is None:
                return item
        return None

"""The outbox: the outcomes that an executor has and has not handed in yet."""

import uuid
from collections.abc import Set
from dataclasses import dataclass
from itertools import accumulate, takewhile

from django.conf import settings

from batches.services.tally.outcomes import Settled, Tried
from providers.budget import Budget

MAX_WAITING_ROWS = 10_000  # with more rows than this, as when the database is away, nothing more is sent
HAND_IN_BYTES = 16 * 1024**2  # bytes of answers in one turn; recording them needs a few times as much memory


@dataclass(slots=True)
class HandedIn:
    """The outcomes that are handed in with one turn. `size` is the bytes of their answers."""

    settled: list[Settled]
    tried: list[Tried]
    size: int


class Outbox:
    """The outcomes that are not recorded yet. Their answers count against the executor's budget of bytes until then."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._settled: list[Settled] = []
        self._tried: list[Tried] = []
        self._size = 0  # bytes of the answers
        self._max_size = settings.EXECUTOR_BUFFER_BYTES
        self._flush_rows = settings.FLUSH_ROWS

    @property
    def has_rows(self) -> bool:
        return bool(self._settled or self._tried)

    @property
    def is_full(self) -> bool:
        return self._size > self._max_size or len(self._settled) + len(self._tried) > MAX_WAITING_ROWS

    @property
    def is_large(self) -> bool:
        """Whether the outbox holds as much as one turn hands in."""
        return len(self._settled) >= self._flush_rows or self._size >= HAND_IN_BYTES

    def slices(self) -> Set[uuid.UUID]:
        """The slices that have outcomes in this outbox."""
        return {item.slice_id for item in self._settled} | {item.slice_id for item in self._tried}

    def add_settled(self, item: Settled) -> None:
        self._settled.append(item)
        self._grow(_size_of(item))

    def add_tried(self, item: Tried) -> None:
        self._tried.append(item)
        self._grow(_size_of(item))

    def _grow(self, size: int) -> None:
        self._size += size
        self._budget.keep(size)

    def take(self) -> HandedIn:
        """Take the outcomes to hand in: all of them, or only the first few if the answers are very large."""
        count = len(self._settled)
        if self._size > HAND_IN_BYTES:
            sizes = accumulate(_size_of(item) for item in self._settled)
            count = max(sum(1 for _ in takewhile(lambda size: size <= HAND_IN_BYTES, sizes)), 1)
        settled, tried = self._settled[:count], self._tried
        self._settled, self._tried = self._settled[count:], []
        size = self._size
        if self._settled:
            size -= sum(map(_size_of, self._settled))
        self._size -= size
        return HandedIn(settled, tried, size)

    def put_back(self, handed_in: HandedIn) -> None:
        """Put outcomes back that were not recorded."""
        self._settled = handed_in.settled + self._settled
        self._tried = handed_in.tried + self._tried
        self._size += handed_in.size

    def has_handed_in(self, handed_in: HandedIn) -> None:
        """Free the budget of outcomes that are recorded."""
        self._budget.let_go(handed_in.size)

    def forget(self, lost: Set[uuid.UUID]) -> None:
        """Drop the outcomes of lost slices: other executors send their requests again."""
        if not lost or not self.has_rows:
            return
        self._settled = [item for item in self._settled if item.slice_id not in lost]
        self._tried = [item for item in self._tried if item.slice_id not in lost]
        before, self._size = self._size, sum(map(_size_of, self._settled)) + sum(map(_size_of, self._tried))
        self._budget.let_go(before - self._size)


def _size_of(item: Settled | Tried) -> int:
    return len(item.outcome.body if isinstance(item, Settled) else item.failure.body)

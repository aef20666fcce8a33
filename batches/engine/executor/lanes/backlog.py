"""The backlog of a lane: the objects that are ready to be sent, in one queue for each batch and model."""

import uuid
from collections import deque

from batches.engine.executor.slices import Item

Key = tuple[uuid.UUID, str]  # the batch and the model of a queue


class Backlog:
    """The queues take turns, so that a small batch does not wait behind a large one.

    A queue is parked while its model's limits hold it back. Its objects then count as `parked` and not as `ready`.
    """

    def __init__(self) -> None:
        self.ready = 0
        self.parked = 0
        self._turns: deque[Key] = deque()
        self._queues: dict[Key, deque[Item]] = {}
        self._parked: set[Key] = set()

    def push(self, item: Item) -> None:
        """Add an object that may be sent."""
        key = (item.held.batch_id, item.model)
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = deque()
            self._turns.append(key)
        queue.append(item)
        if self._parked and key in self._parked:
            self.parked += 1
        else:
            self.ready += 1

    def drop_stopped(self) -> None:
        """Forget the objects of stopped slices. Sending drops them too, but not while a gate is shut."""
        for key, queue in list(self._queues.items()):
            left = deque(item for item in queue if item.held.stopped_at is None)
            dropped = len(queue) - len(left)
            if key in self._parked:
                self.parked -= dropped
            else:
                self.ready -= dropped
            if left:
                self._queues[key] = left
            else:
                del self._queues[key]
                self._parked.discard(key)
                if key in self._turns:
                    self._turns.remove(key)

    def queued(self, model: str) -> int:
        """How many objects in the backlog name this model."""
        return sum(len(queue) for (_, named), queue in self._queues.items() if named == model)

    def models_of(self, batch_id: uuid.UUID) -> list[str]:
        """The models that a batch's objects in the backlog name."""
        return [model for batch, model in self._queues if batch == batch_id]

    def _take_from(self, key: Key, queue: deque[Item]) -> None:
        """Remove the first object of a queue, and give the turn to the next queue."""
        queue.popleft()
        self.ready -= 1
        if not queue:
            self._turns.popleft()
            del self._queues[key]
        elif len(self._turns) > 1:
            self._turns.rotate(-1)

    def _park(self, key: Key) -> None:
        self._turns.remove(key)
        self._parked.add(key)
        self.ready -= len(self._queues[key])
        self.parked += len(self._queues[key])

    def _unpark(self, model: str) -> None:
        for key in [key for key in self._parked if key[1] == model]:
            self._parked.discard(key)
            self._turns.append(key)
            self.ready += len(self._queues[key])
            self.parked -= len(self._queues[key])

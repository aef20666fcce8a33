"""A budget of bytes: how much of answers may be in memory at once, while they are read and until they are recorded.

An answer that grows beyond SMALL asks for room before more of it is read, and its connection stops reading until there is
some. What was read and is not recorded yet counts as well. So many small answers cost nothing, and many large ones come one
after the other instead of all at once.

Some answers do not tell how long they are. Several of them, each in need of more, could wait for each other for ever: then the
one that waits longest is let read to its end, whatever its length. So the budget is exceeded by one answer at most.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar

SMALL = 64 * 1024  # bytes of an answer that nobody asks for


class Budget:
    """Belongs to one event loop. `current` is that of the task that asks, if there is one."""

    current: ContextVar["Budget | None"] = ContextVar("budget", default=None)

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept = 0  # bytes of answers that were read
        self._read = 0  # bytes that answers may have while they are read
        self._readings: set[Reading] = set()
        self._waiting: deque[Reading] = deque()
        self._is_due = False

    @property
    def used(self) -> int:
        """Bytes that are in memory, or may be."""
        return self._kept + self._read

    def keep(self, size: int) -> None:
        """So many bytes were read, and are not recorded yet."""
        self._kept += size

    def let_go(self, size: int) -> None:
        """So many bytes are recorded, or of no use any more."""
        self._kept -= size
        self._look_soon()

    def has_room(self, reading: "Reading", size: int) -> bool:
        """Whether an answer may have so many bytes; if not, it goes on once it may."""
        if reading not in self._readings:
            self._readings.add(reading)
        if not self._waiting and self._fits(reading, size):
            self._grant(reading, size)
            return True
        reading.wanted = size
        self._waiting.append(reading)
        self._look_soon()
        return False

    def end(self, reading: "Reading") -> None:
        """An answer is read to its end, or given up. Whoever keeps its bytes says so before another is let in."""
        self._readings.discard(reading)
        self._read -= reading.granted
        reading.granted = 0
        if reading.wanted:
            reading.wanted = 0
            self._waiting.remove(reading)
        self._look_soon()

    def _fits(self, reading: "Reading", size: int) -> bool:
        return self.used - reading.granted + size <= self._most

    def _is_stuck(self, first: "Reading") -> bool:
        """Whether all that are read wait, and what is to be recorded would not make room for the first of them."""
        all_wait = len(self._waiting) == len(self._readings)
        return all_wait and self.used <= self._most < self._read - first.granted + first.wanted

    def _grant(self, reading: "Reading", size: int) -> None:
        self._read += size - reading.granted
        reading.granted, reading.wanted = size, 0

    def _look_soon(self) -> None:
        if self._waiting and not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        """Let in whoever fits, in their order; and the first of all when nothing else would make room."""
        self._is_due = False
        while self._waiting:
            first = self._waiting[0]
            if self._fits(first, first.wanted):
                self._grant(first, first.wanted)
            elif self._is_stuck(first):
                self._grant(first, first.most)
            else:
                return
            self._waiting.popleft()
            first.go_on()


class Reading:
    """One answer that is read, or made: it may never have more than `most` bytes. `go_on` is called when there is room."""

    __slots__ = ("_budget", "go_on", "granted", "most", "wanted")

    def __init__(self, budget: Budget, *, most: int, go_on: Callable[[], None] = lambda: None) -> None:
        self._budget = budget
        self.most = most
        self.go_on = go_on
        self.granted = 0  # bytes
        self.wanted = 0  # bytes that it waits for

    def may_have(self, size: int) -> bool:
        """Whether it may have so many bytes in all. If not, `go_on` is called once it may."""
        size = min(size, self.most)
        return size <= self.granted or self._budget.has_room(self, size)

    async def wait_for(self, size: int) -> None:
        """Wait until it may have so many bytes: for whoever reads, or makes, an answer in a coroutine."""
        room = asyncio.get_running_loop().create_future()
        self.go_on = lambda: None if room.done() else room.set_result(None)
        if not self.may_have(size):
            await room

    def end(self) -> None:
        """It is read, or given up."""
        self._budget.end(self)

"""The budget of bytes: a bound on the bytes of answers in memory, from reading an answer until it is recorded.

An answer that grows beyond SMALL asks for room before more of it is read, and its connection stops reading until there is
room. Bytes that were read and are not recorded yet count as well. So small answers are never delayed, and large answers
come one after the other instead of all at once.

Some answers do not tell their length. Several such answers could wait for each other's room for ever. In this case the
answer that has waited longest may read to its end, whatever its length. So at most one answer exceeds the budget.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar

SMALL = 64 * 1024  # an answer may have so many bytes without asking for room


class Budget:
    """A budget belongs to one event loop. `current` is the budget of the running task, or None."""

    current: ContextVar["Budget | None"] = ContextVar("budget", default=None)

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept = 0  # bytes of answers that are read to their end and not recorded yet
        self._read = 0  # bytes that are granted to answers that are being read
        self._readings: set[Reading] = set()
        self._waiting: deque[Reading] = deque()
        self._is_due = False

    @property
    def used(self) -> int:
        """The bytes that are in memory, or are granted."""
        return self._kept + self._read

    def keep(self, size: int) -> None:
        """Count bytes of an answer that was read and is not recorded yet."""
        self._kept += size

    def let_go(self, size: int) -> None:
        """Free bytes of an answer that is recorded, or no longer needed."""
        self._kept -= size
        self._look_soon()

    def has_room(self, reading: "Reading", size: int) -> bool:
        """Whether an answer may have `size` bytes in all. If not, the answer waits, and goes on as soon as there is room."""
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
        """Free the grant of an answer that is read to its end, or given up.

        The caller that keeps the answer's bytes must call `keep` before it yields to the loop: the next answer is let in then.
        """
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
        """Whether every answer that is being read waits, and recording the finished answers would not make enough room."""
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
        """Grant room to waiting answers in their order while they fit. If all are stuck, let the first read to its end."""
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
    """An answer that is being read, or made, and its part of the budget.

    The answer has at most `most` bytes. `go_on` is called when a waiting answer gets room.
    """

    __slots__ = ("_budget", "go_on", "granted", "most", "wanted")

    def __init__(self, budget: Budget, *, most: int, go_on: Callable[[], None] = lambda: None) -> None:
        self._budget = budget
        self.most = most
        self.go_on = go_on
        self.granted = 0  # bytes
        self.wanted = 0  # bytes in all that the answer waits for; 0 if it does not wait

    def may_have(self, size: int) -> bool:
        """Whether the answer may have `size` bytes in all. If not, `go_on` is called as soon as it may."""
        size = min(size, self.most)
        return size <= self.granted or self._budget.has_room(self, size)

    async def wait_for(self, size: int) -> None:
        """Wait until the answer may have `size` bytes in all. For answers that a coroutine reads or makes."""
        room = asyncio.get_running_loop().create_future()
        self.go_on = lambda: None if room.done() else room.set_result(None)
        if not self.may_have(size):
            await room

    def end(self) -> None:
        """Free the grant: the answer is read, or given up."""
        self._budget.end(self)

"""The pulse of a provider: what is in flight there, and what its latest calls came to, over all executors and projects.

It decides nothing. Pages and alerts tell from it whether the provider works, turns calls away, or does not answer.
"""

from collections.abc import Iterable

import msgspec

from batches.engine.limits.asks import Calls, Tally, Vitals
from batches.engine.limits.slots import SHARE_SECONDS

CELL_SECONDS = 5.0
KEPT_SECONDS = 60.0  # older outcomes say nothing about the present
SAMPLE = 20  # outcomes of so many calls are enough: of a busy provider only the latest seconds count


class Cell(msgspec.Struct, array_like=True):
    """The outcomes that were reported in a stretch of CELL_SECONDS. Each failed call is in `failed`, and may be in one more."""

    at: int
    calls: int = 0
    failed: int = 0
    refused: int = 0  # answered with a 429
    unanswered: int = 0  # no answer in time, or no connection


class Flying(msgspec.Struct, array_like=True):
    """The calls of one executor that are in flight. It counts as dead, with none in flight, after `ends`."""

    count: int
    oldest_at: float  # when the oldest of them was sent
    ends: float


class Pulse(msgspec.Struct, array_like=True):
    """The pulse of one provider. Times are in seconds on the clock that `now` is read from."""

    cells: list[Cell] = msgspec.field(default_factory=list)
    flying: dict[str, Flying] = msgspec.field(default_factory=dict)  # by executor
    answered_at: float = float("-inf")  # when the last answer was reported, whatever it said
    failed_in_a_row: int = 0  # calls that failed since the last success

    def note(self, executor: str, calls: Calls, tallies: Iterable[Tally], *, now: float) -> None:
        """Record an executor's report: its calls in flight, and the outcomes of all of its projects."""
        self.flying = {name: one for name, one in self.flying.items() if one.ends > now}  # those of dead executors go
        if calls.in_flight:
            self.flying[executor] = Flying(calls.in_flight, now - calls.oldest_for, now + SHARE_SECONDS)
        else:
            self.flying.pop(executor, None)
        for tally in tallies:
            if tally.answers:
                self._add(tally, now=now)

    def _add(self, tally: Tally, *, now: float) -> None:
        cell = int(now / CELL_SECONDS)
        if not self.cells or self.cells[-1].at != cell:
            self.cells.append(Cell(cell))
            self.cells = [one for one in self.cells if one.at > cell - KEPT_SECONDS / CELL_SECONDS]
        latest = self.cells[-1]
        latest.calls += tally.answers
        latest.failed += tally.failed
        latest.refused += tally.refused
        latest.unanswered += tally.unanswered
        if tally.unanswered < tally.answers:
            self.answered_at = now
        has_succeeded = tally.failed < tally.answers
        self.failed_in_a_row = tally.failures if has_succeeded else self.failed_in_a_row + tally.failed

    def vitals(self, *, now: float) -> Vitals:
        """What is known at present: of the outcomes, as few of the latest as make up the sample."""
        found = Vitals(answered_for=now - self.answered_at, failed_in_a_row=self.failed_in_a_row)
        for one in [one for one in self.flying.values() if one.ends > now]:
            found.in_flight += one.count
            found.oldest_for = max(found.oldest_for, now - one.oldest_at)
        for cell in reversed(self.cells):
            if found.calls >= SAMPLE or cell.at <= int(now / CELL_SECONDS) - KEPT_SECONDS / CELL_SECONDS:
                break
            found.calls += cell.calls
            found.succeeded += cell.calls - cell.failed
            found.refused += cell.refused
            found.unanswered += cell.unanswered
        return found

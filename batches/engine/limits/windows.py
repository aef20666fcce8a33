"""Windows: how much was let through lately, so that no interval as long as a window ever contains more than the limit.

A grant may be used for a moment, so it counts until a window's length after that moment. A window is cut into 240 cells. To
smooth bursts, any twentieth of a window gets at most an eighteenth of the limit. The README has the proof.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec

CELLS = 240  # of one window
PART = 12  # cells over which grants are spread
FULL_PARTS = 18  # as many such parts make up the limit, so that a part that was not used in full can be made up for
BLOCKS = 4  # of these make up a part, so that several executors and projects get some of it
ONE_GRANT = 1 / (FULL_PARTS * BLOCKS)  # of a limit
THIRSTY_SECONDS = 1.0  # after so long a project that was refused has to ask again


class WindowSize(msgspec.Struct, frozen=True):
    """How long a window is, in seconds."""

    seconds: float = 60.0

    @property
    def cell(self) -> float:
        return self.seconds / CELLS

    @property
    def valid(self) -> float:
        """For how long after it was granted a permit may be used."""
        return self.seconds / 120

    def cell_at(self, now: float) -> int:
        return int(now / self.cell)


class Drawn(msgspec.Struct, array_like=True):
    """How much a project has drawn from windows, as a part of their limits, beside the thirsty project with the least."""

    part: float = 0.0
    thirsty_until: float = float("-inf")  # it got less than it wanted a moment ago

    def thirst(self, *, now: float) -> None:
        """It gets less than it wants."""
        self.thirsty_until = now + THIRSTY_SECONDS

    def is_ahead_of(self, others: Iterable["Drawn"], *, now: float) -> bool:
        """Whether one of them has to catch up first."""
        return any(other.thirsty_until > now and self.part > other.part + ONE_GRANT for other in others)

    def take(self, part: float, others: Sequence["Drawn"], *, now: float) -> None:
        """Count what was granted. A project that waits for nothing has no right to what others draw meanwhile."""
        self.part += part
        self.thirsty_until = float("-inf")
        least = min([self.part, *(other.part for other in others if other.thirsty_until > now)])
        for one in [self, *others]:
            one.part = min(max(one.part - least, 0.0), 1.0)


class Window(msgspec.Struct, array_like=True):
    """Sliding-window counter: no interval as long as the window ever contains more than the limit. What was granted, by cell."""

    cells: dict[int, int] = msgspec.field(default_factory=dict)

    @classmethod
    def of_unknown_past(cls, *, limit: int, now: float, span: WindowSize) -> "Window":
        """As full as it can possibly be, as late as it can have become so: what may be true where nothing is known."""
        window, part, left, cell = cls(), _part(limit), limit, span.cell_at(now)
        while left:
            window.cells[cell] = min(part, left)
            left -= window.cells[cell]
            cell -= PART
        return window

    def grantable(self, wanted: int, *, least: int, limit: int, now: float, span: WindowSize) -> int:
        """How much may be granted now: no less than `least`, else nothing. What can never fit counts as the whole limit."""
        self._forget(now, span)
        least = min(least, limit)
        part, lately = _part(limit), self._lately(span.cell_at(now))
        paced = part - lately if lately else max(part, least)
        amount = min(max(wanted, least), limit - sum(self.cells.values()), paced, max(math.ceil(part / BLOCKS), least))
        return amount if amount >= least else 0

    def take(self, amount: int, *, now: float, span: WindowSize) -> None:
        """Note a grant."""
        cell = span.cell_at(now)
        self.cells[cell] = self.cells.get(cell, 0) + amount

    def give_back(self, cell: int, amount: int) -> None:
        """So much of what was granted then was not used after all; less than nothing: so much more was."""
        if cell in self.cells:
            self.cells[cell] = max(self.cells[cell] - amount, 0)

    def opens_in(self, least: int, *, limit: int, now: float, span: WindowSize) -> float:
        """How many seconds until `least` may be granted."""
        least, part, cell = min(least, limit), _part(limit), span.cell_at(now)
        recent = {at: amount for at, amount in self.cells.items() if at > cell - PART}
        full = _last_to_go(self.cells, sum(self.cells.values()) + least - limit)
        crowded = _last_to_go(recent, sum(recent.values()) + min(least, part) - part)
        waits = [0.0]
        if full is not None:
            waits.append(self._ends(full, span) - now)
        if crowded is not None:
            waits.append((crowded + PART) * span.cell - now)
        return max(waits)

    def is_empty(self, *, now: float, span: WindowSize) -> bool:
        """Whether nothing that was granted counts any more."""
        self._forget(now, span)
        return not self.cells

    def _lately(self, cell: int) -> int:
        return sum(amount for at, amount in self.cells.items() if at > cell - PART)

    def _ends(self, cell: int, span: WindowSize) -> float:
        return (cell + 1) * span.cell + span.valid + span.seconds

    def _forget(self, now: float, span: WindowSize) -> None:
        for cell in [cell for cell in self.cells if self._ends(cell, span) <= now]:
            del self.cells[cell]


def _part(limit: int) -> int:
    return math.ceil(limit / FULL_PARTS)


def _last_to_go(cells: Mapping[int, int], excess: int) -> int | None:
    """The cell with which, the oldest first, as much as the excess has gone; None when there is no excess."""
    found = None
    for cell, amount in sorted(cells.items()):
        if excess <= 0:
            break
        found, excess = cell, excess - amount
    return found

"""Windows: how much was let through lately, counted so that no stretch of a window's length ever holds more than the limit.

What is granted may be used within a moment after, so it counts from the grant until a window's length after that moment:
then all that was used in any stretch of that length was counted at once at its end. Grants are noted by cells, a
240th of a window each. They are spread: a part of the window, a twentieth, takes no more than an eighteenth of the limit.
"""

import math
from collections.abc import Mapping

import msgspec

CELLS = 240  # of one window
PART = 12  # cells over which grants are spread
FULL_PARTS = 18  # as many such parts make up the limit, so that a part that was not used in full can be made up for
BLOCKS = 4  # of these make up a part, so that several executors get some of it


class Span(msgspec.Struct, frozen=True):
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


class Window(msgspec.Struct):
    """What was granted of one limit, by cell."""

    cells: dict[int, int] = msgspec.field(default_factory=dict)

    @classmethod
    def of_unknown_past(cls, *, limit: int, now: float, span: Span) -> "Window":
        """As full as it can possibly be, as late as it can have become so: what may be true where nothing is known."""
        window, part, left, cell = cls(), _part(limit), limit, span.cell_at(now)
        while left:
            window.cells[cell] = min(part, left)
            left -= window.cells[cell]
            cell -= PART
        return window

    def grantable(self, wanted: int, *, least: int, limit: int, now: float, span: Span) -> int:
        """How much may be granted now: no less than `least`, else nothing. What can never fit counts as the whole limit."""
        self._forget(now, span)
        least = min(least, limit)
        part, lately = _part(limit), self._lately(span.cell_at(now))
        paced = part - lately if lately else max(part, least)
        amount = min(max(wanted, least), limit - sum(self.cells.values()), paced, max(math.ceil(part / BLOCKS), least))
        return amount if amount >= least else 0

    def take(self, amount: int, *, now: float, span: Span) -> None:
        """Note a grant."""
        cell = span.cell_at(now)
        self.cells[cell] = self.cells.get(cell, 0) + amount

    def give_back(self, cell: int, amount: int) -> None:
        """So much of what was granted then was not used after all; less than nothing: so much more was."""
        if cell in self.cells:
            self.cells[cell] = max(self.cells[cell] - amount, 0)

    def opens_in(self, least: int, *, limit: int, now: float, span: Span) -> float:
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

    def _lately(self, cell: int) -> int:
        return sum(amount for at, amount in self.cells.items() if at > cell - PART)

    def _ends(self, cell: int, span: Span) -> float:
        return (cell + 1) * span.cell + span.valid + span.seconds

    def _forget(self, now: float, span: Span) -> None:
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

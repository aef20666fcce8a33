"""Windows: sliding-window counters. No interval as long as the window ever contains more than the limit.

A permit may be used for half a second after its grant, so the grant counts until a window's length after that. A window is
cut into 240 cells. To smooth bursts, any twentieth of a window gets at most an eighteenth of the limit. The README has the
proof.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec

CELLS = 240  # of one window
PART = 12  # cells in one part of a window; bursts are smoothed part by part
FULL_PARTS = 18  # full parts that make up the limit; there are 20 in a window, so an unused part can be made up for
BLOCKS = 4  # grants that make up a part, so that several executors and projects get some of it
ONE_GRANT = 1 / (FULL_PARTS * BLOCKS)  # the part of a limit that one grant may take
THIRSTY_SECONDS = 1.0  # how long a refused project counts as thirsty, unless it asks again


class WindowSize(msgspec.Struct, frozen=True):
    """The length of a window in seconds."""

    seconds: float = 60.0

    @property
    def cell(self) -> float:
        return self.seconds / CELLS

    @property
    def valid(self) -> float:
        """How many seconds after its grant a permit may be used."""
        return self.seconds / 120

    def cell_at(self, now: float) -> int:
        return int(now / self.cell)


class Drawn(msgspec.Struct, array_like=True):
    """How much a project has drawn from windows, as a part of their limits.

    It is counted from the draw of the thirsty project that has drawn least. A project is thirsty if it recently got less
    than it wanted.
    """

    part: float = 0.0
    thirsty_until: float = float("-inf")

    def thirst(self, *, now: float) -> None:
        """Note that the project gets less than it wants."""
        self.thirsty_until = now + THIRSTY_SECONDS

    def is_ahead_of(self, others: Iterable["Drawn"], *, now: float) -> bool:
        """Whether one of the others is thirsty and has drawn so much less that it must catch up first."""
        return any(other.thirsty_until > now and self.part > other.part + ONE_GRANT for other in others)

    def take(self, part: float, others: Sequence["Drawn"], *, now: float) -> None:
        """Count a grant. A project that is not thirsty earns no right to catch up with the draws of others."""
        self.part += part
        self.thirsty_until = float("-inf")
        least = min([self.part, *(other.part for other in others if other.thirsty_until > now)])
        for one in [self, *others]:
            one.part = min(max(one.part - least, 0.0), 1.0)


class Window(msgspec.Struct, array_like=True):
    """The amounts granted within the last window, by time cell."""

    cells: dict[int, int] = msgspec.field(default_factory=dict)

    @classmethod
    def of_unknown_past(cls, *, limit: int, now: float, span: WindowSize) -> "Window":
        """The worst case of an unknown past: the whole limit was granted, and as late as the rule allows."""
        window, part, left, cell = cls(), _part(limit), limit, span.cell_at(now)
        while left:
            window.cells[cell] = min(part, left)
            left -= window.cells[cell]
            cell -= PART
        return window

    def grantable(self, wanted: int, *, least: int, limit: int, now: float, span: WindowSize) -> int:
        """How much may be granted now: at least `least`, or nothing. A `least` above the limit counts as the limit."""
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
        """Return an unused amount of the grant in this cell. A negative amount says that more was used than granted."""
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
        """Whether no grant counts any more."""
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
    """The cell at whose end the oldest cells have freed as much as the excess; None when there is no excess."""
    found = None
    for cell, amount in sorted(cells.items()):
        if excess <= 0:
            break
        found, excess = cell, excess - amount
    return found

"""The room for connections: limits in all and for one client address, and the rule which connection gives way to a new one."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Full(Exception):
    """There is no room for a guest, and no other guest can give way."""


@dataclass(slots=True)
class _Party(Generic[T]):
    """The guests of one address. `waiting` holds the guests that wait for their client; the first has waited longest."""

    count: int = 0
    waiting: dict[T, None] = field(default_factory=dict)


class Room(Generic[T]):
    """The guests of a process; a guest is a connection.

    If there is no room, the guest that has waited longest for its client gives way to the new one. A guest that is being
    served never gives way. If the new guest's address has as many guests as it may have, a guest of the same address gives
    way.
    """

    def __init__(self, *, total: int, each: int) -> None:
        """`total` is the number of guests in all, `each` the number that one address may have."""
        self._total = total
        self._each = each
        self._addresses: dict[T, Hashable] = {}
        self._parties: dict[Hashable, _Party[T]] = {}
        self._waiting: dict[T, None] = {}  # the waiting guests of all addresses; the first has waited longest

    def __len__(self) -> int:
        return len(self._addresses)

    def enter(self, guest: T, *, address: Hashable) -> T | None:
        """Let a guest in, as one that waits. Returns the guest that gave way, or None. Raises Full."""
        party = self._parties.get(address) or _Party[T]()
        gone = None
        if party.count >= self._each:
            gone = _first(party.waiting)
        elif len(self._addresses) >= self._total:
            gone = _first(self._waiting)
        if gone is not None:
            self.leave(gone)
        party = self._parties.setdefault(address, party)
        party.count += 1
        self._addresses[guest] = address
        self.wait(guest)
        return gone

    def wait(self, guest: T) -> None:
        """Mark a guest as waiting for its client."""
        if guest in self._addresses:
            self._waiting[guest] = self._parties[self._addresses[guest]].waiting[guest] = None

    def serve(self, guest: T) -> None:
        """Mark a guest as being served."""
        if guest in self._waiting:
            del self._waiting[guest]
            del self._parties[self._addresses[guest]].waiting[guest]

    def leave(self, guest: T) -> None:
        """Remove a guest."""
        if guest not in self._addresses:
            return
        self.serve(guest)
        address = self._addresses.pop(guest)
        party = self._parties[address]
        party.count -= 1
        if not party.count:
            del self._parties[address]


def _first(waiting: dict[T, None]) -> T:
    try:
        return next(iter(waiting))
    except StopIteration:
        raise Full from None

"""Room: how many connections there may be, in all and of one client address, and which one gives way to a new one."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Full(Exception):
    """There is no room, and no guest that could give way."""


@dataclass(slots=True)
class _Party(Generic[T]):
    """The guests of one address. `waiting` holds those that wait for their client, the longest waiting first."""

    count: int = 0
    waiting: dict[T, None] = field(default_factory=dict)


class Room(Generic[T]):
    """Guests are connections. One that waits for its client gives way to a new guest; one that is being served does not.

    Of those that wait, the one that has waited longest gives way. An address that has all it may have makes room itself.
    """

    def __init__(self, *, total: int, each: int) -> None:
        """`each` is how many guests one address may have."""
        self._total = total
        self._each = each
        self._addresses: dict[T, Hashable] = {}
        self._parties: dict[Hashable, _Party[T]] = {}
        self._waiting: dict[T, None] = {}  # of all addresses, the longest waiting first

    def __len__(self) -> int:
        return len(self._addresses)

    def enter(self, guest: T, *, address: Hashable) -> T | None:
        """Let a guest in, who waits at first. The answer is the guest that gave way, if any. Raises Full."""
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
        """The guest waits for its client from now on."""
        if guest in self._addresses:
            self._waiting[guest] = self._parties[self._addresses[guest]].waiting[guest] = None

    def serve(self, guest: T) -> None:
        """The guest is being served from now on."""
        if guest in self._waiting:
            del self._waiting[guest]
            del self._parties[self._addresses[guest]].waiting[guest]

    def leave(self, guest: T) -> None:
        """The guest is here no more."""
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

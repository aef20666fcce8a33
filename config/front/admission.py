"""Admission of connections: limits in all and for one client address, and the rule which connection gives way to a new one."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Full(Exception):
    """There is no room for a connection, and no other connection can give way."""


@dataclass(slots=True)
class _Address(Generic[T]):
    """The connections of one address. `waiting` are those that wait for their client; the first has waited longest."""

    count: int = 0
    waiting: dict[T, None] = field(default_factory=dict)


class Admission(Generic[T]):
    """Admits connections to a process.

    If there is no room, the connection that has waited longest for its client gives way to the new one. A connection that is
    being served never gives way. If the new connection's address has as many connections as it may have, a connection of the
    same address gives way.
    """

    def __init__(self, *, total: int, each: int) -> None:
        """`total` is the number of connections in all, `each` the number that one address may have."""
        self._total = total
        self._each = each
        self._addresses: dict[T, Hashable] = {}
        self._by_address: dict[Hashable, _Address[T]] = {}
        self._waiting: dict[T, None] = {}  # the waiting connections of all addresses; the first has waited longest

    def __len__(self) -> int:
        return len(self._addresses)

    def enter(self, connection: T, *, address: Hashable) -> T | None:
        """Let a connection in, as one that waits. Returns the connection that gave way, or None. Raises Full."""
        of_address = self._by_address.get(address) or _Address[T]()
        gone = None
        if of_address.count >= self._each:
            gone = _first(of_address.waiting)
        elif len(self._addresses) >= self._total:
            gone = _first(self._waiting)
        if gone is not None:
            self.leave(gone)
        of_address = self._by_address.setdefault(address, of_address)
        of_address.count += 1
        self._addresses[connection] = address
        self.wait(connection)
        return gone

    def wait(self, connection: T) -> None:
        """Mark a connection as waiting for its client."""
        if connection in self._addresses:
            self._waiting[connection] = self._by_address[self._addresses[connection]].waiting[connection] = None

    def serve(self, connection: T) -> None:
        """Mark a connection as being served."""
        if connection in self._waiting:
            del self._waiting[connection]
            del self._by_address[self._addresses[connection]].waiting[connection]

    def leave(self, connection: T) -> None:
        """Remove a connection."""
        if connection not in self._addresses:
            return
        self.serve(connection)
        address = self._addresses.pop(connection)
        of_address = self._by_address[address]
        of_address.count -= 1
        if not of_address.count:
            del self._by_address[address]


def _first(waiting: dict[T, None]) -> T:
    try:
        return next(iter(waiting))
    except StopIteration:
        raise Full from None

"""Tenants: a guess at the project of a request before a thread checks its key. Only the sharing of threads uses it."""

from collections.abc import Hashable, Mapping
from hashlib import blake2b

CREDENTIALS = (b"authorization", b"x-api-key", b"api-key")
MOST = 10_000  # the number of keys that are remembered; at this number all are forgotten


class Tenants:
    """Remembers the project of each key that a view has accepted. A request without such a key counts by its address."""

    def __init__(self) -> None:
        self._projects: dict[bytes, Hashable] = {}

    def client(self, headers: Mapping[bytes, bytes], *, address: str) -> Hashable:
        """The client that a request counts for when threads are shared: its project, else its address."""
        shown = _digest(headers)
        return self._projects.get(shown, address) if shown else address

    def learn(self, headers: Mapping[bytes, bytes], *, project: Hashable) -> None:
        """Remember that the key in these headers belongs to this project."""
        if shown := _digest(headers):
            if len(self._projects) >= MOST:
                self._projects.clear()
            self._projects[shown] = project


def _digest(headers: Mapping[bytes, bytes]) -> bytes | None:
    shown = next(filter(None, map(headers.get, CREDENTIALS)), None)
    return blake2b(shown, digest_size=16).digest() if shown else None

"""Whose request it is, as far as that is known before a thread looks: for sharing threads, and for nothing else."""

from collections.abc import Hashable, Mapping
from hashlib import blake2b

CREDENTIALS = (b"authorization", b"x-api-key", b"api-key")
MOST = 10_000  # keys that are remembered; then it begins anew


class Tenants:
    """Remembers the project of each key that a view has accepted. Whoever shows no such key counts by the client's address."""

    def __init__(self) -> None:
        self._projects: dict[bytes, Hashable] = {}

    def client(self, headers: Mapping[bytes, bytes], *, address: str) -> Hashable:
        """Who shares threads as one client: a project, else an address."""
        shown = _digest(headers)
        return self._projects.get(shown, address) if shown else address

    def learn(self, headers: Mapping[bytes, bytes], *, project: Hashable) -> None:
        """These headers hold a key of this project."""
        if shown := _digest(headers):
            if len(self._projects) >= MOST:
                self._projects.clear()
            self._projects[shown] = project


def _digest(headers: Mapping[bytes, bytes]) -> bytes | None:
    shown = next(filter(None, map(headers.get, CREDENTIALS)), None)
    return blake2b(shown, digest_size=16).digest() if shown else None

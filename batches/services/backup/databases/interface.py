"""What a backup needs of a database."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import IO, Any, Protocol


class Snapshot(Protocol):
    """The database at one moment."""

    def rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, however many."""
        ...

    def tables(self) -> list[str]:
        """The name of each table."""
        ...

    def dump(self) -> AbstractContextManager[IO[bytes]]:
        """A stream of everything. Raises BackupError, at its end too."""
        ...


class Database(Protocol):
    """A database that is dumped or loaded. `name` stands in manifests, `dump_name` is the file of a dump."""

    name: str
    dump_name: str

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """A snapshot, for as long as it is needed. Nobody waits for it."""
        ...

    def is_empty(self) -> bool:
        """Whether it has no tables."""
        ...

    def load(self, dump: IO[bytes]) -> None:
        """Load a dump into the empty database: all of it or nothing. Raises BackupError."""
        ...

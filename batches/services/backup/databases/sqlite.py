"""SQLite: dumped by its backup API, which copies one moment of the database while others go on writing."""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import connection

from batches.services.backup.place import CHUNK


@dataclass(frozen=True, slots=True)
class SqliteSnapshot:
    """A copy of the database in a temporary file."""

    path: Path

    def rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as copy:
            yield from copy.execute(query)

    def tables(self) -> list[str]:
        return [name for (name,) in self.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]

    @contextmanager
    def dump(self) -> Iterator[IO[bytes]]:
        with self.path.open("rb") as source:
            yield source


class Sqlite:
    """The database of an embedded portal."""

    name = "sqlite"
    dump_name = "database.sqlite3"

    def __init__(self) -> None:
        self._path = Path(connection.settings_dict["NAME"])

    @contextmanager
    def snapshot(self) -> Iterator[SqliteSnapshot]:
        with tempfile.TemporaryDirectory(dir=settings.FILE_UPLOAD_TEMP_DIR, prefix="backup-") as folder:
            path = Path(folder) / self.dump_name
            with closing(sqlite3.connect(self._path)) as source, closing(sqlite3.connect(path)) as copy:
                source.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")  # one file that holds everything
            yield SqliteSnapshot(path)

    def is_empty(self) -> bool:
        return not self._path.exists() or not connection.introspection.table_names()

    def load(self, dump: IO[bytes]) -> None:
        connection.close()
        fresh = self._path.with_suffix(".restored")
        with fresh.open("wb") as sink:
            shutil.copyfileobj(dump, sink, CHUNK)
        for leftover in ("-wal", "-shm"):
            self._path.with_name(self._path.name + leftover).unlink(missing_ok=True)
        fresh.replace(self._path)

"""PostgreSQL: dumped by pg_dump and loaded by pg_restore.

Both are PostgreSQL's own, and know all of it: indexes are built after the rows, and sequences, storage parameters and
extensions come along. The snapshot that pg_dump reads is exported by a transaction of ours, which counts rows and lists files
at the same moment.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import psycopg
from django.db import connection
from django.db.backends.postgresql.client import DatabaseClient

from batches.services.backup.place import CHUNK, BackupError

ROWS_AT_ONCE = 1000
NOT_FOUND = "{0} is not installed here: it comes with PostgreSQL's client programs (postgresql-client)."


@dataclass(frozen=True, slots=True)
class PostgresqlSnapshot:
    """A transaction that sees one moment, and whose snapshot others may read."""

    connection: "psycopg.Connection[tuple[Any, ...]]"
    id: str

    def rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        with self.connection.cursor("backup") as cursor:
            cursor.itersize = ROWS_AT_ONCE
            yield from cursor.execute(query.encode())

    def tables(self) -> list[str]:
        return [name for (name,) in self.rows("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")]

    @contextlib.contextmanager
    def dump(self) -> Iterator[IO[bytes]]:
        with _program("pg_dump", "--format=custom", f"--snapshot={self.id}", stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            yield process.stdout


class Postgresql:
    """The database of a grown-up portal."""

    name = "postgresql"
    dump_name = "database.dump"

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[PostgresqlSnapshot]:
        parameters = {
            name: value
            for name, value in connection.get_connection_params().items()
            if name not in {"cursor_factory", "context", "prepare_threshold", "pool"}
        }
        try:
            own = psycopg.connect(**parameters)
        except psycopg.OperationalError as error:
            raise BackupError(f"The database does not answer: {error}") from None
        with own:
            own.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            own.read_only = True
            row = own.execute("SELECT pg_export_snapshot()").fetchone()
            assert row is not None
            yield PostgresqlSnapshot(own, str(row[0]))

    def is_empty(self) -> bool:
        return not connection.introspection.table_names()

    def load(self, dump: IO[bytes]) -> None:
        connection.close()
        words = ("--single-transaction", "--exit-on-error")
        with _program("pg_restore", *words, stdin=subprocess.PIPE) as process:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError), process.stdin as sink:  # a program that failed says why by itself
                shutil.copyfileobj(dump, sink, CHUNK)


@contextlib.contextmanager
def _program(
    name: str, *words: str, stdin: int = subprocess.DEVNULL, stdout: int = subprocess.DEVNULL
) -> "Iterator[subprocess.Popen[bytes]]":
    """A program of PostgreSQL on the portal's database. Raises BackupError if it is missing or fails."""
    if shutil.which(name) is None:
        raise BackupError(NOT_FOUND.format(name))
    (_, *address, database), secrets = DatabaseClient.settings_to_cmd_args_env(connection.settings_dict, [])
    command = [name, *words, "--no-owner", "--no-privileges", "--no-password", *address, "--dbname", database]
    with tempfile.TemporaryFile() as complaints:
        environment = {**os.environ, **(secrets or {})}
        with subprocess.Popen(command, env=environment, stdin=stdin, stdout=stdout, stderr=complaints) as process:
            try:
                yield process
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            complaints.seek(0)
            said = complaints.read().decode(errors="replace").strip()
            raise BackupError(f"{name} failed: {said or f'it ended with {process.returncode}'}")

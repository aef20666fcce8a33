"""Rows by the million: databases as portals leave them that have taken a thousand batches a day, of 20 objects each.

The rows are made inside PostgreSQL, without indexes and write-ahead log, and are the same whenever they are made: batch
number n always has the same status, counts and errors. Only the newest batches run, have answers in the database, and
files that are not purged, as in a portal that lets go of what is old.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.benchmarks.scale_rows import SHAPE, Rows
from tests.benchmarks.scale_tables import TABLES
from tests.processes import ROOT
from tests.servers import postgresql

NEUTRAL = {"character varying": "''", "text": "''", "boolean": "false", "jsonb": "'{}'::jsonb", "bytea": "''::bytea"}
LOADING: Mapping[str, object] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": 0,
    "max_wal_size": "4GB",
    "maintenance_work_mem": "1GB",
    "work_mem": "256MB",
    "autovacuum": "off",
}
SERVING: Mapping[str, object] = {"shared_buffers": "1GB", "autovacuum": "off", "jit": "off"}
LEAST_BATCHES = 1000


@dataclass(frozen=True, slots=True)
class Loaded:
    """One database that was made: how long that took, and how large it is."""

    batches: int
    objects: int
    seconds: float
    bytes: int


def load(folder: Path, *, batches: int) -> Loaded:
    """Make the database with this many batches in the folder, unless it is there already."""
    with server(folder, options=LOADING) as url:
        name = database_name(batches)
        if not has_database(url, name):
            started = time.monotonic()
            _create(url, name, folder, batches=batches)
            seconds = time.monotonic() - started
        else:
            seconds = 0.0
        with psycopg.connect(database_url(url, name)) as connection:
            objects = _value(connection, "SELECT sum(total) FROM batches_slice")
            return Loaded(batches, objects, seconds, _value(connection, "SELECT pg_database_size(current_database())"))


@contextlib.contextmanager
def server(folder: Path, *, options: Mapping[str, object] = SERVING) -> Iterator[str]:
    """The PostgreSQL that keeps its data in the folder; its URL."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # PostgreSQL may have to run as somebody else
    with postgresql(folder, options=options) as url:
        yield url


def database_name(batches: int) -> str:
    return f"scale_{batches}"


def database_url(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def has_database(url: str, name: str) -> bool:
    """Whether a database was made to its end."""
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def portal_environment(folder: Path, url: str) -> dict[str, str]:
    """The environment of a portal on this database. Nothing is announced, so no Redis is asked."""
    data = folder / "data"
    data.mkdir(exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return inherited | {"BATCHYARD_DATA": str(data), "DATABASE_URL": url, "REDIS_URL": "redis://127.0.0.1:9/0"}


def migrate(folder: Path, url: str) -> None:
    """Bring a database up to this version of the portal."""
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0", "--skip-checks"]
    subprocess.run(command, cwd=ROOT, env=portal_environment(folder, url), check=True)


def remove(folder: Path) -> None:
    """Remove everything that was made."""
    shutil.rmtree(folder, ignore_errors=True)


def _create(url: str, name: str, folder: Path, *, batches: int) -> None:
    draft = f"{name}_draft"  # renamed when all is in it: what was cut short is made anew
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(draft)))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(draft)))
    migrate(folder, database_url(url, draft))
    with psycopg.connect(database_url(url, draft), autocommit=True) as connection:
        _fill(connection, batches=batches)
    with psycopg.connect(url, autocommit=True) as connection:
        rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
        connection.execute(rename.format(sql.Identifier(draft), sql.Identifier(name)))


def _fill(connection: psycopg.Connection, *, batches: int) -> None:
    restore = strip(connection, [rows.table for rows in TABLES])
    for statement in SHAPE:
        connection.execute(statement.replace("%(batches)s", str(batches)).encode())
    for rows in TABLES:
        with _told(rows.table), connection.transaction():
            connection.execute(insert_statement(connection, rows))
    connection.execute("DROP TABLE shape")
    with _told("indexes and constraints"):
        for statement in restore:
            connection.execute(statement.encode())
    with _told("statistics"):
        connection.execute("VACUUM (FREEZE, ANALYZE)")
        connection.execute("CHECKPOINT")


def strip(connection: psycopg.Connection, tables: list[str]) -> list[str]:
    """Take indexes and constraints off these tables; the statements that put them back, in order."""
    constraints = connection.execute(
        """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), contype
          FROM pg_constraint
         WHERE contype IN ('p', 'u', 'c', 'f') AND (conrelid::regclass::text = ANY(%(tables)s) OR contype = 'f')
         ORDER BY contype = 'f', contype <> 'p'
        """,
        {"tables": tables},
    ).fetchall()
    named = {name for _, name, _, _ in constraints}
    indexes = connection.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = ANY(%s)", [tables]
    ).fetchall()
    free = [(name, definition) for name, definition in indexes if name not in named]
    for table, name, _, _ in reversed(constraints):
        connection.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"'.encode())
    for name, _ in free:
        connection.execute(f'DROP INDEX "{name}"'.encode())
    filled = connection.execute(
        "SELECT relname, array_to_string(reloptions, ', ') FROM pg_class WHERE relname = ANY(%s) AND reloptions IS NOT NULL",
        [tables],
    ).fetchall()
    for table, _ in filled:
        connection.execute(f"ALTER TABLE {table} RESET (fillfactor)".encode())  # its rows have settled already
    added = [f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}' for table, name, definition, _ in constraints]
    first = [statement for statement, (*_, kind) in zip(added, constraints, strict=True) if kind != "f"]
    options = [f"ALTER TABLE {table} SET ({kept})" for table, kept in filled]
    return [*first, *(definition for _, definition in free), *added[len(first) :], *options]


def insert_statement(connection: psycopg.Connection, rows: Rows) -> bytes:
    """`INSERT ... SELECT`; columns that are not given and may not be empty get the emptiest value of their type."""
    found = connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_name = %s AND is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO'",
        [rows.table],
    )
    values = {name: NEUTRAL.get(kind, "0") for name, kind in found} | dict(rows.columns)
    names = ", ".join(f'"{name}"' for name in values)
    return f"INSERT INTO {rows.table} ({names}) SELECT {', '.join(values.values())} FROM {rows.source}".encode()  # noqa: S608 - our own rows


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    print(f"  {time.monotonic() - started:7.1f} s  {what}", flush=True)


def _value(connection: psycopg.Connection, query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])

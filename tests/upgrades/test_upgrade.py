"""A filled database of each earlier release goes on under this one, and nobody waits long for its migrations."""

import os
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from tests.upgrades.locks import LARGE, long_locks
from tests.upgrades.snapshots import RELEASES, ROOT, SQLITE, environment, restore, run

NAMES = sorted(path.name for path in RELEASES.iterdir())
SCRIPT = str(Path(__file__).parent / "portal.py")
KEPT_BY_DJANGO = ("django_", "auth_permission", "sqlite_")  # they grow with the code
# Each statement that defines something, as it was sent.
RECORD = """
    CREATE TABLE public.sent (query text);
    CREATE FUNCTION public.note_sent() RETURNS event_trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO public.sent VALUES (current_query()); END $$;
    CREATE EVENT TRIGGER note_sent ON ddl_command_end EXECUTE FUNCTION public.note_sent();
"""


class Old:
    """A portal that an earlier release has filled, and that runs this release's code from now on."""

    def __init__(self, data: Path, url: str) -> None:
        self.url = url
        self._path = data / SQLITE
        redis = urlunsplit(urlsplit(os.environ["TEST_REDIS_URL"])._replace(path="/6")) if url else ""
        self._environment = environment(data, servers={"DATABASE_URL": url, "REDIS_URL": redis} if url else {})

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        if self.url:
            with psycopg.connect(self.url) as connection:
                return connection.execute(query.encode()).fetchall()
        embedded = sqlite3.connect(self._path)
        try:
            return embedded.execute(query).fetchall()
        finally:
            embedded.close()

    def tables(self) -> dict[str, int]:
        """How many rows each table has."""
        listed = (
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            if self.url
            else "SELECT name FROM sqlite_master WHERE type = 'table'"
        )
        names = [name for (name,) in self.rows(listed) if not name.startswith(KEPT_BY_DJANGO)]
        return {name: int(self.rows(f"SELECT count(*) FROM {name}")[0][0]) for name in names}  # noqa: S608 - its own

    def manage(self, *words: str) -> str:
        return run("manage.py", *words, code=ROOT, environment=self._environment)

    def go_on(self) -> None:
        run(SCRIPT, "go_on", code=ROOT, environment=self._environment)


@pytest.fixture(params=NAMES)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Old]:
    server = os.environ.get("TEST_DATABASE_URL")
    if not server:
        restore(request.param, data=tmp_path, database_url="")
        yield Old(tmp_path, "")
        return
    name = f"upgrade_{uuid.uuid4().hex}"
    url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            restore(request.param, data=tmp_path, database_url=url)
            yield Old(tmp_path, url)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.mark.django_db  # of no use here, but it has both sessions run this
def test_an_old_portal_goes_on_with_all_it_had(old: Old) -> None:
    before = old.tables()
    assert all(before[f"batches_{name}"] for name in ("batch", "batchobject", "batchresult", "attempt", "errorgroup", "file"))
    statuses = dict(old.rows("SELECT status, count(*) FROM batches_batch GROUP BY status"))
    assert statuses == {"completed": 2, "cancelled": 1, "failed": 1, "in_progress": 2, "validating": 1}

    old.manage("migrate", "--verbosity", "0")

    after = old.tables()
    assert {name: after.get(name) for name in before} == before
    old.manage("migrate", "--check")
    old.go_on()
    assert old.rows("SELECT status FROM batches_batch WHERE ended_at IS NULL") == []
    assert dict(old.rows("SELECT status, count(*) FROM batches_batch GROUP BY status")) == {
        "completed": 4,
        "cancelled": 2,
        "failed": 1,
    }
    assert "Everything agrees." in old.manage("verify", "--check", "--orphans")


@pytest.mark.servers
@pytest.mark.django_db
def test_nobody_waits_long_for_an_upgrade(old: Old) -> None:
    """No large table is rewritten or scanned under a lock, and what works on them meanwhile goes on."""
    with psycopg.connect(old.url, autocommit=True) as connection:
        connection.execute(RECORD)
    files = _files(old)
    ended = threading.Event()
    failures: list[str] = []
    worker = threading.Thread(target=_touch, args=(old.url, ended, failures))
    worker.start()
    try:
        old.manage("migrate", "--verbosity", "0")
    finally:
        ended.set()
        worker.join()
    assert failures == []
    assert _files(old) == files, "a large table was rewritten"
    assert long_locks(query for (query,) in old.rows("SELECT query FROM sent")) == []
    assert old.rows("SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid") == []


def _files(old: Old) -> list[tuple[Any, ...]]:
    return old.rows(f"SELECT relname, relfilenode FROM pg_class WHERE relname IN {LARGE} ORDER BY relname")  # noqa: S608 - ours


def _touch(url: str, ended: threading.Event, failures: list[str]) -> None:
    """Read and write the large tables all the while, each time waiting a second at most."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '1s'")
        while not ended.is_set():
            try:
                for table in LARGE:
                    connection.execute(f"UPDATE {table} SET attempts = attempts".encode())  # noqa: S608 - ours
            except psycopg.errors.LockNotAvailable as error:
                failures.append(str(error))


@pytest.mark.parametrize(
    "statement",
    [
        'CREATE INDEX "x" ON "batches_batchobject" ("status")',
        'ALTER TABLE "batches_batchobject" ALTER COLUMN "line" TYPE bigint',
        'ALTER TABLE "batches_batchresult" ADD COLUMN "x" integer NOT NULL',
        'ALTER TABLE "batches_batchresult" ALTER COLUMN "body" SET NOT NULL',
        'ALTER TABLE "batches_batchresult" ADD CONSTRAINT "x" CHECK (line > 0)',
        "VACUUM FULL batches_batchobject",
    ],
)
def test_a_statement_that_others_wait_for_is_found(statement: str) -> None:
    assert long_locks([statement]) == [statement]


@pytest.mark.parametrize(
    "statement",
    [
        'CREATE INDEX CONCURRENTLY "x" ON "batches_batchobject" ("status")',
        'CREATE INDEX "x" ON "batches_batch" ("status")',
        'ALTER TABLE "batches_batchobject" ADD COLUMN "x" integer NULL',
        'ALTER TABLE "batches_batchobject" ADD COLUMN "x" varchar(9) DEFAULT \'\' NOT NULL',
        'ALTER TABLE "batches_batchobject" SET (fillfactor = 50)',
        'ALTER TABLE "batches_batchresult" ADD CONSTRAINT "x" CHECK (line > 0) NOT VALID',
    ],
)
def test_a_statement_that_takes_a_moment_is_not(statement: str) -> None:
    assert long_locks([statement]) == []

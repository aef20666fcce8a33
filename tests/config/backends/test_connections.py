"""The connections that the threads of a web process share (E17): a restart of PostgreSQL leaves nothing broken behind."""

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from config.backends.postgresql.connections import Connections
from tests.servers import free_port, postgresql

PATIENCE = 20.0


def connections(url: str, *, max_size: int = 4, timeout: float = PATIENCE, max_idle: float = 600.0) -> Connections:
    parameters = {"conninfo": url, "autocommit": True, "connect_timeout": 2}
    return Connections(parameters, configure=lambda _: None, max_size=max_size, timeout=timeout, max_idle=max_idle)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a PostgreSQL that only this module uses."""
    with tempfile.TemporaryDirectory(prefix="batchyard-connections-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL may have to run as somebody else
        with postgresql(folder) as url:
            yield url


def process_id(connection: "psycopg.Connection[Any]") -> int:
    return connection.info.backend_pid


def cut_all(url: str) -> None:
    """End every session of the server but this one, as its restart does."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")


def test_a_returned_connection_is_lent_again(server: str) -> None:
    pool = connections(server)
    first = pool.getconn()
    pool.putconn(first)

    assert pool.getconn() is first


def test_no_broken_connection_is_lent_after_a_restart_however_many_were_idle(server: str) -> None:
    pool = connections(server)
    borrowed = [pool.getconn() for _ in range(4)]
    before = {process_id(connection) for connection in borrowed}
    for connection in borrowed:
        pool.putconn(connection)

    cut_all(server)

    after = [pool.getconn() for _ in range(4)]
    assert [connection.execute("SELECT 1").fetchone() for connection in after] == [(1,)] * 4
    assert not before & {process_id(connection) for connection in after}


def test_a_connection_that_broke_while_it_was_lent_makes_room_for_a_new_one(server: str) -> None:
    pool = connections(server, max_size=1)
    broken = pool.getconn()
    cut_all(server)
    with suppress(psycopg.OperationalError):
        broken.execute("SELECT 1")

    pool.putconn(broken)

    assert pool.getconn().execute("SELECT 1").fetchone() == (1,)


def test_a_transaction_that_was_left_open_is_rolled_back_before_the_next_use(server: str) -> None:
    pool = connections(server, max_size=1)
    connection = pool.getconn()
    connection.execute("CREATE TEMPORARY TABLE kept (n int)")
    connection.autocommit = False
    connection.execute("INSERT INTO kept VALUES (1)")
    pool.putconn(connection)

    again = pool.getconn()

    assert again is connection
    assert again.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_a_database_that_is_away_is_told_at_once_and_to_everybody_who_waits() -> None:
    pool = connections(f"postgres://postgres@127.0.0.1:{free_port()}/postgres", max_size=1)
    messages: list[str] = []

    def ask() -> None:
        try:
            pool.getconn()
        except psycopg.OperationalError as error:
            messages.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(messages) == 8
    assert all("refused" in words for words in messages)
    assert time.monotonic() - began < PATIENCE  # nobody waited until the end of his patience


def test_whoever_finds_all_connections_lent_gets_the_next_one_that_is_returned(server: str) -> None:
    pool = connections(server, max_size=1)
    lent = pool.getconn()
    found: list[psycopg.Connection[Any]] = []
    waiting = threading.Thread(target=lambda: found.append(pool.getconn()))
    waiting.start()

    pool.putconn(lent)
    waiting.join(PATIENCE)

    assert found == [lent]


def test_all_connections_lent_for_too_long_is_an_error_that_says_so(server: str) -> None:
    pool = connections(server, max_size=1, timeout=0.05)
    pool.getconn()

    with pytest.raises(psycopg.OperationalError, match=r"in use for 0\.05 s"):
        pool.getconn()


def test_a_connection_that_nobody_needs_is_closed(server: str) -> None:
    pool = connections(server, max_idle=0.0)
    first, second = pool.getconn(), pool.getconn()
    pool.putconn(first)
    pool.putconn(second)

    third = pool.getconn()

    assert first.closed
    assert second.closed
    assert not third.closed


def test_connections_are_closed_with_the_pool(server: str, tmp_path: Path) -> None:
    pool = connections(server)
    connection = pool.getconn()
    pool.putconn(connection)

    pool.close()

    assert connection.closed

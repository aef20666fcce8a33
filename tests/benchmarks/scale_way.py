"""The whole way of a batch on a database that holds many millions of rows, beside the same way on an empty one.

Both portals run on copies, which are dropped afterwards: the kept database stays as it is. The portals take turns, so that
whatever else the machine does hits both, and each turn begins with a portal and an empty database of its own.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.benchmarks.inputs import write_input
from tests.benchmarks.loader import SERVING, database_url, migrate, server
from tests.benchmarks.portal import on_database
from tests.benchmarks.tables import median, table, verdict
from tests.benchmarks.timeline import run_batch
from tests.benchmarks.upstream import Upstream, upstream
from tests.servers import redis_server

NAME = "the whole way of a batch"
TIME_GOAL, CPU_GOAL = 1.2, 1.5  # times the same on an empty database
ROW_GOAL = 20.0  # microseconds
WARM_UP_LINES = 1000
LINE_BYTES = 1024
STATISTICS = "pg_stat_statements"
SETTLING = "UPDATE batches_batchobject AS o%FROM batches_batchresult AS r%"  # the COPY of the results is not part of it
HOT = 8  # statements that are told
KEPT = str(10 * 365 * 86400)  # seconds: no result is removed while the others are measured
# The upstreams of what runs in the kept database do not exist, and its batches may have expired since it was made.
QUIET = (
    "UPDATE providers_provider SET enabled = false",
    "UPDATE batches_batch SET expires_at = now() + interval '24 hours' WHERE ended_at IS NULL",
)


@dataclass(frozen=True, slots=True)
class Turn:
    """A batch on one database.

    `microseconds` is what the UPDATE that settles took for a row, in elapsed time, which a busy machine makes longer. It is
    None where PostgreSQL cannot count the time of statements.
    """

    seconds: float
    cpu: float
    microseconds: float | None
    hot: list[tuple[str, int, float]]


@dataclass(frozen=True, slots=True)
class Round:
    """The same batch on both."""

    empty: Turn
    large: Turn
    load: float  # average of the machine, one minute, after both


def measure(folder: Path, *, kept: str, lines: int, latency_ms: float, rounds: int) -> dict[str, Any]:
    """Run the batch on a copy of the database `kept` and on an empty one; print what it took, and return it."""
    counted = _counts_statements(folder)
    options = {**SERVING, "shared_preload_libraries": STATISTICS} if counted else SERVING
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="batchyard-benchmark-")))
        url = stack.enter_context(server(folder, options=options))
        large = stack.enter_context(_database(url, "way_large", template=kept))
        empty = stack.enter_context(_database(url, "way_empty", template="template0"))
        migrate(folder, empty)
        _quieten(large)
        way = _Way(scratch, stack.enter_context(upstream(latency_ms=latency_ms)), lines, counted)
        found = []
        for number in range(1, rounds + 1):
            with _database(url, "way_turn", template="way_empty") as fresh:
                first = way.run(fresh, number)
            found.append(Round(first, way.run(large, number), os.getloadavg()[0]))
            print(f"round {number}: {_told(found[-1])}", flush=True)
    print(_report(found, lines=lines))
    return {NAME: [asdict(round_) for round_ in found]}


@dataclass(frozen=True, slots=True)
class _Way:
    """What is the same in each turn."""

    scratch: Path
    stub: Upstream
    lines: int
    counted: bool

    def run(self, database: str, number: int) -> Turn:
        few = write_input(self.scratch / "few.jsonl", lines=WARM_UP_LINES, line_bytes=LINE_BYTES)
        source = write_input(self.scratch / "input.jsonl", lines=self.lines, line_bytes=LINE_BYTES)
        with (
            redis_server(self.scratch) as redis,
            on_database(self.stub, database, redis, provider=f"stub-{number}", RESULT_ROWS_SECONDS=KEPT) as portal,
        ):
            run_batch(portal.client, self.stub, few, lines=WARM_UP_LINES)
            portal.settle()
            if self.counted:
                _restart_counting(database)
            before = portal.usage()
            timeline = run_batch(portal.client, self.stub, source, lines=self.lines)
            used = portal.usage().since(before)
            settling, hot = _statements(database) if self.counted else (None, [])
        return Turn(timeline.ready, used.postgresql, settling, hot)


@contextlib.contextmanager
def _database(url: str, name: str, *, template: str) -> Iterator[str]:
    """A copy of a database; its URL. What a run that was cut short has left of it goes first."""
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(drop)
        connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
    try:
        yield database_url(url, name)
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(drop)


def _quieten(database: str) -> None:
    with psycopg.connect(database) as connection:
        for statement in QUIET:
            connection.execute(statement.encode())


def _counts_statements(folder: Path) -> bool:
    """Whether this PostgreSQL has been installed with what counts the time of statements."""
    with server(folder) as url, psycopg.connect(url) as connection:
        found = connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = %s", [STATISTICS])
        return found.fetchone() is not None


def _restart_counting(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"CREATE EXTENSION IF NOT EXISTS {STATISTICS}".encode())
        connection.execute("SELECT pg_stat_statements_reset()")


def _statements(database: str) -> tuple[float, list[tuple[str, int, float]]]:
    """Microseconds of a row that was settled; and the statements that took most, with their calls and milliseconds."""
    with psycopg.connect(database) as connection:
        row = connection.execute(_SETTLING, [SETTLING]).fetchone()
        assert row is not None, "No object was settled by this statement."
        return float(row[0]), connection.execute(_HOT, [HOT]).fetchall()


_OWN = "dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
_SETTLING = f"""
    SELECT 1000 * sum(total_exec_time) / sum(rows) FROM {STATISTICS}
     WHERE {_OWN} AND regexp_replace(ltrim(query, E' \\n'), '\\s+', ' ', 'g') LIKE %s AND rows > 0 HAVING sum(rows) > 0
"""  # noqa: S608 - names of our own
_HOT = f"""
    SELECT left(regexp_replace(ltrim(query, E' \\n'), '\\s+', ' ', 'g'), 160), calls, total_exec_time
      FROM {STATISTICS} WHERE {_OWN} ORDER BY total_exec_time DESC LIMIT %s
"""  # noqa: S608 - names of our own


def _told(round_: Round) -> str:
    turns = {"empty": round_.empty, "large": round_.large}
    told = ", ".join(f"{name} {turn.seconds:.1f} s and {turn.cpu:.1f} CPU-s of the database" for name, turn in turns.items())
    return f"{told}; load average {round_.load:.1f}"


def _report(rounds: list[Round], *, lines: int) -> str:
    empty, large = [round_.empty for round_ in rounds], [round_.large for round_ in rounds]
    time = median(round_.large.seconds / round_.empty.seconds for round_ in rounds)
    cpu = median(round_.large.cpu / round_.empty.cpu for round_ in rounds)
    rows: list[tuple[object, ...]] = [
        (
            "seconds until its results are ready",
            median(turn.seconds for turn in empty),
            median(turn.seconds for turn in large),
            time,
            verdict(time, at_most=TIME_GOAL),
        ),
        (
            "CPU seconds of the database",
            median(turn.cpu for turn in empty),
            median(turn.cpu for turn in large),
            cpu,
            verdict(cpu, at_most=CPU_GOAL),
        ),
    ]
    settling = [[turn.microseconds for turn in turns if turn.microseconds is not None] for turns in (empty, large)]
    if all(settling):
        of_empty, of_large = map(median, settling)
        told = verdict(of_large, at_most=ROW_GOAL)
        rows.append(("elapsed microseconds for a row of the UPDATE that settles", of_empty, of_large, of_large / of_empty, told))
    return "\n" + table((f"{NAME}, {lines:,} lines", "empty", "large", "ratio", "goal"), rows)

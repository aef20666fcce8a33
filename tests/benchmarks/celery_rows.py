"""Rival (c): one Celery task for each request, which posts it and inserts a row. Prefork, connections kept open."""

import contextlib
import functools
import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec
import psycopg
from celery import Celery

from tests.benchmarks.accounting import cpu_of_tree
from tests.benchmarks.inputs import WrongResult
from tests.benchmarks.rival import Job

CHILDREN = 8
PATIENCE = 300.0  # seconds

app = Celery("tests.benchmarks.celery_rows", broker=os.environ.get("ROWS_BROKER", "memory://"))
app.conf.update(task_ignore_result=True, worker_enable_remote_control=False, broker_connection_retry_on_startup=True)


@functools.cache
def _database() -> "psycopg.Connection[tuple[int]]":
    return psycopg.connect(os.environ["ROWS_DATABASE"], autocommit=True)


@functools.cache
def _upstream() -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(os.environ["ROWS_URL"]).netloc)


@app.task(name="rows.post")
def post(custom_id: str, body: str) -> None:
    """Post one body and keep its answer."""
    upstream = _upstream()
    upstream.request(
        "POST", urlsplit(os.environ["ROWS_URL"]).path, body=body.encode(), headers={"Content-Type": "application/json"}
    )
    with upstream.getresponse() as answer:
        content = answer.read().decode()
        _database().execute("INSERT INTO rows VALUES (%s, %s, %s)", (custom_id, answer.status, content))


@dataclass(frozen=True, slots=True)
class Rows:
    """A worker of this that runs, and the table it fills."""

    pid: int
    database: "psycopg.Connection[tuple[int]]"

    def work(self, job: Job) -> tuple[float, float]:
        """Send each line as a task; wall and CPU seconds (worker and sender) until there is a row for each."""
        self.database.execute("TRUNCATE rows")
        wall, worker_cpu, sender_cpu = time.monotonic(), cpu_of_tree(self.pid), time.process_time()
        with job.source.open("rb") as source:
            for line in job.lines_of(source):
                request = msgspec.json.decode(line)
                post.delay(request["custom_id"], msgspec.json.encode(request["body"]).decode())
        sender_cpu = time.process_time() - sender_cpu
        self._wait_for(job.lines)
        return time.monotonic() - wall, cpu_of_tree(self.pid) - worker_cpu + sender_cpu

    def _wait_for(self, rows: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while (found := self._count()) != (rows, rows):
            if time.monotonic() > deadline:
                raise WrongResult(f"The tasks left {found} rows (all, different), expected {rows}.")
            time.sleep(0.05)

    def _count(self) -> tuple[int, int]:
        row = self.database.execute("SELECT count(*), count(DISTINCT custom_id) FROM rows WHERE status = 200").fetchone()
        assert row is not None
        return int(row[0]), int(row[1])  # type: ignore[misc]  # the type of a row is that of the narrower queries


@contextlib.contextmanager
def rows(*, database: str, broker: str, job: Job) -> Iterator[Rows]:
    """A worker that is warm: each connection was used."""
    environment = os.environ | {"ROWS_DATABASE": database, "ROWS_BROKER": broker, "ROWS_URL": job.url, "PYTHONWARNINGS": "ignore"}
    words = ["-m", "celery", "--app", __name__, "--quiet", "worker", "--concurrency", str(CHILDREN), "--loglevel", "ERROR"]
    app.conf.update(broker_url=broker)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS rows (custom_id text PRIMARY KEY, status integer, body text)")
        worker = subprocess.Popen([sys.executable, *words], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            running = Rows(worker.pid, connection)
            running.work(Job(job.url, job.source, job.sink, CHILDREN * 8, job.concurrency))
            yield running
        finally:
            worker.terminate()
            worker.wait()

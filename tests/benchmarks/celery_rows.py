"""Rival (c): one Celery task for each request, which sends it and inserts a row: the project in `rows`, run as it is."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import psycopg
from celery import Celery

from tests.benchmarks.accounting import cpu_of_tree
from tests.benchmarks.inputs import WrongResult
from tests.benchmarks.rival import Job

CHILDREN = 8
PATIENCE = 300.0  # seconds
PROJECT = "tests.benchmarks.rows"
TASK = f"{PROJECT}.tasks.complete"


@dataclass(frozen=True, slots=True)
class Rows:
    """A worker of this that runs, and the table it fills."""

    pid: int
    database: "psycopg.Connection[tuple[int]]"
    sender: Celery

    def work(self, job: Job) -> tuple[float, float]:
        """Send each line as a task; wall and CPU seconds (worker and sender) until there is a row for each."""
        self.database.execute("TRUNCATE rows_answer")
        wall, worker_cpu, sender_cpu = time.monotonic(), cpu_of_tree(self.pid), time.process_time()
        with job.source.open("rb") as source:
            for line in job.lines_of(source):
                request = msgspec.json.decode(line)
                self.sender.send_task(TASK, (request["custom_id"], request["body"]))
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
        row = self.database.execute("SELECT count(*), count(DISTINCT custom_id) FROM rows_answer WHERE status = 200").fetchone()
        assert row is not None
        return int(row[0]), int(row[1])  # type: ignore[misc]  # the type of a row is that of the narrower queries


@contextlib.contextmanager
def rows(*, database: str, broker: str, job: Job) -> Iterator[Rows]:
    """A worker that is warm: each connection was used."""
    told = {"ROWS_DATABASE": database, "ROWS_BROKER": broker, "ROWS_URL": job.url.removesuffix("/chat/completions")}
    environment = os.environ | told | {"DJANGO_SETTINGS_MODULE": f"{PROJECT}.settings", "PYTHONWARNINGS": "ignore"}
    words = ["--app", f"{PROJECT}.app", "--quiet", "worker", "--concurrency", str(CHILDREN), "--loglevel", "ERROR"]
    made = [sys.executable, "-m", "django", "migrate", "--run-syncdb", "--verbosity", "0"]
    subprocess.run(made, env=environment, check=True)
    with psycopg.connect(database, autocommit=True) as connection, Celery("sender", broker=broker) as sender:
        worker = subprocess.Popen([sys.executable, "-m", "celery", *words], env=environment, stdout=subprocess.DEVNULL)
        try:
            running = Rows(worker.pid, connection, sender)
            running.work(Job(job.url, job.source, job.sink, CHILDREN * 8, job.concurrency))
            yield running
        finally:
            worker.terminate()
            worker.wait()

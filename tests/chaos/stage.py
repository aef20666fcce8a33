"""The stage of chaos: a portal that runs, its servers, its upstream, and the rules that must hold after every fault."""

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from tests.benchmarks.inputs import custom_id
from tests.chaos.client import REFUSED_EVERY, Client, Run, marker
from tests.processes import portal_process
from tests.upstream import Upstream

KNOBS = {
    "EXECUTORS": "3",
    "EXECUTOR_CONCURRENCY": "48",
    "EXECUTOR_IDLE_SECONDS": "2",
    "SLICE_LINES": "50",
    "FLUSH_ROWS": "100",
    "LEASE_SECONDS": "6",
    "CANCEL_GRACE_SECONDS": "5",
    "BACKOFF_BASE_SECONDS": "0.1",
    "JOB_ROWS": "50",
    "JOB_POLL_SECONDS": "0.5",
    "JOB_DOUBT_SECONDS": "15",  # longer than any create call takes on a busy machine
    "JOB_GRACE_SECONDS": "3",
    "REQUEST_TIMEOUT_SECONDS": "3",
    "KEY_REQUESTS_PER_MINUTE": "0",
    "PROJECT_REQUESTS_PER_MINUTE": "0",
    "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
}

_ALL_ENDED = "SELECT count(*) FROM batches_batch WHERE ended_at IS NULL"


@dataclass(frozen=True, slots=True)
class Executor:
    """An executor that holds slices of a batch: its id, and the process that it runs in."""

    id: UUID
    pid: int


@dataclass(slots=True)
class Stage(Client):
    """A portal with its upstream, for a test that is its client and harms it."""

    # --- Rules that hold after every fault

    def assert_complete(self, run: Run) -> None:
        """Assert that the batch completes with the outcomes of `usual`, and that keys and records are right."""
        refused = {custom_id(number) for number in range(run.lines) if number % REFUSED_EVERY == 0}
        batch = self.assert_one_outcome_each(run)
        assert batch["status"] == "completed"
        output, error = self.results(batch)
        assert {name: line["response"]["status_code"] for name, line in output.items()} == {
            custom_id(number): 200 for number in range(run.lines) if number % REFUSED_EVERY != 0
        }
        assert {name: line["response"]["status_code"] for name, line in error.items()} == dict.fromkeys(refused, 400)
        assert {name for name, _ in self.sent()} == {*output, *error}
        self.assert_one_key_each()

    def assert_one_outcome_each(self, run: Run) -> dict[str, Any]:
        """Assert that the batch ends with each object in its files once, in input order, and that all counts agree."""
        batch = self.wait_until_ended(run)
        files = [self.file_lines(batch[name]) for name in ("output_file_id", "error_file_id")]
        names = [[line["custom_id"] for line in lines] for lines in files]
        assert names == [sorted(found) for found in names]
        assert sorted([*names[0], *names[1]]) == [custom_id(number) for number in range(run.lines)]
        counts = {"total": run.lines, "completed": len(names[0]), "failed": len(names[1])}
        assert batch["request_counts"] == counts
        self.wait_until(lambda: self.rows(_ALL_ENDED) == [(0,)], what="the others had ended, too")
        self.assert_agrees()
        return batch

    def assert_agrees(self) -> None:
        """Assert that `verify` finds no disagreement, and no bytes without a row."""
        said = self.portal.manage("verify", "--check")
        assert (said.returncode, said.stdout) == (0, "Everything agrees.\n"), said.stdout + said.stderr
        known = {name for (name,) in self.rows("SELECT content FROM batches_file WHERE purged_at IS NULL")}
        root = self.portal.folder / "files"
        assert {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} == known

    def results(self, batch: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The lines of the output and of the error file, by custom_id."""
        files = (self.file_lines(batch[name]) for name in ("output_file_id", "error_file_id"))
        return [{line["custom_id"]: line for line in lines} for lines in files]

    def assert_one_key_each(self) -> None:
        """Assert that all sends of an object have the same idempotency key, and that no other object has it."""
        keys = set(self.sent())
        assert len(keys) == len({name for name, _ in keys}) == len({key for _, key in keys})

    def sent(self) -> list[tuple[str, str]]:
        """The custom_id and the idempotency key of each request that the upstream received."""
        return [(marker(request), request.idempotency_key) for request in self.upstream.requests]

    def sent_before(self, moment: float) -> set[str]:
        """The objects that the upstream had received by then, on the monotonic clock."""
        return {marker(request) for request in self.upstream.requests if request.at < moment}

    def repeated(self) -> set[str]:
        """The objects that the upstream received more than once."""
        return {name for name, times in Counter(name for name, _ in self.sent()).items() if times > 1}

    # --- A look inside

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """The rows of a query of the portal's database."""
        if "DATABASE_URL" not in self.portal.environment:
            with contextlib.closing(sqlite3.connect(self.portal.folder / "batchyard.sqlite3")) as embedded:
                return embedded.execute(query, parameters).fetchall()
        with psycopg.connect(self.portal.environment["DATABASE_URL"]) as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    def assert_counts_are_true(self, run: Run) -> None:
        """Assert that the counts of slices agree with the objects, and that each settled round has one result."""
        summed = self.rows(
            "SELECT sum(pending), sum(succeeded), sum(failed), sum(cancelled) FROM batches_slice WHERE batch_id = %s", run.key
        )
        statuses = dict(self.rows("SELECT status, count(*) FROM batches_batchobject WHERE batch_id = %s GROUP BY 1", run.key))
        settled = self.rows(
            "SELECT count(*), count(DISTINCT o.line) FROM batches_batchobject o JOIN batches_batchresult r"
            " ON r.batch_id = o.batch_id AND r.line = o.line AND r.round = o.round AND r.status = o.status"
            " WHERE o.batch_id = %s",
            run.key,
        )
        assert summed == [tuple(statuses.get(status, 0) for status in ("pending", "succeeded", "failed", "cancelled"))]
        assert settled == [(statuses.get("succeeded", 0) + statuses.get("failed", 0),) * 2]

    def executors(self, run: Run) -> list[Executor]:
        """The executors that are alive and hold slices of a batch."""
        found = self.rows(
            "SELECT DISTINCT w.id, w.name FROM batches_slice s JOIN batches_worker w ON w.id = s.lease_owner"
            " WHERE s.batch_id = %s AND s.lease_expires_at > now()",
            run.key,
        )
        running = self.portal.pids()
        executors = [Executor(owner, int(name.rpartition(":")[2])) for owner, name in found]
        return [executor for executor in executors if executor.pid in running]

    def unrecorded(self, run: Run, executor: Executor) -> set[str]:
        """The objects of its slices that have no outcome on record."""
        found = self.rows(
            "SELECT o.custom_id FROM batches_slice s JOIN batches_batchobject o"
            " ON o.batch_id = s.batch_id AND o.line BETWEEN s.first_line AND s.last_line"
            " WHERE s.batch_id = %s AND s.lease_owner = %s AND o.status = 'pending'",
            run.key,
            executor.id,
        )
        return {name for (name,) in found}

    def leased(self, executor: Executor, *, locking: str = "") -> int:
        """The number of slices with open objects that an executor holds, according to the database."""
        held = "SELECT id FROM batches_slice WHERE lease_owner = %s AND pending > 0"
        return len(self.rows(f"{held} {locking}", executor.id))

    def is_writing(self, executor: Executor) -> bool:
        """Whether an executor is inside a transaction that others would have to wait for."""
        return self.leased(executor, locking="FOR UPDATE SKIP LOCKED") < self.leased(executor)

    def leader(self, words: str) -> int:
        """The process that `serve` started with these words in its command line."""
        for pid in self.portal.children():
            if words in Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " "):
                return pid
        raise AssertionError(f"no process runs {words}")

    def successor(self, words: str, *, of: int) -> int | None:
        """The process with these words that replaces a killed one; None until there is one."""
        try:
            found = self.leader(words)
        except (AssertionError, FileNotFoundError, ProcessLookupError):
            return None
        return None if found == of else found


@contextlib.contextmanager
def stage(folder: Path, **settings: str) -> Iterator[Stage]:
    """A portal that runs, with a local upstream as its default provider."""
    with Upstream() as upstream, portal_process(folder / "data", **KNOBS | settings) as portal:
        added = portal.manage("provider", "add", "local", "--adapter", "openai", "--base-url", upstream.base_url, "--default")
        key = portal.manage("apikey", "create", "--project", "acme", "--name", "chaos")
        assert (added.returncode, key.returncode) == (0, 0), added.stderr + key.stderr
        portal.start()
        yield Stage(portal, upstream, key.stdout.strip())

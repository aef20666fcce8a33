"""A portal that is harmed while it runs: its servers, its upstream, and what must be true in spite of it all."""

import contextlib
import http.client
import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import psycopg
import redis

from tests.benchmarks.client import TERMINAL
from tests.benchmarks.inputs import ENDPOINT, custom_id, input_line
from tests.processes import PortalProcess, portal_process
from tests.servers import postgresql, redis_server
from tests.upstream import Answer, Request, Upstream, refuse, succeed

LATENCY = 0.1  # seconds that the upstream takes for an answer
REFUSED_EVERY = 10  # one object in so many is answered with 400
LINE_BYTES = 300
BOUNDARY = "batchyard-chaos"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
PATIENCE = 90.0  # seconds until a test gives up waiting
KNOBS = {
    "EXECUTORS": "3",
    "EXECUTOR_CONCURRENCY": "48",
    "EXECUTOR_IDLE_SECONDS": "2",
    "SLICE_LINES": "50",
    "FLUSH_ROWS": "100",
    "LEASE_SECONDS": "6",
    "CANCEL_GRACE_SECONDS": "5",
    "BACKOFF_BASE_SECONDS": "0.1",
}

T = TypeVar("T")


class Servers:
    """A PostgreSQL and a Redis that can be taken away, and come back where they were."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._postgresql, self._redis = contextlib.ExitStack(), contextlib.ExitStack()
        self.database_url = self._postgresql.enter_context(postgresql(folder))
        self.redis_url = self._redis.enter_context(redis_server(folder))

    def restart_postgresql(self, *, away: float) -> None:
        """Cut every connection, be away for some seconds, come back with what was committed."""
        self._postgresql.close()
        time.sleep(away)
        self._postgresql.enter_context(postgresql(self._folder, port=_port(self.database_url)))

    def kill_redis(self, *, away: float) -> None:
        """Kill it, be away for some seconds, come back empty."""
        with redis.Redis.from_url(self.redis_url) as client:
            told = client.info("server")
        assert isinstance(told, dict)
        os.kill(int(told["process_id"]), signal.SIGKILL)
        self._redis.close()
        time.sleep(away)
        self._redis.enter_context(redis_server(self._folder, port=_port(self.redis_url)))

    def stop(self) -> None:
        self._postgresql.close()
        self._redis.close()


def _port(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


@dataclass(frozen=True, slots=True)
class Executor:
    """An executor that holds slices of a batch: its id, and the process that it runs in."""

    id: UUID
    pid: int


@dataclass(frozen=True, slots=True)
class Run:
    """A batch that was started: its id as clients know it, and how many lines it has."""

    id: str
    lines: int

    @property
    def key(self) -> UUID:
        return UUID(self.id.removeprefix("batch_"))


@dataclass(slots=True)
class Stage:
    """A portal with its upstream, as a client and as whoever harms it."""

    portal: PortalProcess
    upstream: Upstream
    key: str

    # --- What a client does

    def ask(self, path: str, *, body: bytes | None = None, kind: str = "application/json") -> bytes:
        """GET, or with a body POST, on a connection of its own."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": kind}
        request = urllib.request.Request(self.portal.url + path, body, headers)  # noqa: S310 - an address of our own
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return bytes(answer.read())

    def begin(self, lines: int) -> Run:
        """Start a batch; the upstream has forgotten whatever was before."""
        self.upstream.forget()
        self.upstream.behave(_answer)
        content = b"".join(input_line(custom_id(number), line_bytes=LINE_BYTES) for number in range(lines))
        file = json.loads(self.ask("/v1/files", body=form(content), kind=FORM))
        batch = {"input_file_id": file["id"], "endpoint": ENDPOINT, "completion_window": "24h"}
        return Run(json.loads(self.ask("/v1/batches", body=json.dumps(batch).encode()))["id"], lines)

    def cancel(self, run: Run) -> None:
        self.ask(f"/v1/batches/{run.id}/cancel", body=b"")

    def look(self, run: Run) -> dict[str, Any]:
        """The batch, or nothing while the portal cannot say."""
        try:
            return dict(json.loads(self.ask(f"/v1/batches/{run.id}")))
        except urllib.error.HTTPError as answer:
            answer.close()
        except (OSError, http.client.HTTPException):
            pass
        return {}

    def wait_until(self, look: Callable[[], T], *, what: str) -> T:
        """Look until there is something, and return that."""
        deadline = time.monotonic() + PATIENCE
        while not (found := look()):
            assert time.monotonic() < deadline, f"Waited in vain until {what}.\n{self.portal.output[-4000:]}"
            time.sleep(0.05)
        return found

    def wait_until_answered(self, run: Run, share: float) -> None:
        """Wait until the portal says that this share of the batch has an outcome."""

        def answered() -> bool:
            counts = self.look(run).get("request_counts", {})
            return bool(counts) and counts["completed"] + counts["failed"] >= share * run.lines

        self.wait_until(answered, what=f"{share:.0%} of the batch was answered")

    def wait_until_ended(self, run: Run) -> dict[str, Any]:
        self.wait_until(lambda: self.look(run).get("status") in TERMINAL, what=f"{run} had ended: {self.look(run)}")
        return self.look(run)

    def file_lines(self, file_id: str | None) -> list[Any]:
        """The lines of a result file, parsed."""
        if file_id is None:
            return []
        return [json.loads(line) for line in self.ask(f"/v1/files/{file_id}/content").splitlines()]

    # --- What must be true, whatever happened

    def assert_complete(self, run: Run) -> None:
        """The batch completes; each object is in one of its files once, in input order, with its own outcome."""
        batch = self.wait_until_ended(run)
        refused = [custom_id(number) for number in range(run.lines) if number % REFUSED_EVERY == 0]
        answered = [custom_id(number) for number in range(run.lines) if number % REFUSED_EVERY != 0]
        assert batch["status"] == "completed"
        assert batch["request_counts"] == {"total": run.lines, "completed": len(answered), "failed": len(refused)}
        output, error = self.file_lines(batch["output_file_id"]), self.file_lines(batch["error_file_id"])
        assert [(line["custom_id"], line["response"]["status_code"]) for line in output] == [(name, 200) for name in answered]
        assert [(line["custom_id"], line["response"]["status_code"]) for line in error] == [(name, 400) for name in refused]
        assert {name for name, _ in self.sent()} == {*answered, *refused}
        self.assert_one_key_each()

    def assert_one_key_each(self) -> None:
        """However often an object was sent: always under the same idempotency key, which no other object has."""
        keys = set(self.sent())
        assert len(keys) == len({name for name, _ in keys}) == len({key for _, key in keys})

    def sent(self) -> list[tuple[str, str]]:
        """What the upstream received: the custom_id and the idempotency key of each request."""
        return [(marker(request), request.idempotency_key) for request in self.upstream.requests]

    def sent_before(self, moment: float) -> set[str]:
        """The objects that the upstream had received by then, on the monotonic clock."""
        return {marker(request) for request in self.upstream.requests if request.at < moment}

    def repeated(self) -> set[str]:
        """The objects that the upstream received more than once."""
        return {name for name, times in Counter(name for name, _ in self.sent()).items() if times > 1}

    # --- What goes on inside

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What the portal's PostgreSQL says."""
        with psycopg.connect(self.portal.environment["DATABASE_URL"]) as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    def assert_counts_are_true(self, run: Run) -> None:
        """What the slices of a batch say, summed up, is what its objects say; each has one result."""
        summed = self.rows(
            "SELECT sum(pending), sum(succeeded), sum(failed), sum(cancelled) FROM batches_slice WHERE batch_id = %s", run.key
        )
        statuses = dict(self.rows("SELECT status, count(*) FROM batches_batchobject WHERE batch_id = %s GROUP BY 1", run.key))
        (results,) = self.rows("SELECT count(*), count(DISTINCT line) FROM batches_batchresult WHERE batch_id = %s", run.key)
        assert summed == [tuple(statuses.get(status, 0) for status in ("pending", "succeeded", "failed", "cancelled"))]
        assert results == (statuses.get("succeeded", 0) + statuses.get("failed", 0),) * 2

    def executors(self, run: Run) -> list[Executor]:
        """Who holds slices of a batch just now, and lives."""
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

    def leader(self, words: str) -> int:
        """The process that `serve` started with these words in its command line."""
        for pid in self.portal.children():
            if words in Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " "):
                return pid
        raise AssertionError(f"no process runs {words}")

    def successor(self, words: str, *, of: int) -> int | None:
        """The process that runs with these words after another one was killed, once there is one."""
        try:
            found = self.leader(words)
        except (AssertionError, FileNotFoundError, ProcessLookupError):
            return None
        return None if found == of else found


def marker(request: Request) -> str:
    """The custom_id of the object that a request is about."""
    return str(request.json["user"])


def _answer(request: Request) -> Answer:
    number = int(marker(request).rpartition("-")[2])
    return refuse(400, delay=LATENCY) if number % REFUSED_EVERY == 0 else succeed(delay=LATENCY)


def form(content: bytes) -> bytes:
    """The body of an upload."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="jobs.jsonl"\r\n\r\n'
    )
    return head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


@contextlib.contextmanager
def stage(folder: Path, **settings: str) -> Iterator[Stage]:
    """A portal that runs, with a local upstream as its default provider."""
    with Upstream() as upstream, portal_process(folder / "data", **KNOBS | settings) as portal:
        added = portal.manage("provider", "add", "local", "--adapter", "openai", "--base-url", upstream.base_url, "--default")
        key = portal.manage("apikey", "create", "--project", "acme", "--name", "chaos")
        assert (added.returncode, key.returncode) == (0, 0), added.stderr + key.stderr
        portal.start()
        yield Stage(portal, upstream, key.stdout.strip())


def kill(pids: Sequence[int]) -> None:
    """As the kernel does when memory runs out: no word of warning."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)

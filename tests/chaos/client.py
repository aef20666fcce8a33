"""The client of chaos: it submits, cancels and looks, and knows what the upstream answers as a rule."""

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from tests.answers import Answer, Behaviour, Request, refuse, succeed
from tests.benchmarks.client import TERMINAL
from tests.benchmarks.inputs import ENDPOINT, custom_id, input_line
from tests.processes import PortalProcess
from tests.upstream import Upstream

LATENCY = 0.1  # the seconds that the upstream takes for an answer
UNFLUSHED_SECONDS = 5.0  # on a busy machine, an executor records an outcome at most so many seconds after it arrived
REFUSED_EVERY = 10  # one object in so many gets a 400
LINE_BYTES = 300
BOUNDARY = "batchyard-chaos"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
PATIENCE = 90.0  # seconds until a test gives up waiting

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Run:
    """A batch that was started: its id as clients know it, and the number of its lines."""

    id: str
    lines: int

    @property
    def key(self) -> UUID:
        return UUID(self.id.removeprefix("batch_"))


@dataclass(slots=True)
class Client:
    """A client of a portal, whose upstream is at hand."""

    portal: PortalProcess
    upstream: Upstream
    key: str

    def ask(self, path: str, *, body: bytes | None = None, kind: str = "application/json") -> bytes:
        """Send a GET, or a POST if there is a body, on a new connection."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": kind}
        request = urllib.request.Request(self.portal.url + path, body, headers)  # noqa: S310 - an address of our own
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return bytes(answer.read())

    def begin(self, lines: int, behaviour: Behaviour | None = None) -> Run:
        """Start a batch at an upstream that has forgotten earlier calls. `behaviour` is that of the upstream."""
        self.upstream.forget()
        self.upstream.behave(behaviour or usual)
        return self.submit(lines)

    def submit(self, lines: int, **about: object) -> Run:
        """Start another batch; `about` are further fields of its create call."""
        content = b"".join(input_line(custom_id(number), line_bytes=LINE_BYTES) for number in range(lines))
        file = json.loads(self.ask("/v1/files", body=form(content), kind=FORM))
        batch = {"input_file_id": file["id"], "endpoint": ENDPOINT, "completion_window": "24h"} | about
        return Run(json.loads(self.ask("/v1/batches", body=json.dumps(batch).encode()))["id"], lines)

    def cancel(self, run: Run) -> None:
        self.ask(f"/v1/batches/{run.id}/cancel", body=b"")

    def act(self, run: Run, verb: str, **about: object) -> int:
        """Act on a batch through the native API. Return the status of the answer, which may be a refusal."""
        try:
            self.ask(f"/api/v1/batches/{run.id}/{verb}", body=json.dumps(about).encode())
        except urllib.error.HTTPError as answer:
            answer.close()
            return answer.code
        return 200

    def look(self, run: Run) -> dict[str, Any]:
        """The batch as the native API shows it; empty while the portal cannot answer."""
        try:
            return dict(json.loads(self.ask(f"/v1/batches/{run.id}")))
        except urllib.error.HTTPError as answer:
            answer.close()
        except (OSError, http.client.HTTPException):
            pass
        return {}

    def wait_until(self, look: Callable[[], T], *, what: str) -> T:
        """Call `look` until its result is true, and return the result."""
        deadline = time.monotonic() + PATIENCE
        while not (found := look()):
            assert time.monotonic() < deadline, f"Waited in vain until {what}.\n{self.portal.output[-4000:]}"
            time.sleep(0.05)
        return found

    def wait_until_answered(self, run: Run, share: float) -> None:
        """Wait until this part of the objects has an outcome."""

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


def marker(request: Request) -> str:
    """The custom_id of the object in a request."""
    return str(request.json["user"])


def usual(request: Request) -> Answer:
    """The usual answer: one object in REFUSED_EVERY is refused, the others succeed."""
    number = int(marker(request).rpartition("-")[2])
    return refuse(400, delay=LATENCY) if number % REFUSED_EVERY == 0 else succeed(delay=LATENCY)


def form(content: bytes) -> bytes:
    """The body of an upload."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="jobs.jsonl"\r\n\r\n'
    )
    return head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()

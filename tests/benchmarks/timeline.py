"""A batch from its create call to its finished files, as the upstream and the machine's clock saw it."""

import time
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.client import Client, require_success
from tests.benchmarks.inputs import WrongResult, check_output
from tests.benchmarks.upstream import Upstream

POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Timeline:
    """Seconds after the create call. `mean_in_flight` is what the upstream had at once, from its first to its last request."""

    requests: int
    first_request: float
    last_request: float
    last_answer: float
    ready: float
    mean_in_flight: float

    @property
    def finish(self) -> float:
        """How long after the last answer the results file was ready."""
        return self.ready - self.last_answer


def run_batch(client: Client, stub: Upstream, source: Path, *, lines: int) -> Timeline:
    """Run an input whose objects all succeed in the end. Raises WrongResult when it turns out otherwise."""
    file_id = client.upload(source)
    stub.reset()
    started = time.monotonic()
    batch = client.wait(client.create(file_id)["id"], poll=POLL_SECONDS)
    ready = time.monotonic() - started
    stats = stub.stats()
    require_success(batch, lines=lines)
    check_output(client.download(batch["output_file_id"], source.with_name("output.jsonl")), lines=lines)
    if stats["markers"] != lines:
        raise WrongResult(f"The upstream saw {stats}, expected {lines} different requests.")
    first_request, last_request, last_answer = (stats[name] - started for name in ("first_at", "last_at", "answered_at"))
    return Timeline(stats["requests"], first_request, last_request, last_answer, ready, stats["mean_in_flight"])

"""Two tenants at one provider of 10 slots: how long one takes while the other sends whatever it likes, beside alone.

The other is at work with a full queue before the one comes. Each case has a provider of its own, so that nothing is known of
it from the case before. Last, the same at a provider of one slot, where a newcomer waits for the call that is in flight.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.client import Client, require_success
from tests.benchmarks.inputs import WrongResult, write_input
from tests.benchmarks.portal import Portal, grown_up
from tests.benchmarks.tables import median, table, verdict
from tests.benchmarks.upstream import Upstream, upstream

SLOTS = 10
LINES = 300  # of the one
LATENCY_MS = 100.0
SLOW_MS = 8000.0
OTHERS_LINES = 3000
ONE_LINE_BATCHES = 400
HEAD_START = 4.0  # seconds that the other has been at work when the one comes
GOAL = 3.0  # times of alone
POLL_SECONDS = 0.05
FEW_LINES = 5  # of the one, at a provider of one slot


@dataclass(frozen=True, slots=True)
class Case:
    """What the other sends: how its requests are answered, how many batches of how many lines, with which priority."""

    name: str
    steer: str = ""
    batches: int = 1
    lines: int = OTHERS_LINES
    priority: int = 0
    longest: float = 0.0  # seconds of a call, for which a newcomer may wait besides


CASES = (
    Case("what succeeds"),
    Case("(a) only failures", steer="500:"),
    Case("(b) only 429s", steer="429:"),
    Case("(c) slow calls", steer="slow:", longest=SLOW_MS / 1000),
    Case(f"(d) {ONE_LINE_BATCHES} one-line batches", batches=ONE_LINE_BATCHES, lines=1),
    Case("(e) priority 100", priority=100),
)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure and print; what was measured."""
    behaviour = {"latency_ms": LATENCY_MS, "steered": 1, "slow_ms": SLOW_MS, "retry_after": 1.0}
    with (
        tempfile.TemporaryDirectory(prefix="batchyard-benchmark-") as folder,
        upstream(**behaviour) as stub,
        grown_up(stub) as portal,
    ):
        stage = Stage(portal, stub, Path(folder))
        stage.alone("warm-up", LINES)
        alone = median(stage.alone(f"alone-{number}", LINES) for number in range(options.rounds))
        found = {case.name: stage.beside(case, f"case-{number}") for number, case in enumerate(CASES)}
        both = stage.both()
        one_slot = stage.one_slot()
    besides = [(f"beside {case.name}", found[case.name], _verdict(case, found[case.name], alone)) for case in CASES]
    together = [(f"begun together, {name}", took, verdict(took / alone, at_most=GOAL)) for name, took in both.items()]
    rows = [(name, took, took / alone, said) for name, took, said in [("alone", alone, ""), *besides, *together]]
    print("\n" + table((f"{LINES} requests at {SLOTS} slots", "seconds", "of alone", "goal"), rows))
    late = verdict(one_slot, at_most=SLOW_MS / 1000 + GOAL * FEW_LINES * LATENCY_MS / 1000 + 1.0)
    print("\n" + table(("at one slot, beside slow calls", "seconds", "goal"), [("until the first answer", one_slot, late)]))
    return {"alone": alone, "beside": found, "both": both, "one_slot": one_slot}


def _verdict(case: Case, seconds: float, alone: float) -> str:
    """Slow calls that are in flight are waited for besides."""
    return verdict((seconds - case.longest) / alone, at_most=GOAL) if case.longest else verdict(seconds / alone, at_most=GOAL)


class Stage:
    """A portal with two tenants."""

    def __init__(self, portal: Portal, stub: Upstream, folder: Path) -> None:
        self.portal, self.stub, self.folder = portal, stub, folder
        self.one, self.other = portal.client, self._tenant("other")
        self.source = write_input(folder / "one.jsonl", lines=LINES, line_bytes=1024)

    def _tenant(self, project: str) -> Client:
        made = self.portal.process.manage("apikey", "create", "--project", project, "--name", project)
        if made.returncode:
            raise WrongResult(made.stderr)
        return Client(self.portal.process.url, made.stdout.strip())

    def _provider(self, name: str, *, slots: int = SLOTS) -> str:
        words = ("--adapter", "openai", "--base-url", self.stub.base_url, "--max-concurrency", str(slots))
        added = self.portal.process.manage("provider", "add", name, *words)
        if added.returncode:
            raise WrongResult(added.stderr)
        return name

    def alone(self, name: str, lines: int) -> float:
        """Seconds that the one takes when nobody else is there."""
        return self._run(self.one, self._provider(name), self.source, lines=lines)

    def _run(self, client: Client, provider: str, source: Path, *, lines: int) -> float:
        file_id = client.upload(source)
        started = time.monotonic()
        batch = client.wait(client.create_at(provider, file_id), poll=POLL_SECONDS)
        require_success(batch, lines=lines)
        return time.monotonic() - started

    def beside(self, case: Case, name: str) -> float:
        """Seconds that the one takes beside the other."""
        provider = self._provider(name)
        stop = self._begin(case, provider)
        try:
            return self._run(self.one, provider, self.source, lines=LINES)
        finally:
            stop()

    def _begin(self, case: Case, provider: str) -> Callable[[], None]:
        """Have the other be at work; what ends that."""
        source = write_input(self.folder / "other.jsonl", lines=case.lines, line_bytes=1024, steer=case.steer)
        ids = [self.other.create_at(provider, self.other.upload(source), priority=case.priority) for _ in range(case.batches)]
        if case.batches == 1:
            time.sleep(HEAD_START)  # many batches are still being created when the first of them run

        def stop() -> None:
            for batch_id in ids:
                if self.other.get(f"/v1/batches/{batch_id}")["status"] in ("validating", "in_progress"):
                    self.other.cancel(batch_id)
            self.portal.settle()

        return stop

    def both(self) -> dict[str, float]:
        """Seconds of each when both begin together, with the same to do."""
        provider, ids = self._provider("both"), {}
        clients = {"the one": self.one, "the other": self.other}
        files = {name: client.upload(self.source) for name, client in clients.items()}
        started = time.monotonic()
        for name, client in clients.items():
            ids[name] = client.create_at(provider, files[name])
        took: dict[str, float] = {}
        while len(took) < len(ids):
            for name, batch_id in ids.items():
                if name not in took and clients[name].get(f"/v1/batches/{batch_id}")["status"] == "completed":
                    took[name] = time.monotonic() - started
            time.sleep(POLL_SECONDS)
        return took

    def one_slot(self) -> float:
        """Seconds until the first answer of one that comes to a provider of one slot, which has slow calls of the other."""
        provider = self._provider("one-slot", slots=1)
        stop = self._begin(Case("slow", steer="slow:", lines=50), provider)
        try:
            few = write_input(self.folder / "few.jsonl", lines=FEW_LINES, line_bytes=1024)
            file_id = self.one.upload(few)
            started = time.monotonic()
            batch_id = self.one.create_at(provider, file_id)
            while not self.one.get(f"/v1/batches/{batch_id}")["request_counts"]["completed"]:
                time.sleep(POLL_SECONDS)
            return time.monotonic() - started
        finally:
            stop()

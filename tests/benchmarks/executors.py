"""`executors`: the throughput of two executors on twice the slots, to that of one, against an upstream that takes 100 ms.

Executors add up only while the machine has cores to spare. So the share of the machine that everything together used stands
beside each figure: portal, PostgreSQL, Redis and upstream. A figure of a saturated machine says nothing about executors.
"""

import argparse
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.inputs import write_input
from tests.benchmarks.portal import Portal, grown_up
from tests.benchmarks.tables import median, table, verdict
from tests.benchmarks.timeline import run_batch
from tests.benchmarks.upstream import Upstream, upstream

GOAL = 1.9
SATURATED = 0.8  # of the machine's cores
WARM_UP_LINES = 1000


@dataclass(frozen=True, slots=True)
class Figures:
    """One batch: requests a second from the first request to the last answer, and the used share of the machine's cores."""

    rate: float
    mean_in_flight: float
    machine: float


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lines", type=int, default=20_000, help="requests in the batch (default: %(default)s)")
    parser.add_argument("--line-bytes", type=int, default=1024, help="bytes of a line (default: %(default)s)")
    parser.add_argument("--latency-ms", type=float, default=100.0, help="how long the upstream takes (default: %(default)s)")
    parser.add_argument("--slots", type=int, default=64, help="requests in flight of one executor (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="batches; medians are told (default: %(default)s)")


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Measure and print; what was measured."""
    found: dict[int, list[Figures]] = {}
    with tempfile.TemporaryDirectory(prefix="batchyard-benchmark-") as folder, upstream(latency_ms=options.latency_ms) as stub:
        source = write_input(Path(folder) / "input.jsonl", lines=options.lines, line_bytes=options.line_bytes)
        few = write_input(Path(folder) / "few.jsonl", lines=WARM_UP_LINES, line_bytes=options.line_bytes)
        for executors in (1, 2):
            with grown_up(stub, EXECUTORS=str(executors), EXECUTOR_CONCURRENCY=str(options.slots)) as portal:
                run_batch(portal.client, stub, few, lines=WARM_UP_LINES)
                found[executors] = [_measured(portal, stub, source, lines=options.lines) for _ in range(options.rounds)]
    rows = [
        (f"{executors}, round {number}", figures.rate, figures.mean_in_flight, figures.machine)
        for executors, rounds in found.items()
        for number, figures in enumerate(rounds, 1)
    ]
    print("\n" + table(("executors", "requests a second", "mean in flight", "of the machine"), rows))
    one, two = (median(figures.rate for figures in rounds) for rounds in found.values())
    busiest = max(figures.machine for rounds in found.values() for figures in rounds)
    goals = [
        ("two executors, to one", two / one, verdict(two / one, at_least=GOAL)),
        ("the most of the machine that was used", busiest, verdict(busiest, at_most=SATURATED)),
    ]
    print("\n" + table(("medians", "", "goal"), goals))
    return {
        "rounds": {executors: [asdict(figures) for figures in rounds] for executors, rounds in found.items()},
        "ratio": two / one,
    }


def _measured(portal: Portal, stub: Upstream, source: Path, *, lines: int) -> Figures:
    portal.settle()
    before, at_stub, started = portal.usage(), stub.cpu(), time.monotonic()
    run = run_batch(portal.client, stub, source, lines=lines)
    seconds, used = time.monotonic() - started, portal.usage().since(before)
    cpu = used.portal + used.postgresql + used.redis + stub.cpu() - at_stub
    return Figures(lines / (run.last_answer - run.first_request), run.mean_in_flight, cpu / seconds / (os.cpu_count() or 1))

"""`occupancy`: how much of a slow upstream's concurrency is used, and how long a batch takes beside the ideal.

The upstream answers after a fixed latency. It counts itself how many requests it has at once, from the first to the last
request; the ideal is the number of requests times the latency, divided by the slots.
"""

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.benchmarks.inputs import write_input
from tests.benchmarks.portal import grown_up
from tests.benchmarks.tables import median, table, verdict
from tests.benchmarks.timeline import Timeline, run_batch
from tests.benchmarks.upstream import upstream

BUSY_GOAL = 0.88  # of the slots
WALL_GOAL = 1.2  # of the ideal
WARM_UP_LINES = 1000


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lines", type=int, default=50_000, help="requests in the batch (default: %(default)s)")
    parser.add_argument("--line-bytes", type=int, default=1024, help="bytes of a line (default: %(default)s)")
    parser.add_argument("--latency-ms", type=float, default=100.0, help="how long the upstream takes (default: %(default)s)")
    parser.add_argument("--slots", type=int, default=256, help="requests in flight at most (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="batches; medians are told (default: %(default)s)")


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Measure and print; what was measured."""
    ideal = options.lines * options.latency_ms / 1000 / options.slots
    with tempfile.TemporaryDirectory(prefix="batchyard-benchmark-") as folder, upstream(latency_ms=options.latency_ms) as stub:
        source = write_input(Path(folder) / "input.jsonl", lines=options.lines, line_bytes=options.line_bytes)
        few = write_input(Path(folder) / "few.jsonl", lines=WARM_UP_LINES, line_bytes=options.line_bytes)
        with grown_up(stub, EXECUTOR_CONCURRENCY=str(options.slots)) as portal:
            run_batch(portal.client, stub, few, lines=WARM_UP_LINES)
            runs = []
            for _ in range(options.rounds):
                portal.settle()
                runs.append(run_batch(portal.client, stub, source, lines=options.lines))
    busy = median(run.mean_in_flight for run in runs) / options.slots
    wall = median(run.ready for run in runs) / ideal
    print("\n" + table(("seconds after the create call", *MOMENTS), [_row(f"round {n}", run) for n, run in enumerate(runs, 1)]))
    goals = [
        ("mean in flight, of the slots", busy, verdict(busy, at_least=BUSY_GOAL)),
        (f"until the results are ready, to the ideal of {ideal:.2f} s", wall, verdict(wall, at_most=WALL_GOAL)),
    ]
    print("\n" + table(("medians", "", "goal"), goals))
    return {"rounds": [asdict(run) for run in runs], "busy": busy, "wall": wall}


MOMENTS = ("first request", "last request", "last answer", "results ready", "finish", "mean in flight")


def _row(name: str, run: Timeline) -> tuple[object, ...]:
    return name, run.first_request, run.last_request, run.last_answer, run.ready, run.finish, run.mean_in_flight

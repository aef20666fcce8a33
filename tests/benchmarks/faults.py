"""`faults`: how long a batch takes at an upstream that refuses, breaks and hangs up, beside a bare loop that tries again.

Of all requests a share is answered with 429 and Retry-After, a share with 500, and a share by a closed connection. The
time of the portal is from the create call to the finished files; that of the loop from its first line to its last.
"""

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.benchmarks import retry_loop
from tests.benchmarks.inputs import ENDPOINT, write_input
from tests.benchmarks.portal import grown_up
from tests.benchmarks.rival import Job, measured
from tests.benchmarks.tables import median, table, verdict
from tests.benchmarks.timeline import run_batch
from tests.benchmarks.upstream import upstream

WALL_GOAL = 1.3
WARM_UP_LINES = 1000


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lines", type=int, default=50_000, help="requests in the batch (default: %(default)s)")
    parser.add_argument("--line-bytes", type=int, default=1024, help="bytes of a line (default: %(default)s)")
    parser.add_argument("--latency-ms", type=float, default=100.0, help="how long the upstream takes (default: %(default)s)")
    parser.add_argument("--slots", type=int, default=256, help="requests in flight at most, in both (default: %(default)s)")
    parser.add_argument("--too-many", type=float, default=0.05, metavar="RATE", help="answered with 429 (default: %(default)s)")
    parser.add_argument("--broken", type=float, default=0.02, metavar="RATE", help="answered with 500 (default: %(default)s)")
    parser.add_argument("--dropped", type=float, default=0.01, metavar="RATE", help="hung up on (default: %(default)s)")
    parser.add_argument("--retry-after", type=float, default=0.1, metavar="SECONDS", help="told with 429 (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="pairs of both; medians are told (default: %(default)s)")


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Measure and print; what was measured."""
    names = ("latency_ms", "too_many", "broken", "dropped", "retry_after")
    faulty = upstream(**{name: getattr(options, name) for name in names})
    with tempfile.TemporaryDirectory(prefix="batchyard-benchmark-") as folder, faulty as stub:
        source = write_input(Path(folder) / "input.jsonl", lines=options.lines, line_bytes=options.line_bytes)
        few = write_input(Path(folder) / "few.jsonl", lines=WARM_UP_LINES, line_bytes=options.line_bytes)
        url = stub.base_url + ENDPOINT.removeprefix("/v1")
        job = Job(url, source, source.with_name("bare.jsonl"), options.lines, options.slots)
        with grown_up(stub, EXECUTOR_CONCURRENCY=str(options.slots)) as portal:
            run_batch(portal.client, stub, few, lines=WARM_UP_LINES)
            pairs = []
            for _ in range(options.rounds):
                bare, _ = measured(retry_loop.__name__, job)
                portal.settle()
                pairs.append((bare, run_batch(portal.client, stub, source, lines=options.lines)))
    ratio = median(run.ready / bare for bare, run in pairs)
    rows = [
        (f"round {number}", bare, run.ready, run.last_answer, run.requests) for number, (bare, run) in enumerate(pairs, start=1)
    ]
    print("\n" + table(("seconds", "bare loop", "Batchyard", "its last answer", "its requests"), rows))
    print(f"\nWall to the bare loop (median): {ratio:.2f}, goal {verdict(ratio, at_most=WALL_GOAL)}.")
    return {"pairs": [{"bare": bare, "batchyard": asdict(run)} for bare, run in pairs], "wall": ratio}

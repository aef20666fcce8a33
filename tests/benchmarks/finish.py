"""`finish`: how long after the upstream's last answer the results file of a batch is ready."""

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.benchmarks.inputs import write_input
from tests.benchmarks.portal import grown_up
from tests.benchmarks.tables import median, table, verdict
from tests.benchmarks.timeline import run_batch
from tests.benchmarks.upstream import upstream

GOAL_SECONDS = 1.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lines", type=int, default=50_000, help="requests in the batch (default: %(default)s)")
    parser.add_argument("--line-bytes", type=int, default=1024, help="bytes of a line, and of an answer (default: %(default)s)")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="how long the upstream takes (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="batches; the median is told (default: %(default)s)")


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Measure and print; what was measured."""
    answering = upstream(latency_ms=options.latency_ms, answer_bytes=options.line_bytes)
    with tempfile.TemporaryDirectory(prefix="batchyard-benchmark-") as folder, answering as stub:
        source = write_input(Path(folder) / "input.jsonl", lines=options.lines, line_bytes=options.line_bytes)
        with grown_up(stub) as portal:
            runs = []
            for _ in range(options.rounds):
                portal.settle()
                runs.append(run_batch(portal.client, stub, source, lines=options.lines))
    middle = median(run.finish for run in runs)
    rows = [(f"round {number}", run.last_answer, run.ready, run.finish) for number, run in enumerate(runs, start=1)]
    print("\n" + table(("seconds after the create call", "last answer", "results ready", "finish"), rows))
    print(f"\nReady {middle:.2f} s after the last answer (median), goal {verdict(middle, at_most=GOAL_SECONDS)}.")
    return {"rounds": [asdict(run) for run in runs], "finish": middle}

"""`answers`: large answers, as many in flight at once as an executor may have; how much memory it ever had."""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.inputs import check_arrivals, write_input
from tests.benchmarks.portal import embedded, grown_up
from tests.benchmarks.tables import MB, table, verdict
from tests.benchmarks.upstream import upstream

GOAL_MB = 512.0
LINE_BYTES = 300
LOOK_SECONDS = 0.5


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lines", type=int, default=256, help="requests, all in flight at once (default: %(default)s)")
    parser.add_argument("--answer-mb", type=float, default=8.0, help="each answer (default: %(default)s)")
    parser.add_argument("--latency-ms", type=float, default=2000.0, help="until all answers come at once (default: %(default)s)")
    parser.add_argument("--embedded", action="store_true", help="measure the portal in one process instead")


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Measure until every answer is recorded, and print; what was measured."""
    serving, role = (embedded, "portal") if options.embedded else (grown_up, "execute")
    behaviour = {"latency_ms": options.latency_ms, "answer_bytes": int(options.answer_mb * MB)}
    with tempfile.TemporaryDirectory(prefix="batchyard-benchmark-") as folder, upstream(**behaviour) as stub:
        source = write_input(Path(folder) / "input.jsonl", lines=options.lines, line_bytes=LINE_BYTES)
        with serving(stub, EXECUTORS="1", EXECUTOR_CONCURRENCY=str(options.lines)) as portal:
            before = portal.peaks()
            started = time.monotonic()
            batch_id = portal.client.create(portal.client.upload(source))["id"]
            while portal.client.get(f"/v1/batches/{batch_id}")["request_counts"]["completed"] < options.lines:
                time.sleep(LOOK_SECONDS)
            seconds, peaks = time.monotonic() - started, portal.peaks()
            check_arrivals(stub.stats(), lines=options.lines)
    peak = peaks[role] / MB
    rows = [(name, before.get(name, 0) / MB, peaks[name] / MB) for name in sorted(peaks)]
    print("\n" + table(("role", "MB before", "MB at most"), rows))
    total = options.lines * options.answer_mb
    print(f"\n{options.lines} answers of {options.answer_mb:g} MB, {total:,.0f} MB in all, recorded in {seconds:.0f} s;")
    print(f"{peak:.0f} MB at most in a process that executes, goal {verdict(peak, at_most=GOAL_MB)}")
    return {"peaks": peaks, "seconds": seconds}

"""`first-request`: how long after the create of a small batch its first request is at the upstream."""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.client import require_success
from tests.benchmarks.inputs import check_arrivals, write_input
from tests.benchmarks.portal import Portal, embedded, grown_up
from tests.benchmarks.tables import median, table, verdict
from tests.benchmarks.upstream import Upstream, upstream

GOAL_SECONDS = 1.0
LINES = 10


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=3, help="batches of each kind (default: %(default)s)")


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Measure and print; what was measured."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="batchyard-benchmark-") as folder, upstream() as stub:
        source = write_input(Path(folder) / "input.jsonl", lines=LINES, line_bytes=1024)
        for name, serving in (("embedded", embedded), ("grown-up", grown_up)):
            with serving(stub) as portal:
                cold, warm = found[f"{name}, idle portal"], found[f"{name}, just after another"] = [], []
                for _ in range(options.rounds):
                    portal.settle()
                    cold.append(_delay(portal, stub, source))
                    warm.append(_delay(portal, stub, source))
    rows = [(name, median(delays), max(delays), verdict(max(delays), at_most=GOAL_SECONDS)) for name, delays in found.items()]
    print("\n" + table(("seconds until the first request", "median", "greatest", "goal"), rows))
    return {"seconds": found}


def _delay(portal: Portal, stub: Upstream, source: Path) -> float:
    client = portal.client
    file_id = client.upload(source)
    stub.reset()
    started = time.monotonic()
    batch = client.wait(client.create(file_id)["id"])
    stats = stub.stats()
    require_success(batch, lines=LINES)
    check_arrivals(stats, lines=LINES)
    return float(stats["first_at"]) - started

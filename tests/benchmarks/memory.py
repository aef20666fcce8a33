"""`memory`: a 200 MB file uploaded, validated, listed, run and downloaded; how much memory each process ever had."""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.client import Client, require_success
from tests.benchmarks.inputs import WrongResult, check_output, write_input
from tests.benchmarks.portal import embedded, grown_up
from tests.benchmarks.tables import MB, table, verdict
from tests.benchmarks.upstream import upstream

GOAL_MB = 250.0
LISTS = ("/v1/files?limit=100", "/v1/batches?limit=100")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lines", type=int, default=50_000, help="requests in the batch (default: %(default)s)")
    parser.add_argument("--line-bytes", type=int, default=4160, help="bytes of a line (default: %(default)s, 200 MB in all)")
    parser.add_argument("--embedded", action="store_true", help="measure the portal in one process instead")


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Measure and print; what was measured."""
    serving = embedded if options.embedded else grown_up
    with tempfile.TemporaryDirectory(prefix="batchyard-benchmark-") as folder, upstream() as stub:
        source = write_input(Path(folder) / "input.jsonl", lines=options.lines, line_bytes=options.line_bytes)
        with serving(stub) as portal:
            print(f"input: {source.stat().st_size / MB:.0f} MB, {options.lines:,} lines", flush=True)
            peaks = {"started": portal.peaks()}
            times = {}
            for step, did in _steps(portal.client, source, lines=options.lines):
                times[step], peaks[step] = did, portal.peaks()
    roles = sorted(peaks["started"])
    rows = [(step, times.get(step, 0.0), *(peaks[step].get(role, 0) / MB for role in roles)) for step in peaks]
    greatest = max(max(found.values()) for found in peaks.values()) / MB
    print("\n" + table(("peak MB of one process, so far", "s", *roles), rows))
    print(f"\n{greatest:.0f} MB at most, goal {verdict(greatest, at_most=GOAL_MB)}")
    return {"peaks": peaks, "seconds": times}


def _steps(client: Client, source: Path, *, lines: int) -> Iterator[tuple[str, float]]:
    """Do one step after the other; each with its seconds."""
    started = time.monotonic()

    def lap() -> float:
        nonlocal started
        before, started = started, time.monotonic()
        return started - before

    file_id = client.upload(source)
    yield "uploaded", lap()
    batch_id = client.create(file_id)["id"]
    client.wait(batch_id, statuses={"in_progress", "finalizing", "completed"})
    yield "validated", lap()
    for path in LISTS:
        if not client.get(path)["data"]:
            raise WrongResult(f"{path} is empty.")
    yield "listed", lap()
    batch = client.wait(batch_id)
    yield "completed", lap()
    require_success(batch, lines=lines)
    output = client.download(batch["output_file_id"], source.with_name("output.jsonl"))
    yield "downloaded", lap()
    check_output(output, lines=lines)

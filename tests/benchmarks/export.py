"""`export`: results as JSONL by the portal's own export, beside PostgreSQL's COPY (SELECT ...) TO STDOUT of the same lines."""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks.client import require_success
from tests.benchmarks.inputs import WrongResult, check_output, write_input
from tests.benchmarks.portal import Portal, grown_up
from tests.benchmarks.tables import median, table, verdict
from tests.benchmarks.upstream import upstream

EXPORTER = "tests.benchmarks.exporter"
GOAL = 0.3  # of COPY's rows per second


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lines", type=int, default=50_000, help="requests in the batch (default: %(default)s)")
    parser.add_argument("--line-bytes", type=int, default=1024, help="bytes of an answer (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of both; medians are told (default: %(default)s)")


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Measure and print; what was measured."""
    answering = upstream(answer_bytes=options.line_bytes)
    with tempfile.TemporaryDirectory(prefix="batchyard-benchmark-") as name, answering as stub, grown_up(stub) as portal:
        folder = Path(name)
        source = write_input(folder / "input.jsonl", lines=options.lines, line_bytes=options.line_bytes)
        batch = portal.client.wait(portal.client.create(portal.client.upload(source))["id"])
        require_success(batch, lines=options.lines)
        pairs = _pairs(portal, batch["id"], folder, rounds=options.rounds)
        for file in ("copied.jsonl", "exported.jsonl"):
            check_output(folder / file, lines=options.lines)
        written = portal.client.download(batch["output_file_id"], folder / "output.jsonl")
        if written.read_bytes() != (folder / "exported.jsonl").read_bytes():
            raise WrongResult("The export is not what the output file of the batch holds.")
    rows = [
        (title, options.lines / median(pair[name][0] for pair in pairs), median(pair[name][1] for pair in pairs))
        for name, title in (("copy", "COPY (SELECT ...) TO STDOUT"), ("export", "the portal's export"))
    ]
    ratio = median(pair["copy"][0] / pair["export"][0] for pair in pairs)
    print("\n" + table(("medians", "rows per second", "CPU s of the client"), rows))
    print(f"\nRows per second to COPY's (median): {ratio:.2f}, goal {verdict(ratio, at_least=GOAL)}.")
    return {"pairs": pairs, "ratio": ratio}


def _pairs(portal: Portal, batch_id: str, folder: Path, *, rounds: int) -> list[dict[str, list[float]]]:
    """Wall and CPU seconds of both, by turns, measured in a process of the portal's environment."""
    words = ["-m", EXPORTER, "--batch", batch_id, "--folder", str(folder), "--rounds", str(rounds)]
    environment = portal.process.environment | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    done = subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WrongResult(f"The export failed: {done.stderr}")
    pairs: list[dict[str, list[float]]] = json.loads(done.stdout)
    return pairs

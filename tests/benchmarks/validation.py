"""`validate`: the CPU that validation of a 200 MB file takes, beside a bare parse and COPY of the same."""

import argparse
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from uuid_utils.compat import uuid7

from tests.benchmarks.inputs import write_input
from tests.benchmarks.portal import Portal, grown_up
from tests.benchmarks.tables import MB, median, table, verdict
from tests.benchmarks.upstream import upstream

GOAL = 3.0  # times the bare parse and COPY, in CPU seconds
COLUMNS = "id, batch_id, line, custom_id, status, round, attempts, request_id"


class _Line(msgspec.Struct):
    custom_id: str
    method: str
    url: str
    body: dict[str, Any]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lines", type=int, default=50_000, help="lines of the input (default: %(default)s)")
    parser.add_argument("--line-bytes", type=int, default=4160, help="bytes of a line (default: %(default)s, 200 MB in all)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of both; medians are told (default: %(default)s)")


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Measure and print; what was measured."""
    with tempfile.TemporaryDirectory(prefix="batchyard-benchmark-") as folder, upstream(latency_ms=1000) as stub:
        source = write_input(Path(folder) / "input.jsonl", lines=options.lines, line_bytes=options.line_bytes)
        print(f"input: {source.stat().st_size / MB:.0f} MB, {options.lines:,} lines", flush=True)
        with grown_up(stub) as portal:
            found: dict[str, list[tuple[float, float]]] = {"bare parse and COPY": [], "Batchyard's validation": []}
            for _ in range(options.rounds):
                found["bare parse and COPY"].append(_bare(source, portal.process.environment["DATABASE_URL"]))
                found["Batchyard's validation"].append(_validation(portal, source))
    rows = [(name, median(cpu for cpu, _ in runs), median(wall for _, wall in runs)) for name, runs in found.items()]
    print("\n" + table(("medians", "CPU s", "wall s"), rows))
    pairs = zip(*found.values(), strict=True)
    ratio = median(validation / bare for (bare, _), (validation, _) in pairs)
    print(f"\nCPU to the bare parse and COPY (median): {ratio:.2f}, goal {verdict(ratio, at_most=GOAL)}.")
    return {"seconds": found, "ratio": ratio}


def _bare(source: Path, database: str) -> tuple[float, float]:
    """CPU and wall seconds in this process."""
    decode = msgspec.json.Decoder(_Line).decode
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TEMP TABLE bare (LIKE batches_batchobject INCLUDING ALL)")
        connection.commit()
        batch_id = uuid.uuid4()
        cpu, wall = time.process_time(), time.monotonic()
        with connection.cursor() as cursor, cursor.copy(f"COPY bare ({COLUMNS}) FROM STDIN") as copy, source.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                copy.write_row((uuid7(), batch_id, number, decode(line).custom_id, "pending", 1, 0, ""))
        connection.commit()
        return time.process_time() - cpu, time.monotonic() - wall


def _validation(portal: Portal, source: Path) -> tuple[float, float]:
    """CPU seconds of the control workers, and wall seconds from create until the batch runs; then it is cancelled."""
    client = portal.client
    file_id = client.upload(source)
    portal.settle()
    before, started = portal.usage(), time.monotonic()
    batch_id = client.create(file_id)["id"]
    client.wait(batch_id, statuses={"in_progress"}, poll=0.05)
    wall, used = time.monotonic() - started, portal.usage().since(before)
    client.cancel(batch_id)
    client.wait(batch_id)
    return used.roles["control"], wall

"""`fairness`: how long a small batch takes while a large one runs, and whether a batch at risk overtakes.

The small batch comes from the project of the large one, and from another; beside it stands how long it takes alone.
Then two large batches run side by side, and the second is given a deadline that it misses at half of the pace. At last two
tenants share a provider of 10 slots, and one of them sends what harms the other most (`tenants`).
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.benchmarks import tenants
from tests.benchmarks.client import Client, require_success
from tests.benchmarks.inputs import WrongResult, write_input
from tests.benchmarks.portal import Portal, grown_up
from tests.benchmarks.tables import median, table, verdict
from tests.benchmarks.upstream import upstream

SMALL_LINES = 10
GOAL_SECONDS = 3.0
POLL_SECONDS = 0.05
TIME_LEFT = 1.75  # of what the batch at risk takes by itself


@dataclass(frozen=True, slots=True)
class Race:
    """Two large batches side by side: seconds until each had ended, from the deadline that the second was given."""

    first: float
    second: float
    allowed: float


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lines", type=int, default=50_000, help="requests in a large batch (default: %(default)s)")
    parser.add_argument("--latency-ms", type=float, default=100.0, help="how long the upstream takes (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="small batches of each kind (default: %(default)s)")
    parser.add_argument("--only", choices=("batches", "tenants"), help="measure only this part")


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Measure and print; what was measured."""
    found: dict[str, Any] = {}
    if options.only != "tenants":
        found |= _batches(options)
    if options.only != "batches":
        found["tenants"] = tenants.measure(options)
    return found


def _batches(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="batchyard-benchmark-") as folder, upstream(latency_ms=options.latency_ms) as stub:
        small = write_input(Path(folder) / "small.jsonl", lines=SMALL_LINES, line_bytes=1024)
        large = write_input(Path(folder) / "large.jsonl", lines=options.lines, line_bytes=1024)
        with grown_up(stub) as portal:
            other = _client_of_another_project(portal)
            _delay(portal.client, small)  # whatever is imported and opened first
            delays: dict[str, list[float]] = {"alone": [_delay(portal.client, small) for _ in range(options.rounds)]}
            pace = _behind(portal, other, small, large, delays, options)
            race = _race(portal, large, options.lines, pace=pace)
    rows = [
        (name, median(found), max(found), "" if name == "alone" else verdict(median(found), at_most=GOAL_SECONDS))
        for name, found in delays.items()
    ]
    print("\n" + table(("seconds of a small batch", "median", "greatest", "goal"), rows))
    in_time = verdict(race.second, at_most=race.allowed)
    print("\n" + table(("side by side", "seconds", "goal"), [("at risk", race.second, in_time), ("the other", race.first, "")]))
    return {"seconds": delays, "race": {"first": race.first, "second": race.second, "allowed": race.allowed}}


def _client_of_another_project(portal: Portal) -> Client:
    made = portal.process.manage("apikey", "create", "--project", "other", "--name", "other")
    if made.returncode:
        raise WrongResult(made.stderr)
    return Client(portal.process.url, made.stdout.strip())


def _delay(client: Client, source: Path) -> float:
    """Seconds from the create call until the batch is over."""
    file_id = client.upload(source)
    started = time.monotonic()
    batch = client.wait(client.create(file_id)["id"], poll=POLL_SECONDS)
    require_success(batch, lines=SMALL_LINES)
    return time.monotonic() - started


def _behind(
    portal: Portal, other: Client, small: Path, large: Path, delays: dict[str, list[float]], options: argparse.Namespace
) -> float:
    """Fill in the delays behind a large batch; the pace of that, in requests per second."""
    client = portal.client
    clients = {"behind a large one of its project": client, "behind one of another project": other}
    for name in clients:
        delays[name] = []
    pace = 0.0
    while len(delays["behind one of another project"]) < options.rounds:
        batch_id, started = _running(client, large), time.monotonic()
        while _settled(client, batch_id) < 0.8 * options.lines:
            for name, caller in clients.items():
                delays[name].append(_delay(caller, small))
        require_success(client.wait(batch_id), lines=options.lines)
        pace = float(options.lines / (time.monotonic() - started))
    return pace


def _running(client: Client, source: Path) -> str:
    """A large batch of which some is done."""
    batch_id = str(client.create(client.upload(source))["id"])
    while not _settled(client, batch_id):
        time.sleep(POLL_SECONDS)
    return batch_id


def _settled(client: Client, batch_id: str) -> int:
    return int(client.get(f"/v1/batches/{batch_id}")["request_counts"]["completed"])


def _race(portal: Portal, large: Path, lines: int, *, pace: float) -> Race:
    client, allowed = portal.client, TIME_LEFT * lines / pace
    first, second = _running(client, large), _running(client, large)
    with psycopg.connect(portal.process.environment["DATABASE_URL"]) as database:
        database.execute(
            "UPDATE batches_batch SET expires_at = now() + make_interval(secs => %s) WHERE id = %s",
            [allowed, second.removeprefix("batch_")],
        )
    started = time.monotonic()
    ended: dict[str, float] = {}
    while len(ended) < 2:
        for batch_id in {first, second} - ended.keys():
            if client.get(f"/v1/batches/{batch_id}")["status"] in {"completed", "expired"}:
                ended[batch_id] = time.monotonic() - started
        time.sleep(POLL_SECONDS)
    require_success(client.get(f"/v1/batches/{second}"), lines=lines)
    return Race(ended[first], ended[second], allowed)

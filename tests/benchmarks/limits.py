"""`limits`: requests that reach an upstream in any sliding minute, with several workers under one limit per minute.

Executors in processes of their own work on one large batch. In the middle of the run Redis is flushed, so that everything
that was counted there is lost. What arrived, and when, is taken from the upstream's own log.
"""

import argparse
import bisect
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import redis

from tests.answers import succeed
from tests.benchmarks.inputs import WrongResult, write_input
from tests.benchmarks.portal import Portal, database_servers, grown_up
from tests.benchmarks.tables import table, verdict
from tests.benchmarks.upstream import Upstream
from tests.upstream import Upstream as Recorder

GOAL = 0.01  # of the limit may be sent beyond it
MINUTE = 60.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", type=int, default=600, help="requests per minute (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=4, help="executors, each in a process (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=210.0, help="how long to watch (default: %(default)s)")
    parser.add_argument("--flushes", type=int, default=1, help="how often Redis is flushed meanwhile (default: %(default)s)")


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Measure and print; what was measured."""
    lines = int(options.limit * (options.seconds / MINUTE + 2))
    with tempfile.TemporaryDirectory(prefix="batchyard-benchmark-") as folder, database_servers(), Recorder() as recorder:
        recorder.behave(lambda _: succeed(delay=0.02))
        source = write_input(Path(folder) / "input.jsonl", lines=lines, line_bytes=512)
        with grown_up(Upstream(recorder.port), EXECUTORS=str(options.workers), SLICE_LINES="50") as portal:
            workers, flushed_at = _watch(portal, source, options)
            arrivals = [request.at for request in recorder.requests]
    if not arrivals:
        raise WrongResult("Nothing arrived.")
    figures = _figures(arrivals, flushed_at, workers, limit=options.limit)
    print(_report(figures))
    return figures


def _watch(portal: Portal, source: Path, options: argparse.Namespace) -> tuple[int, list[float]]:
    """Have a batch run under the limit for a while, and flush Redis at even distances: how many work on it, and the flushes."""
    with psycopg.connect(portal.process.environment["DATABASE_URL"], autocommit=True) as database:
        database.execute("UPDATE providers_provider SET requests_per_minute = %s WHERE name = 'stub'", [options.limit])
        portal.client.create(portal.client.upload(source))
        began, flushed_at = time.monotonic(), []
        for number in range(1, options.flushes + 1):
            time.sleep(max(began + options.seconds * number / (options.flushes + 1) - time.monotonic(), 0))
            redis.Redis.from_url(portal.process.environment["REDIS_URL"]).flushall()
            flushed_at.append(time.monotonic())
        time.sleep(max(began + options.seconds - time.monotonic(), 0))
        owners = database.execute("SELECT count(DISTINCT lease_owner) FROM batches_slice").fetchone()
    return int(owners[0]) if owners else 0, flushed_at


def worst(arrivals: Sequence[float], *, seconds: float = MINUTE) -> int:
    """The most arrivals in any stretch of so many seconds; `arrivals` are in order."""
    return max((bisect.bisect_left(arrivals, at + seconds) - number for number, at in enumerate(arrivals)), default=0)


def _figures(arrivals: Sequence[float], flushed_at: Sequence[float], workers: int, *, limit: int) -> dict[str, Any]:
    across = [worst([at for at in arrivals if flush - MINUTE < at < flush + MINUTE]) for flush in flushed_at]
    pauses = [min((at for at in arrivals if at > flush + 1), default=flush + MINUTE) - flush for flush in flushed_at]
    return {
        "limit": limit,
        "workers": workers,
        "requests": len(arrivals),
        "seconds": arrivals[-1] - arrivals[0],
        "worst_minute": worst(arrivals),
        "worst_minute_across_a_flush": max(across, default=0),
        "first_after_a_flush_seconds": max(pauses, default=0.0),
        "overshoot": max(worst(arrivals) / limit - 1, 0.0),
        "used": len(arrivals) / (limit * (arrivals[-1] - arrivals[0]) / MINUTE),
    }


def _report(figures: dict[str, Any]) -> str:
    rows = [
        ("limit per minute", figures["limit"], ""),
        ("executors at work", figures["workers"], ""),
        ("requests", figures["requests"], ""),
        ("worst sliding minute", figures["worst_minute"], ""),
        ("worst one across a flush", figures["worst_minute_across_a_flush"], ""),
        ("overshoot %", 100 * figures["overshoot"], verdict(100 * figures["overshoot"], at_most=100 * GOAL)),
        ("of the limit used %", 100 * figures["used"], ""),
        ("pause after a flush s", figures["first_after_a_flush_seconds"], ""),
    ]
    return table(("limits", "", "goal"), rows)

"""`recover`: how soon the portal answers again after PostgreSQL, Redis or both were restarted under load.

Forty clients ask at once while a batch runs. PostgreSQL is restarted twice, four seconds apart, as a service manager does
that tries again; Redis is killed. What is measured begins when the server takes connections again.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.tables import table, verdict
from tests.chaos.faults import Servers
from tests.chaos.stage import Stage, stage
from tests.crowd import Answer, Crowd, crowd

CLIENTS = 40
PATHS = ("/v1/batches?limit=5", "/api/v1/batches?limit=5", "/v1/files?limit=5")
BURST_SECONDS = 3.0
REQUESTS = 1000  # after a server's return; none of them may fail
GOAL_FIRST = 1.0
GOAL_AWAY = 2.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--away", type=float, default=1.0, help="seconds that a server is away (default: %(default)s)")
    parser.add_argument("--lines", type=int, default=20_000, help="lines of the batch that runs meanwhile (default: %(default)s)")


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Measure and print; what was measured."""
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="batchyard-recover-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL may have to run as somebody else
        servers = Servers(folder)
        try:
            with stage(folder / "portal", DATABASE_URL=servers.database_url, REDIS_URL=servers.redis_url) as portal:
                for what in ("PostgreSQL", "Redis", "both"):
                    found[what] = _measured(what, portal, servers, away=options.away, lines=options.lines)
        finally:
            servers.stop()
    rows = [
        (
            what,
            figures["first"],
            figures["slowest"],
            int(figures["failed"]),
            figures["refused_within"],
            verdict(figures["first"], at_most=GOAL_FIRST),
            verdict(figures["failed"], at_most=0.0),
            verdict(figures["refused_within"], at_most=GOAL_AWAY),
        )
        for what, figures in found.items()
    ]
    head = ("restarted", "first answer, s", f"slowest of {REQUESTS}, s", "failed", "503 within, s", "first", "failed", "503")
    print("\n" + table(head, rows))
    return found


def _measured(what: str, portal: Stage, servers: Servers, *, away: float, lines: int) -> dict[str, float]:
    run = portal.begin(lines)
    with crowd(portal.portal.url, portal.key, clients=CLIENTS, paths=PATHS) as clients:
        time.sleep(BURST_SECONDS)
        went_at = time.monotonic()
        if what != "Redis":
            servers.restart_postgresql(away=away)
            time.sleep(4.0)
            servers.restart_postgresql(away=away)
        if what != "PostgreSQL":
            servers.kill_redis(away=away)
        back_at = time.monotonic()
        after = _answers_after(clients, back_at)
    portal.assert_one_outcome_each(run)
    first = clients.first_success(since=back_at)
    assert first is not None, "There was no answer at all."
    refused = [answer for answer in clients.answers if answer.asked_at >= went_at and answer.status == 503]
    assert all(answer.retry_after for answer in refused), "A 503 came without Retry-After."
    return {
        "first": first.came_at - back_at,
        "slowest": max(answer.seconds for answer in after),
        "failed": float(sum(answer.status != 200 for answer in after)),
        "refused_within": max((answer.seconds for answer in refused), default=0.0),
    }


def _answers_after(clients: Crowd, moment: float) -> list[Answer]:
    """The first REQUESTS answers to what was asked after a moment."""
    while len(found := clients.since(moment)) < REQUESTS:
        time.sleep(0.1)
    return sorted(found, key=lambda answer: answer.asked_at)[:REQUESTS]

"""`idle`: how much CPU a portal takes that has nothing to do."""

import argparse
import time
from typing import Any

from tests.benchmarks.portal import embedded, grown_up
from tests.benchmarks.tables import table, verdict
from tests.benchmarks.upstream import upstream

GOAL_PERCENT = 2.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to watch (default: %(default)s)")


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Measure and print; what was measured."""
    found = {}
    with upstream() as stub:
        for name, serving in (("embedded", embedded), ("grown-up", grown_up)):
            with serving(stub) as portal:
                portal.settle()
                before, started = portal.usage(), time.monotonic()
                time.sleep(options.seconds)
                used, seconds = portal.usage().since(before), time.monotonic() - started
            percent = {role: 100 * cpu / seconds for role, cpu in used.roles.items()}
            found[name] = percent | {"all of the portal": 100 * used.portal / seconds}
            if name == "grown-up":
                found[name] |= {"PostgreSQL": 100 * used.postgresql / seconds, "Redis": 100 * used.redis / seconds}
    for name, percent in found.items():
        rows = [
            (part, value, verdict(value, at_most=GOAL_PERCENT) if part.startswith("all") else "")
            for part, value in percent.items()
        ]
        print("\n" + table((f"idle, {name}", "% of a core", "goal"), rows))
    return {"percent": found}

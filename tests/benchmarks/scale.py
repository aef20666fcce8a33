"""`scale`: what operators and clients ask of a database with a million batches, beside the same asked of one with a thousand.

`scale load` makes both databases first and keeps them in a folder: --folder, else BATCHYARD_SCALE, else build/scale. What is
measured changes nothing in them. Each question is a line in tests/benchmarks/questions.py. At last, or by
`scale batch` alone, a portal takes a batch its whole way on a copy of the large one, beside the same on an empty one.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks import scale_way
from tests.benchmarks.inputs import WrongResult
from tests.benchmarks.loader import (
    LEAST_BATCHES,
    database_name,
    database_url,
    has_database,
    load,
    migrate,
    portal_environment,
    server,
)
from tests.benchmarks.tables import MB, median, table, verdict
from tests.processes import ROOT

GOAL = 1.5
WARM_UP = 3  # answers that are not counted
SMALL_MS = 0.5  # a difference that is not measured reliably
LIMITS = {"minutes": 25.0, "GB": 15.0}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", choices=["measure", "batch", "load"], default="measure", help="(default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=Path(os.environ.get("BATCHYARD_SCALE", ROOT / "build" / "scale")))
    parser.add_argument("--batches", type=int, default=1_000_000, help="of the large database (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=25, help="of each question (default: %(default)s)")
    parser.add_argument("--only", default="", help="only questions whose name has this in it, and no batch")
    parser.add_argument("--lines", type=int, default=50_000, help="of the batch that goes its whole way (default: %(default)s)")
    parser.add_argument("--latency-ms", type=float, default=100.0, help="of its upstream (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of that batch on both databases (default: %(default)s)")


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Measure and print; what was measured."""
    if options.batches < LEAST_BATCHES:
        raise WrongResult(f"At least {LEAST_BATCHES} batches are needed.")
    return {"load": _load, "measure": _measure, "batch": _batch}[options.what](options)


def _load(options: argparse.Namespace) -> dict[str, Any]:
    figures = {}
    for batches in sorted({LEAST_BATCHES, options.batches}):
        print(f"{batches:,} batches", flush=True)
        loaded = load(options.folder.resolve(), batches=batches)
        minutes, gigabytes = loaded.seconds / 60, loaded.bytes / MB / 1024
        print(f"  {loaded.objects:,} objects in {minutes:.1f} minutes and {gigabytes:.1f} GB", flush=True)
        print(f"  minutes: {verdict(minutes, at_most=LIMITS['minutes'])}; GB: {verdict(gigabytes, at_most=LIMITS['GB'])}")
        figures[str(batches)] = {"objects": loaded.objects, "seconds": loaded.seconds, "bytes": loaded.bytes}
    return figures


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    folder = options.folder.resolve()
    small, large = LEAST_BATCHES, options.batches
    with server(folder) as url, contextlib.ExitStack() as stack:
        for batches in (small, large):
            _prepare(folder, url, batches)
        asked = [stack.enter_context(_portal(folder, database_url(url, database_name(batches)))) for batches in (small, large)]
        names = [name for name in asked[0].questions if options.only in name]
        figures = {name: _compared(name, asked, repeats=options.repeats) for name in names}
    print(_report(figures, small=small, large=large))
    return figures if options.only else figures | _batch(options)


def _batch(options: argparse.Namespace) -> dict[str, Any]:
    folder = options.folder.resolve()
    with server(folder) as url:
        _prepare(folder, url, options.batches)
    name = database_name(options.batches)
    return scale_way.measure(folder, kept=name, lines=options.lines, latency_ms=options.latency_ms, rounds=options.rounds)


def _prepare(folder: Path, url: str, batches: int) -> None:
    """Bring a database up to this version of the portal. Raises WrongResult when there is none."""
    if not has_database(url, database_name(batches)):
        raise WrongResult(f"There is no database of {batches:,} batches in {folder}: run `scale load` first.")
    migrate(folder, database_url(url, database_name(batches)))


@dataclass(frozen=True, slots=True)
class _Portal:
    """A process that answers questions about one database."""

    process: "subprocess.Popen[str]"
    questions: list[str]

    def ask(self, name: str) -> dict[str, float]:
        assert self.process.stdin is not None
        print(name, file=self.process.stdin, flush=True)
        answer: dict[str, float] = _read(self.process)
        return answer


@contextlib.contextmanager
def _portal(folder: Path, url: str) -> Iterator[_Portal]:
    environment = portal_environment(folder, url) | {"DJANGO_SETTINGS_MODULE": "tests.settings", "LOG_LEVEL": "ERROR"}
    environment |= {"TEST_DATABASE_URL": environment.pop("DATABASE_URL"), "TEST_REDIS_URL": environment.pop("REDIS_URL")}
    command = [sys.executable, "-m", "tests.benchmarks.questions"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield _Portal(process, _read(process))
        finally:
            assert process.stdin is not None
            process.stdin.close()


def _read(process: "subprocess.Popen[str]") -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise WrongResult("A question could not be answered; its error is above.")
    return json.loads(line)


def _compared(name: str, asked: list[_Portal], *, repeats: int) -> dict[str, float]:
    """A question, put to both in turn, so that whatever else the machine does hits both."""
    found: tuple[list[float], ...] = tuple([] for _ in asked)
    queries = 0.0
    for turn in range(WARM_UP + repeats):
        for portal, times in zip(asked, found, strict=True):
            answer = portal.ask(name)
            queries = answer["queries"]
            if turn >= WARM_UP:
                times.append(answer["ms"])
    return {"small_ms": median(found[0]), "large_ms": median(found[1]), "queries": queries}


def _report(figures: dict[str, dict[str, float]], *, small: int, large: int) -> str:
    rows = []
    missed = []
    for name, found in figures.items():
        ratio = found["large_ms"] / found["small_ms"]
        met = ratio <= GOAL or found["large_ms"] - found["small_ms"] < SMALL_MS
        if not met:
            missed.append(name)
        rows.append((name, found["small_ms"], found["large_ms"], ratio, "" if met else "MISSED", int(found["queries"])))
    heads = ("medians", f"ms, {small:,} batches", f"ms, {large:,} batches", "ratio", f"goal {GOAL:g}", "queries")
    return f"\n{table(heads, rows)}\n\n{len(rows) - len(missed)} of {len(rows)} met the goal (at most {GOAL:g} times as long)."

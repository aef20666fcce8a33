"""`web`: requests per second of the web server and the CPU of each, beside another version of the portal.

`--base` is a checkout of the other version, which runs with the same interpreter. Both have databases of their own on one
PostgreSQL. A round asks both for the same, one after the other: a small list of batches and of files on 16 connections, an
upload of 200 MB, and its download. CPU is that of the web server's processes; each round is compared within itself.
"""

import argparse
import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.benchmarks.accounting import cpu_of_tree
from tests.benchmarks.asker import asked
from tests.benchmarks.client import Client
from tests.benchmarks.portal import database_servers
from tests.benchmarks.tables import median, table, verdict
from tests.processes import ROOT, PortalProcess, version_process

CONNECTIONS = 16
LISTS = {"a list of batches": "/v1/batches?limit=5", "a list of files": "/v1/files?limit=5"}
FILE_BYTES = 200 * 1024**2
GOAL = 1.1  # of the other version's CPU, for a small request
UNLIMITED = {"KEY_REQUESTS_PER_MINUTE": "0", "PROJECT_REQUESTS_PER_MINUTE": "0"}


@dataclass(frozen=True, slots=True)
class Run:
    """What one thing took: CPU seconds and wall seconds for each time, and the 99th percentile of the latter."""

    cpu: float
    wall: float
    slowest: float = 0.0


@dataclass(slots=True)
class Server:
    """A web server that runs."""

    process: PortalProcess
    key: str

    def ask(self, path: str, *, seconds: float) -> Run:
        """Ask for something small as often as there is time."""
        before = self._cpu()
        took = sorted(asked(self.process.url, self.key, path, connections=CONNECTIONS, seconds=seconds))
        return Run((self._cpu() - before) / len(took), seconds / len(took), took[int(len(took) * 0.99)])

    def send(self, source: Path) -> tuple[Run, Run]:
        """Upload a file, and download it again."""
        client, found = Client(self.process.url, self.key), list[str]()
        up = self._measured(lambda: found.append(client.upload(source)))
        down = self._measured(lambda: client.download(found[0], source.with_suffix(".back")))
        return up, down

    def _measured(self, act: Callable[[], object]) -> Run:
        cpu, wall = self._cpu(), time.monotonic()
        act()
        return Run(self._cpu() - cpu, time.monotonic() - wall)

    def _cpu(self) -> float:
        assert self.process.process is not None
        return cpu_of_tree(self.process.process.pid)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--base", type=Path, help="a checkout of the version to compare with")
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of asking, for each list (default: %(default)s)")


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Measure and print; what was measured."""
    versions = {"this": ROOT} | ({"base": options.base.resolve()} if options.base else {})
    found: dict[tuple[str, str], list[Run]] = {}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="batchyard-web-")))
        stack.enter_context(database_servers())
        servers = {name: stack.enter_context(_served(folder / name, root)) for name, root in versions.items()}
        source = folder / "input"
        source.write_bytes(b"x" * FILE_BYTES)
        for number in range(options.rounds + 1):
            for name, run in _round(servers, source, seconds=options.seconds):
                if number:  # the first one warms up
                    found.setdefault(name, []).append(run)
    rows = [_row(what, found) for what in dict.fromkeys(what for what, _ in found)]
    print(table(("", "CPU, ms", "wall, ms", "p99, ms", "CPU to base", "wall to base", "goal"), rows))
    return {f"{version}: {what}": [[run.cpu, run.wall, run.slowest] for run in runs] for (what, version), runs in found.items()}


def _round(servers: dict[str, Server], source: Path, *, seconds: float) -> Iterator[tuple[tuple[str, str], Run]]:
    for what, path in LISTS.items():
        for version, server in servers.items():
            yield (what, version), server.ask(path, seconds=seconds)
    for version, server in servers.items():
        up, down = server.send(source)
        yield ("an upload of 200 MB", version), up
        yield ("a download of 200 MB", version), down


def _row(what: str, found: dict[tuple[str, str], list[Run]]) -> tuple[object, ...]:
    ours, base = found[what, "this"], found.get((what, "base"))
    figures = [median(figure) * 1000 for figure in zip(*((run.cpu, run.wall, run.slowest) for run in ours), strict=True)]
    if base is None:
        return (what, *figures, "", "", "")
    cpu, wall = (
        median(getattr(mine, name) / getattr(theirs, name) for mine, theirs in zip(ours, base, strict=True))
        for name in ("cpu", "wall")
    )
    return (what, *figures, cpu, wall, verdict(cpu, at_most=GOAL) if what in LISTS else "")


@contextlib.contextmanager
def _served(folder: Path, root: Path) -> Iterator[Server]:
    """The web server alone of a version of the portal, with a key."""
    with version_process(root, folder, UNLIMITED) as process:
        key = process.manage("apikey", "create", "--project", "benchmark", "--name", "web").stdout.strip()
        process.process = process.spawn("serve", "web")
        while True:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"{process.url}/healthz")
                break
            time.sleep(0.1)
        yield Server(process, key)

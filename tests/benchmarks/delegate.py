"""`delegate`: a batch handed over to the batch API of another portal, beside the same batch sent directly.

Both portals run as real processes, each on servers of its own. The span is the same on both ways: from the end of validation
until no request is open, before the files are written. CPU is that of the outer portal, which delegates.
"""

import argparse
import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.client import require_success
from tests.benchmarks.inputs import WrongResult, check_arrivals, check_output, write_input
from tests.benchmarks.portal import SERVERS, Portal, embedded, environment, grown_up
from tests.benchmarks.tables import MB, median, table, verdict
from tests.benchmarks.upstream import Upstream, upstream

GOAL = 0.4
MEMORY_GOAL_MB = 250.0
PROVIDER = "portal"
KEY = "BATCHYARD_CREDENTIAL_PORTAL"  # the variable with the inner portal's API key
FEW = 1000  # lines of the batches that warm the portals up
BYTES = 8 * 1024**3  # that a file may have
UNDER_WAY = frozenset({"in_progress", "finalizing", "completed"})
_SET_UP = """
from batches.models import Project
from providers.models import Provider
Project.objects.update(may_delegate=True)
Provider.objects.filter(name="{provider}").update(jobs_family="batchyard", execution="delegated")
"""

Serve = Callable[..., AbstractContextManager[Portal]]


@dataclass(frozen=True, slots=True)
class Run:
    """One batch on one way. CPU seconds are those of the outer portal in the span, and those of its PostgreSQL."""

    lines: int
    wall: float
    cpu: float
    postgresql: float
    roles: dict[str, float]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lines", type=int, default=50_000, help="requests in the batch (default: %(default)s)")
    parser.add_argument("--line-bytes", type=int, default=1024, help="bytes of a line (default: %(default)s)")
    parser.add_argument("--answer-bytes", type=int, default=1024, help="bytes of an answer's body (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of both; medians are told (default: %(default)s)")
    parser.add_argument("--poll", default="5", metavar="SECONDS", help="between two looks at a job (default: %(default)s)")
    parser.add_argument("--embedded", action="store_true", help="measure portals in one process each instead")
    parser.add_argument("--only", choices=["delegated"], help="leave the other way out, for memory")


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Measure and print; what was measured."""
    serve = embedded if options.embedded else grown_up
    limits = {"MAX_BATCH_LINES": str(max(options.lines, FEW)), "MAX_BATCH_FILE_BYTES": str(BYTES), "MAX_FILE_BYTES": str(BYTES)}
    with (
        tempfile.TemporaryDirectory(prefix="batchyard-benchmark-") as folder,
        upstream(answer_bytes=options.answer_bytes) as stub,
    ):
        source = write_input(Path(folder) / "input.jsonl", lines=options.lines, line_bytes=options.line_bytes)
        with (
            _inner(serve, stub, limits) as inner,
            _outer(serve, stub, inner, limits | {"JOB_POLL_SECONDS": options.poll}) as outer,
        ):
            _warm_up(outer, stub, Path(folder))
            rounds = [_round(outer, stub, source, options) for _ in range(options.rounds)]
            peaks = outer.peaks()
    print(_report(rounds, peaks))
    return {"rounds": [{name: asdict(run) for name, run in found.items()} for found in rounds], "peaks": peaks}


@contextlib.contextmanager
def _inner(serve: Serve, stub: Upstream, settings: dict[str, str]) -> Iterator[Portal]:
    """The portal that is the provider of the other one, on servers of its own."""
    with environment(dict.fromkeys(SERVERS)), serve(stub, **settings) as portal, environment(dict.fromkeys(SERVERS)):
        yield portal


@contextlib.contextmanager
def _outer(serve: Serve, stub: Upstream, inner: Portal, settings: dict[str, str]) -> Iterator[Portal]:
    """The portal that hands batches over to the inner one."""
    key = inner.client.headers["Authorization"].removeprefix("Bearer ")
    address = f"{inner.process.url}/v1"
    words = ("provider", "add", PROVIDER, "--adapter", "openai", "--base-url", address, "--credential-env", KEY)
    with serve(stub, **{KEY: key}, **settings) as portal:
        for done in (portal.process.manage(*words), portal.process.manage("shell", "-c", _SET_UP.format(provider=PROVIDER))):
            if done.returncode:
                raise WrongResult(done.stderr)
        yield portal


def _warm_up(outer: Portal, stub: Upstream, folder: Path) -> None:
    """Let each process import what it needs and open its connections, as in a portal that has run for a while."""
    few = write_input(folder / "few.jsonl", lines=FEW, line_bytes=1024)
    for provider in (PROVIDER, "stub"):
        batch_id = outer.client.create_at(provider, outer.client.upload(few))
        require_success(outer.client.wait(batch_id), lines=FEW)
    stub.reset()


def _round(outer: Portal, stub: Upstream, source: Path, options: argparse.Namespace) -> dict[str, Run]:
    ways = {"delegated": PROVIDER} | ({} if options.only else {"direct": "stub"})
    found = {}
    for name, provider in ways.items():
        outer.settle()
        stub.reset()
        found[name] = run = _run(outer, provider, source, lines=options.lines)
        check_arrivals(stub.stats(), lines=options.lines)
        print(f"{name}: {run.cpu:.2f} CPU-s in {run.wall:.1f} s {_by_role(run.roles)}", flush=True)
    return found


def _run(outer: Portal, provider: str, source: Path, *, lines: int) -> Run:
    """One batch, of which the span from the end of validation to the last settled request is measured."""
    client = outer.client
    batch_id = client.create_at(provider, client.upload(source))
    client.wait(batch_id, statuses=UNDER_WAY, poll=0.05)
    before, started = outer.usage(), time.monotonic()
    client.wait(batch_id, statuses={"finalizing", "completed"}, poll=0.1)
    used, wall = outer.usage().since(before), time.monotonic() - started
    batch = client.wait(batch_id)
    require_success(batch, lines=lines)
    check_output(client.download(batch["output_file_id"], source.with_name("output.jsonl")), lines=lines)
    return Run(lines, wall, used.portal, used.postgresql, used.roles)


def _by_role(roles: dict[str, float]) -> str:
    return ", ".join(f"{role} {seconds:.2f}" for role, seconds in sorted(roles.items()))


def _report(rounds: list[dict[str, Run]], peaks: dict[str, int]) -> str:
    rows = [
        (
            name,
            rounds[0][name].lines,
            median(found[name].wall for found in rounds),
            median(found[name].cpu for found in rounds),
            median(found[name].postgresql for found in rounds),
        )
        for name in rounds[0]
    ]
    greatest = max(peaks.values()) / MB
    parts = [
        table(("medians", "requests", "wall s", "CPU s", "PostgreSQL CPU s"), rows),
        table(("the outer portal's processes", "peak MB of one"), [(role, peaks[role] / MB) for role in sorted(peaks)]),
        f"Memory: {greatest:.0f} MB at most, goal {verdict(greatest, at_most=MEMORY_GOAL_MB)}.",
    ]
    if "direct" in rounds[0]:
        ratio = median(found["delegated"].cpu / found["direct"].cpu for found in rounds)
        parts.append(f"Delegated to direct: {ratio:.2f} of the CPU, goal {verdict(ratio, at_most=GOAL)}.")
    return "\n\n".join(["", *parts])

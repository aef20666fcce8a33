"""`throughput`: requests per CPU-second and per second of Batchyard end to end, beside three ways to do it by hand.

(a) a bare aiohttp loop on uvloop: reads JSONL, posts, writes JSONL; nothing durable
(b) Batchyard: upload, create, validation, execution, durable results, finished file downloaded
(c) one Celery task for each request, with a row inserted: a small Django project as usually written
(d) AsyncOpenAI on its default transport, with a semaphore

A round is all four, one after the other; each is compared with the others of its round. `--only` leaves rivals out.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks import bare_loop, sdk_loop
from tests.benchmarks.celery_rows import Rows, rows
from tests.benchmarks.client import require_success
from tests.benchmarks.inputs import ENDPOINT, WrongResult, check_arrivals, check_output, write_input
from tests.benchmarks.portal import Portal, database_servers, grown_up
from tests.benchmarks.rival import Job, measured
from tests.benchmarks.tables import MB, median, table, verdict
from tests.benchmarks.upstream import Upstream, greatest_rate, upstream

NAMES = {"a": "(a) bare aiohttp loop", "b": "(b) Batchyard", "c": "(c) a Celery task each", "d": "(d) AsyncOpenAI"}
DURABLE = "b with PostgreSQL and Redis/a"
GOALS = {"b/a": 0.75, DURABLE: 0.6, "b/c": 18.0, "b/d": 12.0}
GOALS_OF_LONG_LINES = {"b/a": 0.55}
LONG_LINE_BYTES = 4096
MEMORY_GOAL_MB = 250.0


@dataclass(frozen=True, slots=True)
class Run:
    """One contestant in one round. CPU seconds are those of the client's side; the servers' stand apart."""

    requests: int
    wall: float
    cpu: float
    stub_cpu: float
    postgresql: float = 0.0
    redis: float = 0.0
    roles: dict[str, float] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)

    @property
    def per_cpu(self) -> float:
        return self.requests / self.cpu

    @property
    def per_cpu_with_database(self) -> float:
        return self.requests / (self.cpu + self.postgresql + self.redis)

    @property
    def per_second(self) -> float:
        return self.requests / self.wall


Round = dict[str, Run]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lines", type=int, default=50_000, help="requests in the batch (default: %(default)s)")
    parser.add_argument("--line-bytes", type=int, default=1024, help="bytes of a line (default: %(default)s)")
    parser.add_argument("--answer-bytes", type=int, default=1024, help="bytes of an answer's body (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of all; medians are told (default: %(default)s)")
    parser.add_argument("--concurrency", type=int, default=256, help="requests in flight in (a), (b), (d) (default: %(default)s)")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="how long the upstream takes (default: %(default)s)")
    parser.add_argument("--rival-lines", type=int, default=3000, help="requests at most in (c) and (d) (default: %(default)s)")
    parser.add_argument("--only", default="abcd", metavar="LETTERS", help="who takes part; (a) and (b) always do")


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Measure and print; what was measured."""
    with tempfile.TemporaryDirectory(prefix="batchyard-benchmark-") as folder, database_servers():
        with upstream(latency_ms=options.latency_ms, answer_bytes=options.answer_bytes) as stub:
            source = write_input(Path(folder) / "input.jsonl", lines=options.lines, line_bytes=options.line_bytes)
            with grown_up(stub, EXECUTOR_CONCURRENCY=str(options.concurrency)) as portal:
                _warm_up(portal, Path(folder))
                rounds = [_round(number, portal, stub, source, options) for number in range(1, options.rounds + 1)]
        with upstream() as plain:
            rate, rate_per_cpu = greatest_rate(plain, seconds=2.0)
    print(_report(rounds, rate, rate_per_cpu, goals=goals_of(line_bytes=options.line_bytes)))
    return {
        "rounds": [{name: asdict(run) for name, run in round_.items()} for round_ in rounds],
        "ratios": ratios(rounds),
        "stub_rate": rate,
    }


def _round(number: int, portal: Portal, stub: Upstream, source: Path, options: argparse.Namespace) -> Round:
    job = Job(
        stub.base_url + ENDPOINT.removeprefix("/v1"), source, source.with_name("output.jsonl"), options.lines, options.concurrency
    )
    few = Job(job.url, job.source, job.sink, min(options.lines, options.rival_lines), job.concurrency)
    contestants: dict[str, Callable[[], Run]] = {
        "a": lambda: _scripted(stub, job, lambda: measured(bare_loop.__name__, job)),
        "b": lambda: _batchyard(portal, stub, job),
        "c": lambda: _celery(portal, stub, few),
        "d": lambda: _scripted(stub, few, lambda: measured(sdk_loop.__name__, few)),
    }
    round_ = {name: run() for name, run in contestants.items() if name in {"a", "b", *options.only}}
    rates = ", ".join(f"{name} {run.per_cpu:,.0f}" for name, run in round_.items())
    print(f"round {number}: requests per CPU-second: {rates}", flush=True)
    return round_


def _warm_up(portal: Portal, folder: Path) -> None:
    """Let each process import what it needs and open its connections, as in a portal that has run for a while."""
    for _ in range(2):
        few = write_input(folder / "few.jsonl", lines=1000, line_bytes=1024)
        require_success(portal.client.wait(portal.client.create(portal.client.upload(few))["id"]), lines=1000)


def _scripted(stub: Upstream, job: Job, work: Callable[[], tuple[float, float]]) -> Run:
    stub.reset()
    before = stub.cpu()
    wall, cpu = work()
    stats = stub.stats()
    check_arrivals(stats, lines=job.lines)
    return Run(job.lines, wall, cpu, stats["cpu"] - before)


def _celery(portal: Portal, stub: Upstream, job: Job) -> Run:
    environment = portal.process.environment
    with rows(database=environment["DATABASE_URL"], broker=environment["REDIS_URL"].removesuffix("7") + "6", job=job) as worker:
        return _with_servers(portal, lambda: _scripted(stub, job, lambda: Rows.work(worker, job)))


def _with_servers(portal: Portal, run: Callable[[], Run]) -> Run:
    before = portal.usage()
    done = run()
    used = portal.usage().since(before)
    return Run(done.requests, done.wall, done.cpu, done.stub_cpu, used.postgresql, used.redis)


def _batchyard(portal: Portal, stub: Upstream, job: Job) -> Run:
    """From the upload to the downloaded output, in a portal that has been idle."""
    portal.settle()
    stub.reset()
    stub_before, before, started = stub.cpu(), portal.usage(), time.monotonic()
    client = portal.client
    batch = client.wait(client.create(client.upload(job.source))["id"])
    if batch["output_file_id"] is None:
        raise WrongResult(f"The batch has no output: {batch}")
    client.download(batch["output_file_id"], job.sink)
    wall = time.monotonic() - started
    used, stats = portal.usage().since(before), stub.stats()
    require_success(batch, lines=job.lines)
    check_output(job.sink, lines=job.lines)
    check_arrivals(stats, lines=job.lines)
    return Run(job.lines, wall, used.portal, stats["cpu"] - stub_before, used.postgresql, used.redis, used.roles, portal.peaks())


def ratios(rounds: list[Round]) -> dict[str, float]:
    """Medians over the rounds of requests per CPU-second, each compared inside its round."""
    found = {
        f"b/{rival}": median(round_["b"].per_cpu / round_[rival].per_cpu for round_ in rounds)
        for rival in "acd"
        if rival in rounds[0]
    }
    found[DURABLE] = median(round_["b"].per_cpu_with_database / round_["a"].per_cpu for round_ in rounds)
    found["b/a in requests per second"] = median(round_["b"].per_second / round_["a"].per_second for round_ in rounds)
    return found


def goals_of(*, line_bytes: int) -> dict[str, float]:
    """What each ratio should be at least."""
    return GOALS_OF_LONG_LINES if line_bytes >= LONG_LINE_BYTES else GOALS


def _report(rounds: list[Round], rate: float, rate_per_cpu: float, *, goals: dict[str, float]) -> str:
    compared = [
        (name, value, verdict(value, at_least=goals[name]) if name in goals else "") for name, value in ratios(rounds).items()
    ]
    spent = [_spent([round_["b"] for round_ in rounds], role) for role in sorted(rounds[-1]["b"].roles)]
    greatest = max(peak for _, _, peak in spent)
    return "\n\n".join(
        [
            "",
            table(
                (
                    "medians",
                    "requests",
                    "per CPU-s",
                    "per second",
                    "wall s",
                    "CPU s",
                    "PostgreSQL CPU s",
                    "Redis CPU s",
                    "stub: of a core",
                ),
                [_figures(title, [round_[name] for round_ in rounds]) for name, title in NAMES.items() if name in rounds[0]],
            ),
            table(("ratio (CPU, unless named)", "median", "goal"), compared),
            table(("Batchyard's processes", "CPU s", "peak MB of one"), spent),
            f"Memory: {greatest:.0f} MB at most, goal {verdict(greatest, at_most=MEMORY_GOAL_MB)}.",
            f"The stub alone, asked without a pause: {rate:,.0f} requests per second here, {rate_per_cpu:,.0f} per CPU-second.",
        ]
    )


def _figures(title: str, runs: list[Run]) -> tuple[object, ...]:
    figures = [
        [run.per_cpu for run in runs],
        [run.per_second for run in runs],
        [run.wall for run in runs],
        [run.cpu for run in runs],
        [run.postgresql for run in runs],
        [run.redis for run in runs],
    ]
    return (title, runs[0].requests, *map(median, figures), f"{median(run.stub_cpu / run.wall for run in runs):.0%}")


def _spent(runs: list[Run], role: str) -> tuple[str, float, float]:
    return role, median(run.roles[role] for run in runs), max(run.peaks[role] for run in runs) / MB

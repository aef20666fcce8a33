"""What the scripts that Batchyard is compared with have in common: a process of their own that measures its own work."""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from tests.benchmarks.inputs import WrongResult


@dataclass(frozen=True, slots=True)
class Job:
    """Post the first `lines` bodies of `source` to `url`, and write the answers to `sink`."""

    url: str
    source: Path
    sink: Path
    lines: int
    concurrency: int

    def lines_of(self, source: BinaryIO) -> Iterator[bytes]:
        return islice(source, self.lines)


def run(work: Callable[[Job], Awaitable[None]], *, loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Do the job that the command line names, and print wall and CPU seconds of the work itself, imports not counted."""
    parser = argparse.ArgumentParser()
    for name, kind in (("url", str), ("source", Path), ("sink", Path), ("lines", int), ("concurrency", int)):
        parser.add_argument(f"--{name}", type=kind, required=True)
    job = Job(**vars(parser.parse_args()))

    async def whole() -> None:
        await work(job)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        wall, cpu = time.monotonic(), time.process_time()
        runner.run(whole())
        print(json.dumps({"wall": time.monotonic() - wall, "cpu": time.process_time() - cpu}))


def measured(module: str, job: Job) -> tuple[float, float]:
    """Run a rival; its wall and CPU seconds, after a look at what it wrote."""
    words = [word for name, value in asdict(job).items() for word in (f"--{name}", str(value))]
    done = subprocess.run([sys.executable, "-m", module, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise WrongResult(f"{module} failed: {done.stderr}")
    with job.sink.open("rb") as sink:
        written = len({line.split(b'"', 4)[3] for line in sink if b'"status_code":200' in line})
    if written != job.lines:
        raise WrongResult(f"{module} wrote {written} answers, expected {job.lines}.")
    told = json.loads(done.stdout)
    return told["wall"], told["cpu"]

"""`soak`: the memory of an execute worker over a million objects, sampled, and how fast it grows.

Batches follow one another without a pause. What a worker needs at first (imports, connections, the largest batch) is not
growth: the slope is that of the samples after the first tenth of the objects.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.client import require_success
from tests.benchmarks.inputs import WrongResult, write_input
from tests.benchmarks.portal import Portal, grown_up
from tests.benchmarks.tables import MB, table, verdict
from tests.benchmarks.upstream import upstream

GOAL_MB = 5.0  # of growth over a million objects, of the process that grows most
SAMPLE_SECONDS = 0.5
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """The resident memory of one process when so many objects had been sent, in bytes."""

    objects: int
    bytes: int


@dataclass(slots=True)
class Watch:
    """Samples the memory of the execute workers, by pid, until told to stop."""

    portal: Portal
    objects: int = 0  # of the batches that have ended
    samples: dict[int, list[Sample]] = field(default_factory=dict)
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.ended.wait(SAMPLE_SECONDS):
            for pid, size in self.portal.memory("execute").items():
                self.samples.setdefault(pid, []).append(Sample(self.objects, size))


def slope(samples: Sequence[Sample]) -> float:
    """Bytes per million objects, by least squares; 0 when the samples are all of the same moment."""
    if len({sample.objects for sample in samples}) < 2:
        return 0.0
    line = statistics.linear_regression([sample.objects for sample in samples], [sample.bytes for sample in samples])
    return line.slope * MILLION


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--objects", type=int, default=MILLION, help="objects in all (default: %(default)s)")
    parser.add_argument("--lines", type=int, default=50_000, help="requests in a batch (default: %(default)s)")
    parser.add_argument("--line-bytes", type=int, default=1024, help="bytes of a line (default: %(default)s)")


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Measure and print; what was measured."""
    with tempfile.TemporaryDirectory(prefix="batchyard-benchmark-") as folder, upstream() as stub:
        source = write_input(Path(folder) / "input.jsonl", lines=options.lines, line_bytes=options.line_bytes)
        with grown_up(stub) as portal:
            watch = Watch(portal)
            thread = threading.Thread(target=watch.run)
            thread.start()
            try:
                started = time.monotonic()
                file_id = portal.client.upload(source)
                while watch.objects < options.objects:
                    stub.reset()
                    require_success(portal.client.wait(portal.client.create(file_id)["id"]), lines=options.lines)
                    if (stats := stub.stats())["markers"] != options.lines:
                        raise WrongResult(f"The upstream saw {stats}, expected {options.lines} different requests.")
                    watch.objects += options.lines
                wall = time.monotonic() - started
            finally:
                watch.ended.set()
                thread.join()
    return _told(watch, wall)


def _told(watch: Watch, wall: float) -> dict[str, Any]:
    settled = {pid: [one for one in found if one.objects > watch.objects / 10] for pid, found in watch.samples.items()}
    slopes = {pid: slope(found) for pid, found in settled.items()}
    rows = [(f"process {pid}", *_spread(watch.samples[pid]), slopes[pid] / MB) for pid in sorted(slopes)]
    greatest = max(slopes.values()) / MB
    print(f"\n{watch.objects:,} objects in {wall:.0f} s")
    print("\n" + table(("MB of each execute worker", "first", "last", "greatest", "growth per million"), rows))
    print(f"\nGrowth of {greatest:.1f} MB per million objects at most, goal {verdict(greatest, at_most=GOAL_MB)}.")
    return {
        "seconds": wall,
        "slopes": slopes,
        "samples": {pid: [[one.objects, one.bytes] for one in found] for pid, found in watch.samples.items()},
    }


def _spread(samples: Sequence[Sample]) -> tuple[float, float, float]:
    return samples[0].bytes / MB, samples[-1].bytes / MB, max(sample.bytes for sample in samples) / MB

"""`make proof`: everything that proves the portal, one step after the other; its figures are left in tests/proof.md.

The exit code is 1 if any step fails. The other steps run all the same, so that one run reports every failure.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.extent import ROOT, Extent

RECORD = ROOT / "tests" / "proof.md"
SEED = 9
MINUTES = 20.0
# The last lines of a step: the summary of pytest, or the counts of chaos.
SAID = re.compile(r"^=* ?(\d+ (?:passed|failed).*?) ?=*$|^(\d+ batches with .*)$|^([\d,]+ had been answered .*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Step:
    """A command, and the title of its proof."""

    what: str
    words: Sequence[str]


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a step."""

    step: Step
    code: int
    seconds: float
    output: str

    def row(self) -> str:
        said = "; ".join(next(filter(None, found)) for found in SAID.findall(self.output)) or "nothing"
        return f"| {self.step.what} | {'holds' if self.code == 0 else 'FAILED'} | {said} | {self.seconds / 60:.0f} min |"


def steps(minutes: float) -> list[Step]:
    chaos = ("tests.chaos", "--minutes", f"{minutes:g}", "--seed", str(SEED))
    return [
        Step("Every test on SQLite and on PostgreSQL and Redis, other clients and large tables", ("tests", Extent.PROOF)),
        Step(f"Chaos: random faults for {minutes:g} minutes, seed {SEED}", chaos),
    ]


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of chaos (default: %(default)s)")
    options = parser.parse_args(words)
    done = [_take(step) for step in steps(options.minutes)]
    RECORD.write_text(record(done, at=datetime.now(UTC)))
    return int(any(step.code for step in done))


def record(done: Sequence[Done], *, at: datetime) -> str:
    """The text of tests/proof.md for a run."""
    rows = "\n".join(step.row() for step in done)
    head = "| what | | figures | took |\n| --- | --- | --- | --- |"
    cores = os.cpu_count()
    return f"# The last `make proof`\n\n{at:%Y-%m-%d}, on commit {_commit()}, with {cores} cores.\n\n{head}\n{rows}\n"


def _take(step: Step) -> Done:
    print(f"\n===== {step.what} =====", flush=True)
    started, output = time.monotonic(), []
    command = [sys.executable, "-m", *step.words]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            output.append(line)
    return Done(step, process.returncode, time.monotonic() - started, "".join(output))


def _commit() -> str:
    found = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

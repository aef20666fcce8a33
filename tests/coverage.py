"""The coverage of the services and the engine: `python -m tests.coverage [PYTEST ARGUMENTS]`, which is `make coverage`.

It runs the gate's tests on SQLite, the quick ones among them, and measures lines and branches. Then it prints a table by room.
It fails if a test fails, or if the services or the engine are below `fail_under` of `[tool.coverage.report]` in pyproject.toml.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import pytest
from coverage import Coverage

from tests.__main__ import EMBEDDED, EMBEDDED_PROCESSES, session
from tests.chromium import NoBrowser
from tests.extent import ROOT, Extent

CONFIG = ROOT / "pyproject.toml"
FOLDER = ROOT / "build" / "coverage"
RUNNER = ("-m", "coverage", "run", f"--rcfile={CONFIG}", "-m", "pytest")
PARTS = ("batches/services", "batches/engine")  # each of these has to reach the floor


@dataclass(frozen=True, slots=True)
class Covered:
    """The covered and all lines and branches of some files."""

    lines: int = 0
    of_lines: int = 0
    branches: int = 0
    of_branches: int = 0

    def __add__(self, other: "Covered") -> "Covered":
        return Covered(
            self.lines + other.lines,
            self.of_lines + other.of_lines,
            self.branches + other.branches,
            self.of_branches + other.of_branches,
        )

    @property
    def percent(self) -> float:
        """Lines and branches together, as `fail_under` counts them."""
        everything = self.of_lines + self.of_branches
        return 100 * (self.lines + self.branches) / everything if everything else 100.0

    def row(self, name: str) -> str:
        """The row of a table."""
        return f"{name:36}{self.lines:8} of {self.of_lines:6}{self.branches:8} of {self.of_branches:6}{self.percent:9.1f} %"


def main(arguments: Sequence[str]) -> int:
    """Run the tests, print the table, and return the exit code."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    title = "embedded (SQLite, in-memory broker), with coverage"
    with session(title, Extent.GATE, arguments, EMBEDDED, EMBEDDED_PROCESSES, runner=RUNNER) as run:
        failed = run.show()
    coverage = Coverage(config_file=str(CONFIG))
    rooms = by_room(measured(coverage))
    parts = {part: sum((found for room, found in rooms.items() if room.startswith(part)), Covered()) for part in PARTS}
    print(f"\n{'Room':36}{'lines':>18}{'branches':>18}{'together':>11}")
    for room, found in sorted(rooms.items()):
        print(found.row(room))
    for part, found in parts.items():
        print(found.row(f"{part} in all"))
    floor = float(str(coverage.get_option("report:fail_under")))
    low = {part: found for part, found in parts.items() if found.percent < floor}
    for part, found in low.items():
        print(f"{part} is covered to {found.percent:.1f} %. The floor is {floor:g} %.")
    return failed or (pytest.ExitCode.TESTS_FAILED if low else pytest.ExitCode.OK)


def measured(coverage: Coverage) -> dict[str, Covered]:
    """The numbers of each file, from the data of all processes. Files that no test imported are among them."""
    coverage.combine()
    coverage.save()
    report = FOLDER / "report.json"
    coverage.json_report(outfile=str(report))
    files = json.loads(report.read_text(encoding="utf-8"))["files"]
    return {name: _covered(file["summary"]) for name, file in files.items()}


def _covered(summary: Mapping[str, int]) -> Covered:
    names = ("covered_lines", "num_statements", "covered_branches", "num_branches")
    return Covered(*(summary[name] for name in names))


def by_room(files: Mapping[str, Covered]) -> dict[str, Covered]:
    """The numbers of each folder, three levels deep at most: `executor/lanes` counts with `executor`."""
    rooms: dict[str, Covered] = {}
    for name, found in files.items():
        if not found.of_lines:
            continue  # a package with a docstring alone
        room = "/".join(PurePath(name).parts[:-1][:3])
        rooms[room] = rooms.get(room, Covered()) + found
    return rooms


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except NoBrowser as reason:
        sys.exit(str(reason))
    except KeyboardInterrupt:
        sys.exit(pytest.ExitCode.INTERRUPTED)

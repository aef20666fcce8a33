"""The suite: `python -m tests [EXTENT] [PYTEST ARGUMENTS]` runs it embedded, and beside that on a PostgreSQL and a Redis.

EXTENT is one of those of `tests.extent`; `make test` runs the `gate`.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from tests.chromium import NoBrowser, ensure
from tests.extent import ROOT, Extent
from tests.servers import NoServer, servers

# Processes of the two sessions, on two cores: tests wait for servers, upstreams and pages much of their time.
EMBEDDED_PROCESSES, SERVERS_PROCESSES = 3, 2
SLOWEST = 50
PYTEST = ("-m", "pytest")
EMBEDDED = {"TEST_DATABASE_URL": "", "TEST_REDIS_URL": ""}


def main(arguments: Sequence[str]) -> int:
    """Run both sessions beside each other, each in several processes. The exit code of the first that failed."""
    extent, words = Extent.GATE, list(arguments)
    if words and words[0] in list(Extent):
        extent = Extent(words.pop(0))
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(session("embedded (SQLite, in-memory broker)", extent, words, EMBEDDED, EMBEDDED_PROCESSES))
        sessions = [first]
        if extent != Extent.QUICK:
            urls = stack.enter_context(servers(redises=SERVERS_PROCESSES))
            sessions.append(stack.enter_context(session("PostgreSQL and Redis", extent, words, urls, SERVERS_PROCESSES)))
        results = [each.show() for each in sessions]
    if set(results) == {pytest.ExitCode.NO_TESTS_COLLECTED}:
        return pytest.ExitCode.NO_TESTS_COLLECTED
    return next((code for code in results if code not in {0, pytest.ExitCode.NO_TESTS_COLLECTED}), 0)


@dataclass(frozen=True, slots=True)
class Session:
    """A pytest that runs. Its output waits in a file until the output of the session before it has been shown."""

    title: str
    process: "subprocess.Popen[bytes]"
    output: IO[bytes]

    def show(self) -> int:
        """Show the output as it comes. Return the exit code once the session has ended."""
        print(f"\n===== {self.title} =====", flush=True)
        while True:
            ended = self.process.poll() is not None  # asked before the last read, so that no output is missed
            while piece := self.output.read(65_536):
                sys.stdout.buffer.write(piece)
                sys.stdout.buffer.flush()
            if ended:
                return self.process.returncode
            time.sleep(0.2)


@contextlib.contextmanager
def session(
    title: str, extent: Extent, words: Sequence[str], urls: Mapping[str, str], processes: int, *, runner: Sequence[str] = PYTEST
) -> Iterator[Session]:
    """A session that has begun. `runner` are the arguments for Python that start pytest."""
    environment = os.environ | urls | {"CHROMIUM": ensure(), "PYTHONPYCACHEPREFIX": str(ROOT / "build" / "bytecode")}
    # Without bytecode, each process that a test starts would compile all modules anew.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    workers = ("-n", str(processes), "--dist", "loadgroup")
    command = (sys.executable, *runner, "--extent", extent, f"--durations={SLOWEST}", *workers, *words)
    with tempfile.NamedTemporaryFile() as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            with Path(output.name).open("rb") as written:
                yield Session(title, process, written)
        except KeyboardInterrupt:
            process.wait()  # pytest has received the interrupt, too, and cleans up
            raise
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (NoBrowser, NoServer) as reason:
        sys.exit(str(reason))
    except KeyboardInterrupt:
        sys.exit(pytest.ExitCode.INTERRUPTED)

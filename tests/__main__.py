"""The whole suite: `python -m tests [PYTEST ARGUMENTS]` runs it embedded and, beside that, on a PostgreSQL and a Redis."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

import pytest

from tests.chromium import NoBrowser, ensure
from tests.servers import NoServer, servers

LOOK_SECONDS = 0.2
PIECE = 1024**2


def main(arguments: Sequence[str]) -> int:
    """Run both sessions at once and tell of one after the other. The exit code of the first that failed."""
    browser = {"CHROMIUM": ensure()}
    with servers() as urls, tempfile.TemporaryFile("w+") as told:
        embedded = {name: value for name, value in os.environ.items() if name not in urls} | browser
        with _session(embedded | urls, arguments, told) as other, _session(embedded, arguments) as first:
            _title("embedded (SQLite, in-memory broker)")
            results = [first.wait()]
            _title("PostgreSQL and Redis")
            _follow(told, other)
            results.append(other.wait())
    if set(results) == {pytest.ExitCode.NO_TESTS_COLLECTED}:
        return pytest.ExitCode.NO_TESTS_COLLECTED
    return next(
        (code for code in results if code not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}), pytest.ExitCode.OK
    )


@contextlib.contextmanager
def _session(
    environment: Mapping[str, str], arguments: Sequence[str], output: IO[str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    session = subprocess.Popen([sys.executable, "-m", "pytest", *arguments], env=environment, stdout=output, stderr=output)
    try:
        yield session
    except KeyboardInterrupt:
        session.wait()  # pytest got it as well, and cleans up
        raise
    finally:
        session.terminate()
        session.wait()


def _title(words: str) -> None:
    print(f"\n===== {words} =====", flush=True)


def _follow(file: IO[str], process: "subprocess.Popen[bytes]") -> None:
    """Print what a process writes into a file, from its beginning until the process ends."""
    place, ended = 0, False
    while not ended:
        ended = process.poll() is not None  # asked first, so that its last words are read below
        while fresh := os.pread(file.fileno(), PIECE, place):
            place += len(fresh)
            sys.stdout.buffer.write(fresh)
        sys.stdout.flush()
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (NoBrowser, NoServer) as reason:
        sys.exit(str(reason))
    except KeyboardInterrupt:
        sys.exit(pytest.ExitCode.INTERRUPTED)

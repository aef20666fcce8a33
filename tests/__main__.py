"""The suite: `python -m tests [EXTENT] [PYTEST ARGUMENTS]` runs it embedded and then on a PostgreSQL and a Redis.

EXTENT is one of those of `tests.extent`; `make test` runs the `gate`.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

import pytest

from tests.chromium import NoBrowser, ensure
from tests.extent import ROOT, Extent
from tests.servers import NoServer, servers

PROCESSES = 3  # on two cores: tests wait for servers, upstreams and pages half of their time
SLOWEST = 50


def main(arguments: Sequence[str]) -> int:
    """Run one session after the other, each in PROCESSES processes. The exit code of the first that failed."""
    extent, words = Extent.GATE, list(arguments)
    if words and words[0] in list(Extent):
        extent = Extent(words.pop(0))
    results = [_session("embedded (SQLite, in-memory broker)", extent, words, {"TEST_DATABASE_URL": "", "TEST_REDIS_URL": ""})]
    if extent != Extent.QUICK:
        with servers(redises=PROCESSES) as urls:
            results.append(_session("PostgreSQL and Redis", extent, words, urls))
    if set(results) == {pytest.ExitCode.NO_TESTS_COLLECTED}:
        return pytest.ExitCode.NO_TESTS_COLLECTED
    return next(
        (code for code in results if code not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}), pytest.ExitCode.OK
    )


def _session(title: str, extent: Extent, words: Sequence[str], urls: Mapping[str, str]) -> int:
    print(f"\n===== {title} =====", flush=True)
    environment = os.environ | urls | {"CHROMIUM": ensure(), "PYTHONPYCACHEPREFIX": str(ROOT / "build" / "bytecode")}
    # Each of the many processes that tests start would compile everything anew.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    workers = ("-n", str(PROCESSES), "--dist", "loadgroup")
    command = (sys.executable, "-m", "pytest", "--extent", extent, f"--durations={SLOWEST}", *workers, *words)
    session = subprocess.Popen(command, env=environment)
    try:
        return session.wait()
    except KeyboardInterrupt:
        session.wait()  # pytest got it as well, and cleans up
        raise
    finally:
        session.terminate()
        session.wait()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (NoBrowser, NoServer) as reason:
        sys.exit(str(reason))
    except KeyboardInterrupt:
        sys.exit(pytest.ExitCode.INTERRUPTED)

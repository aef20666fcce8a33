"""The whole suite: `python -m tests [PYTEST ARGUMENTS]` runs it embedded, then on a PostgreSQL and a Redis of its own."""

import os
import subprocess
import sys

import pytest

from tests.chromium import NoBrowser, ensure
from tests.servers import NoServer, servers


def main(arguments: list[str]) -> int:
    """Run both sessions, the second also when tests of the first failed. The exit code of the first that failed."""
    browser = {"CHROMIUM": ensure()}
    with servers() as urls:
        embedded = {name: value for name, value in os.environ.items() if name not in urls} | browser
        results = []
        for title, environment in (("embedded (SQLite, in-memory broker)", embedded), ("PostgreSQL and Redis", embedded | urls)):
            results.append(_session(title, environment, arguments))
    if set(results) == {pytest.ExitCode.NO_TESTS_COLLECTED}:
        return pytest.ExitCode.NO_TESTS_COLLECTED
    return next(
        (code for code in results if code not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}), pytest.ExitCode.OK
    )


def _session(title: str, environment: dict[str, str], arguments: list[str]) -> int:
    print(f"\n===== {title} =====", flush=True)
    session = subprocess.Popen([sys.executable, "-m", "pytest", *arguments], env=environment)
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

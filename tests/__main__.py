"""The whole suite: `python -m tests [PYTEST ARGUMENTS]` runs it embedded, then on a PostgreSQL and a Redis of its own."""

import contextlib
import os
import subprocess
import sys

from tests.chromium import NoBrowser, ensure
from tests.servers import NoServer, servers

NO_TESTS = 5  # pytest's exit code when nothing was selected


def main(arguments: list[str]) -> int:
    """Run both sessions, the second also when the first failed. The exit code of the first that failed."""
    browser = {"CHROMIUM": ensure()}
    with servers() as urls:
        environment = {name: value for name, value in os.environ.items() if name not in urls} | browser
        results = [
            _session("embedded (SQLite, in-memory broker)", environment, arguments),
            _session("PostgreSQL and Redis", environment | urls, arguments),
        ]
    failed = [code for code in results if code not in {0, NO_TESTS}]
    if all(code == NO_TESTS for code in results):
        return NO_TESTS
    return failed[0] if failed else 0


def _session(title: str, environment: dict[str, str], arguments: list[str]) -> int:
    print(f"\n===== {title} =====", flush=True)
    session = subprocess.Popen([sys.executable, "-m", "pytest", *arguments], env=environment)
    try:
        while True:
            with contextlib.suppress(KeyboardInterrupt):  # pytest got it as well, and cleans up
                return session.wait()
    finally:
        session.terminate()
        session.wait()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (NoBrowser, NoServer) as reason:
        sys.exit(str(reason))

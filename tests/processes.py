"""A whole portal as real processes: `manage.py serve` on a data folder and a database of its own."""

import atexit
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from tests.migrated import bare_environment, manage, migrate, migrated_file
from tests.servers import free_port, own_redis_url

ROOT = Path(__file__).parent.parent
STARTS_WITHIN = 120.0  # seconds, since a machine may be busy
STOPS_WITHIN = 120.0  # likewise


class PortalProcess:
    """`manage.py serve` with all processes that it starts. They are found by the data folder in their environment."""

    def __init__(self, environment: Mapping[str, str], *, folder: Path, root: Path = ROOT) -> None:
        """`root` is the folder of the code."""
        self.environment = dict(environment)
        self.folder = folder
        self.root = root
        self.url = f"http://127.0.0.1:{environment['PORT']}"
        self._log = folder / "serve.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def output(self) -> str:
        """The output of all its processes."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def manage(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a management command on this portal's data."""
        return manage(self.environment, *words, root=self.root)

    def spawn(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a management command that goes on running. Its output goes to `output`."""
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "manage.py", *words],
                cwd=self.root,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        self.process = self.spawn("serve")
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + STARTS_WITHIN
        while self.lacks():
            assert self.process is None or self.process.poll() is None, self.output
            assert time.monotonic() < deadline, f"Not ready: {self.lacks()}\n{self.output}"
            time.sleep(0.1)

    def lacks(self) -> dict[str, str]:
        """The faults that `/readyz` reports."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:  # noqa: S310 - an address of our own
                checks = json.load(answer)["checks"]
        except urllib.error.HTTPError as answer:
            body = answer.read()
            if answer.status != HTTPStatus.SERVICE_UNAVAILABLE:
                pytest.fail(f"/readyz: {answer.status} {body!r}\n{self.output}")
            checks = json.loads(body)["checks"]
        except OSError as error:
            return {"web": str(error)}
        return {name: said for name, said in checks.items() if said != "ok"}

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal, like a terminal or a service manager. Return the exit code once the portal has ended."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout=STOPS_WITHIN)

    def pids(self) -> list[int]:
        """The running processes of this portal."""
        return [pid for pid, _ in self._running()]

    def children(self) -> list[int]:
        """The processes that `serve` itself has started."""
        assert self.process is not None
        return [pid for pid, parent in self._running() if parent == self.process.pid]

    def _running(self) -> list[tuple[int, int]]:
        marker = f"BATCHYARD_DATA={self.folder}".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z" and marker in (entry / "environ").read_bytes().split(b"\0"):
                    found.append((int(entry.name), int(parent)))
        return found

    def wait_until_gone(self) -> None:
        """Wait until none of its processes is left."""
        if self.process is not None:
            self.process.wait(timeout=STOPS_WITHIN)
        deadline = time.monotonic() + STOPS_WITHIN
        while left := self.pids():
            assert time.monotonic() < deadline, f"Left behind: {left}"
            time.sleep(0.1)


def portal_process(folder: Path, **settings: str) -> contextlib.AbstractContextManager[PortalProcess]:
    """A migrated portal that is not started yet. It uses PostgreSQL and Redis if the tests do. It is removed at the end."""
    return version_process(ROOT, folder, settings)


@contextlib.contextmanager
def version_process(root: Path, folder: Path, settings: Mapping[str, str]) -> Iterator[PortalProcess]:
    """A portal of the version whose code is at `root`, like `portal_process`."""
    environment = bare_environment()
    environment |= {"BATCHYARD_DATA": str(folder), "PORT": str(free_port()), "PYTHONUNBUFFERED": "1"}
    environment |= {"DRAIN_SECONDS": "0", **settings}  # no load balancer has to be told
    with contextlib.ExitStack() as stack:
        if server := os.environ.get("TEST_DATABASE_URL"):
            environment |= {
                "DATABASE_URL": stack.enter_context(
                    scratch_database(server, template=_migrated_database(server) if root == ROOT else "template1")
                ),
                "REDIS_URL": urlunsplit(urlsplit(own_redis_url())._replace(path="/7")),
            }
        elif "DATABASE_URL" not in settings and root == ROOT:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(migrated_file(), folder / "batchyard.sqlite3")
        if "DATABASE_URL" in settings or root != ROOT:
            folder.mkdir(parents=True, exist_ok=True)
            migrate(environment, root=root)
        portal = PortalProcess(environment, folder=folder, root=root)
        try:
            yield portal
        finally:
            for pid in portal.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            portal.wait_until_gone()


# --- The migrated database on PostgreSQL that each portal gets a copy of


_rest_of_the_run = contextlib.ExitStack()
atexit.register(_rest_of_the_run.close)


@cache
def _migrated_database(server: str) -> str:
    folder = Path(_rest_of_the_run.enter_context(tempfile.TemporaryDirectory(prefix="batchyard-migrated-")))
    url = _rest_of_the_run.enter_context(scratch_database(server))
    migrate(bare_environment() | {"BATCHYARD_DATA": str(folder), "DATABASE_URL": url, "REDIS_URL": own_redis_url()})
    return urlsplit(url).path.removeprefix("/")


@contextlib.contextmanager
def scratch_database(server: str, *, template: str = "template1") -> Iterator[str]:
    """The URL of a database of its own on a server, for as long as it is needed."""
    name = f"portal_{uuid.uuid4().hex}"
    create, drop = sql.SQL("CREATE DATABASE {} TEMPLATE {}"), sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
        try:
            yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        finally:
            with contextlib.suppress(psycopg.OperationalError):  # the server may have ended, and its databases with it
                connection.execute(drop.format(sql.Identifier(name)))

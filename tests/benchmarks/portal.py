"""A whole portal on scratch data, with what is measured of it."""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis

from tests.benchmarks.accounting import Process, cpu_by_role, cpu_of_tree, peak_by_role, roles, running, tree
from tests.benchmarks.client import Client
from tests.benchmarks.inputs import WrongResult
from tests.benchmarks.upstream import Upstream
from tests.processes import PortalProcess, portal_process
from tests.servers import DURABLE, postgresql, redis_server

# What tells the role of a process in its command line; children have that of their parent.
ROLES = {
    "config.embedded": "portal",
    "config.web": "web",
    "--queues control": "control",
    "--queues execute": "execute",
    "--queues delegate": "delegate",
    "celery --app config --quiet beat": "beat",
    "manage.py serve": "supervisor",
}
SETTLES_WITHIN = 8.0  # seconds after which an idle executor has gone
SERVERS = ("TEST_DATABASE_URL", "TEST_REDIS_URL")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds so far: of the portal by role, of PostgreSQL and of Redis."""

    roles: dict[str, float]
    postgresql: float = 0.0
    redis: float = 0.0

    @property
    def portal(self) -> float:
        return sum(self.roles.values())

    def since(self, earlier: "Usage") -> "Usage":
        roles = {role: seconds - earlier.roles.get(role, 0.0) for role, seconds in self.roles.items()}
        return Usage(roles, self.postgresql - earlier.postgresql, self.redis - earlier.redis)


@dataclass(frozen=True, slots=True)
class Portal:
    """A portal that runs, and a client of it."""

    process: PortalProcess
    client: Client

    def usage(self) -> Usage:
        """CPU seconds so far."""
        roles = cpu_by_role(self._family(), ROLES)
        if "DATABASE_URL" not in self.process.environment:
            return Usage(roles)
        return Usage(
            roles, postgresql_cpu(self.process.environment["DATABASE_URL"]), redis_cpu(self.process.environment["REDIS_URL"])
        )

    def peaks(self) -> dict[str, int]:
        """The greatest resident memory of any process of each role since it started, in bytes, as the kernel kept it."""
        return peak_by_role(self._family(), ROLES)

    def memory(self, role: str) -> dict[int, int]:
        """The resident memory of each process of a role now, in bytes, by pid."""
        family = self._family()
        found = roles(family, ROLES)
        return {process.pid: process.bytes for process in family if found[process.pid] == role}

    def settle(self) -> None:
        """Wait until nothing goes on but what always goes on."""
        time.sleep(SETTLES_WITHIN)

    def _family(self) -> list[Process]:
        assert self.process.process is not None
        return tree(self.process.process.pid, running())


@contextlib.contextmanager
def grown_up(stub: Upstream, **settings: str) -> Iterator[Portal]:
    """A portal as `manage.py serve` starts it on PostgreSQL and Redis, with the stub as its default provider."""
    with database_servers(), _portal(stub, settings) as portal:
        yield portal


@contextlib.contextmanager
def on_database(stub: Upstream, database: str, redis: str, *, provider: str, **settings: str) -> Iterator[Portal]:
    """A portal as `manage.py serve` starts it on a database that stays, and a Redis; the stub is its default provider.

    The provider and an API key of its name are added, so that each portal on the same database needs another one.
    """
    servers = {"DATABASE_URL": database, "REDIS_URL": redis}
    with environment(dict.fromkeys(SERVERS)), _portal(stub, servers | settings, provider=provider) as portal:
        yield portal


@contextlib.contextmanager
def embedded(stub: Upstream, **settings: str) -> Iterator[Portal]:
    """A portal in one process, with the stub as its default provider."""
    with environment(dict.fromkeys(SERVERS)), _portal(stub, settings) as portal:
        yield portal


@contextlib.contextmanager
def database_servers() -> Iterator[None]:
    """A PostgreSQL that survives a crash, as in production, and a Redis; those of TEST_DATABASE_URL and TEST_REDIS_URL if set."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="batchyard-benchmark-servers-")))
        folder.chmod(0o755)  # PostgreSQL may have to run as somebody else
        urls = {
            "TEST_DATABASE_URL": os.environ.get("TEST_DATABASE_URL") or stack.enter_context(postgresql(folder, options=DURABLE)),
            "TEST_REDIS_URL": os.environ.get("TEST_REDIS_URL") or stack.enter_context(redis_server(folder)),
        }
        with environment(urls):
            yield


@contextlib.contextmanager
def _portal(stub: Upstream, settings: dict[str, str], *, provider: str = "stub") -> Iterator[Portal]:
    with (
        tempfile.TemporaryDirectory(prefix="batchyard-benchmark-") as folder,
        portal_process(Path(folder), **settings) as process,
    ):
        added = process.manage("provider", "add", provider, "--adapter", "openai", "--base-url", stub.base_url, "--default")
        key = process.manage("apikey", "create", "--project", "benchmark", "--name", provider)
        for done in (added, key):
            if done.returncode:
                raise WrongResult(done.stderr)
        process.start()
        yield Portal(process, Client(process.url, key.stdout.strip()))


@contextlib.contextmanager
def environment(values: dict[str, str] | dict[str, None]) -> Iterator[None]:
    """These variables set, or not set, for a while."""
    before = {name: os.environ.get(name) for name in values}
    try:
        _set(values)
        yield
    finally:
        _set(before)


def _set(values: dict[str, str] | dict[str, None] | dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def postgresql_cpu(url: str) -> float:
    """CPU seconds of a PostgreSQL on this machine, ended connections included."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        processes = running()
        if row[0] not in processes:
            return 0.0  # it runs somewhere else
        return cpu_of_tree(processes[row[0]].parent)


def redis_cpu(url: str) -> float:
    """CPU seconds of a Redis, wherever it runs."""
    with redis.Redis.from_url(url) as client:
        told = client.info("cpu")
        assert isinstance(told, dict)
        return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])

"""`serve`: run the portal, or one of its roles."""

import fcntl
import logging
import os
import socket
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection

from batches.management.own_url import own_url
from batches.management.processes import MARGIN_SECONDS, Child, Supervisor, web_grace, worker_grace
from batches.services.core.lease import free_all

logger = logging.getLogger(__name__)

ROLES = ("web", "control", "execute", "delegate", "beat")


class Command(BaseCommand):
    requires_system_checks = ()  # the processes that it starts check themselves
    help = (
        "Run the portal until Ctrl-C. Embedded (without DATABASE_URL and REDIS_URL) it is one process. With both set it"
        " is a web server, workers and a beat, which are kept alive here; to spread them over machines, start each role"
        " by itself: any number of web, control, execute and delegate, and one beat."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("role", nargs="?", choices=ROLES, help="Only this part of the portal.")
        parser.add_argument("--reload", action="store_true", help="Embedded: start anew whenever a Python file changes.")

    def handle(self, *_args: object, role: str | None, reload: bool, **_options: Any) -> None:
        if reload and (role or not settings.EMBEDDED):
            raise CommandError("--reload is for the embedded portal, which is one process.")
        # A web process has many threads. If each had its own arena, memory that one thread frees would be of no use to others.
        os.environ.setdefault("MALLOC_ARENA_MAX", "2")
        if role:
            self._serve_role(role)
        elif settings.EMBEDDED:
            self._serve_embedded("config.reload" if reload else "config.embedded")
        else:
            self._serve_all()

    def _serve_embedded(self, module: str) -> None:
        _require_port()
        _take_data_folder()
        _begin_afresh()
        self._greet()
        _become([sys.executable, "-m", module])

    def _serve_role(self, role: str) -> None:
        if settings.EMBEDDED:
            raise CommandError(f"`serve {role}` needs DATABASE_URL and REDIS_URL: the embedded portal is one process.")
        if role == "web":
            _require_port()
        _become(command(role))

    def _serve_all(self) -> None:
        _require_port()
        self._greet()
        grace = max(web_grace(), worker_grace()) + MARGIN_SECONDS  # the web server is a supervisor, too
        Supervisor([Child(role, command(role)) for role in ROLES], say=logger.warning, grace=grace).run()

    def _greet(self) -> None:
        url = own_url()
        kept = f"SQLite in {settings.DATA_DIR}" if settings.EMBEDDED else "PostgreSQL and Redis"
        self.stdout.write(
            f"\nBatchyard runs on {kept}.\n  Console     {url}/console/\n  OpenAI API  {url}/v1\n  Stop        Ctrl-C\n"
        )
        self.stdout.flush()


def command(role: str) -> list[str]:
    """The command line of one role."""
    cores = os.cpu_count() or 1
    quiet_as_root = ["-W", "ignore:You're running the worker with superuser privileges"]
    celery = [sys.executable, *quiet_as_root, "-m", "celery", "--app", "config", "--quiet"]
    worker = [*celery, "worker", "--without-gossip", "--without-heartbeat", "--without-mingle", "--hostname", f"{role}@%h"]
    match role:
        case "web":
            return [sys.executable, "-m", "config.web"]
        case "control" | "execute":
            slots = max(2, cores) if role == "control" else settings.EXECUTOR_SLOTS
            return [*worker, "--pool", "prefork", "--queues", role, "--concurrency", str(slots)]
        case "delegate":
            # The delegator and the deliverer wait for others most of the time: one process has both, in threads.
            return [*worker, "--pool", "threads", "--queues", "delegate,notify", "--concurrency", str(settings.LOOP_SLOTS)]
        case "beat":
            return [*celery, "beat", "--pidfile="]
    raise ValueError(role)


def _become(words: list[str]) -> None:
    """Replace this process by another program, so that the program gets signals directly."""
    os.execv(words[0], words)  # noqa: S606 - there is no shell on purpose


def _require_port() -> None:
    family = socket.AF_INET6 if ":" in settings.HOST else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.HOST, settings.PORT))
        except OSError as error:
            raise CommandError(
                f"Port {settings.PORT} of {settings.HOST} cannot be used ({error.strerror}): set PORT or HOST."
            ) from None


def _begin_afresh() -> None:
    """Free the leases of a killed portal at once. The data folder is locked, so no other process holds them."""
    try:
        free_all()
    except DatabaseError:
        raise CommandError("The database is not set up: run `manage.py migrate` first.") from None
    connection.close()


def _take_data_folder() -> None:
    """Lock the data folder while this process and its children live. Two embedded portals must not share one."""
    lock = os.open(settings.DATA_DIR / "embedded.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 100).decode(errors="replace") or "another portal"
        raise CommandError(
            f"The data folder {settings.DATA_DIR} is in use by {holder}: stop that one, or set BATCHYARD_DATA."
        ) from None
    os.truncate(lock, 0)
    os.write(lock, f"the portal on port {settings.PORT} (process {os.getpid()})".encode())
    os.set_inheritable(lock, True)

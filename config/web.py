"""The web server: uvicorn with `config.front` before Django, with one process for each core."""

import logging
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any

import uvicorn
from django.conf import settings
from django.utils.log import configure_logging

from batches.management.processes import Child, Supervisor, web_grace
from config.front.connection import Bounds, Reception
from config.front.drain import draining

logger = logging.getLogger(__name__)

BACKLOG = 2048  # the most connections that wait to be accepted
OTHER_FILES = 1024  # the open files of a process besides connections of clients
CONNECT_SECONDS = 2  # a database that does not answer for so long counts as lost; libpq allows no shorter time
DATABASE_WAIT_SECONDS = 10.0  # the longest wait for a connection while all are in use; if the database is lost, none waits
DATABASE_IDLE_SECONDS = 600.0  # a connection that is idle for so long is closed


def main(words: Sequence[str]) -> None:
    """Serve until SIGINT or SIGTERM. With words, this process serves; without, it keeps one such process for each core."""
    processes = os.cpu_count() or 1
    if words:
        share_connections(settings.DATABASES["default"], at_most=max(3, settings.WEB_DATABASE_CONNECTIONS // processes))
        serve_in_process()
    else:
        keep_alive("config.web", processes=processes, grace=web_grace())


def share_connections(database: dict[str, Any], *, at_most: int) -> None:
    """Let the threads of a process share connections. One for each thread would be more than PostgreSQL allows."""
    database["CONN_MAX_AGE"] = 0  # a thread returns its connection after each request
    database["CONN_HEALTH_CHECKS"] = False  # a connection is checked when it is borrowed
    pool = {"max_size": at_most, "timeout": DATABASE_WAIT_SECONDS, "max_idle": DATABASE_IDLE_SECONDS}
    database["OPTIONS"] = {**database.get("OPTIONS", {}), "connect_timeout": CONNECT_SECONDS, "pool": pool}


def keep_alive(module: str, *, processes: int, grace: float) -> None:
    """Run a number of processes of a module, which serve, and restart each one that ends.

    `grace` is the time in seconds that they have to stop.
    """
    configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)
    command = [sys.executable, "-m", module, "process"]
    children = [Child(f"web {number}", command) for number in range(1, processes + 1)]
    Supervisor(children, say=logger.warning, grace=grace).run()


def serve_in_process() -> None:
    """Run the web server of one process."""
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, _ignore)  # uvicorn raises the signal again after it has stopped
    serve_in_thread()


def serve_in_thread() -> None:
    """Run the web server in the current thread. Signals reach it only in the main thread."""
    _allow_files(settings.MAX_CONNECTIONS + OTHER_FILES)
    config = uvicorn.Config(
        "config.asgi:application",
        http=Reception(Bounds.of_settings()),  # type: ignore[arg-type]  # uvicorn calls it like the class of a protocol
        ws="none",
        lifespan="off",
        interface="asgi3",
        loop="uvloop",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=settings.KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.WEB_STOP_SECONDS,
    )
    Server(config, drain_seconds=settings.DRAIN_SECONDS).run(sockets=[_listening()])
    config.loaded_app.close()


class Server(uvicorn.Server):
    """uvicorn's server, which drains before it stops. A second signal ends the drain."""

    def __init__(self, config: uvicorn.Config, *, drain_seconds: float) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._drained_at: float | None = None
        draining.clear()  # an earlier server of this process may have set it

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain, or to stop. uvicorn calls this for SIGINT and SIGTERM."""
        if self._drained_at is not None or not self._drain_seconds:
            super().handle_exit(sig, frame)
            return
        draining.set()
        self._drained_at = time.monotonic() + self._drain_seconds

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop listening. uvicorn calls this ten times a second."""
        if self._drained_at is not None and time.monotonic() >= self._drained_at:
            self.should_exit = True
        return await super().on_tick(counter)


def _listening() -> socket.socket:
    """A socket that listens on HOST and PORT. Each process has one; the system distributes connections between them."""
    family = socket.AF_INET6 if ":" in settings.HOST else socket.AF_INET
    return socket.create_server((settings.HOST, settings.PORT), family=family, backlog=BACKLOG, reuse_port=True)


def _allow_files(number: int) -> None:
    """Raise the limit of open files as far as is needed and allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < number:
        resource.setrlimit(resource.RLIMIT_NOFILE, (number if hard == resource.RLIM_INFINITY else min(number, hard), hard))


def _ignore(*_: object) -> None:
    """Ignore a signal: the process ends by itself."""


if __name__ == "__main__":
    main(sys.argv[1:])

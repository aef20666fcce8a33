"""The web server: uvicorn with `config.front` before Django, in a process a core."""

import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any

import uvicorn
from django.conf import settings

from batches.management.processes import Child, Supervisor
from config.front.connection import Bounds, Reception

BACKLOG = 2048  # connections that wait to be accepted
OTHER_FILES = 1024  # that a process may have open besides connections of clients
CONNECT_SECONDS = 2  # until a database that does not answer is taken for lost; libpq knows no shorter time
DATABASE_WAIT_SECONDS = 10.0  # while every connection is in use; when the database is away nobody waits for one
DATABASE_IDLE_SECONDS = 600.0  # until a connection that nobody needs is closed
STOPS_WITHIN = 20  # seconds that requests have to end when the server is stopped


def main(words: Sequence[str]) -> None:
    """Serve with a process a core until SIGINT or SIGTERM. A process of these is started with a word more."""
    processes = os.cpu_count() or 1
    if words:
        share_connections(settings.DATABASES["default"], at_most=max(2, settings.WEB_DATABASE_CONNECTIONS // processes))
        serve_in_process()
    else:
        keep_alive("config.web", processes=processes)


def share_connections(database: dict[str, Any], *, at_most: int) -> None:
    """Let the threads of a process share connections: with one each they would be more than PostgreSQL allows."""
    database["CONN_MAX_AGE"] = 0  # a request gives back what it took
    database["CONN_HEALTH_CHECKS"] = False  # a connection is looked at when it is borrowed
    pool = {"max_size": at_most, "timeout": DATABASE_WAIT_SECONDS, "max_idle": DATABASE_IDLE_SECONDS}
    database["OPTIONS"] = {**database.get("OPTIONS", {}), "connect_timeout": CONNECT_SECONDS, "pool": pool}


def keep_alive(module: str, *, processes: int) -> None:
    """Run so many processes of a module, each of which serves, and start them again should they end."""
    command = [sys.executable, "-m", module, "process"]
    children = [Child(f"web {number}", command) for number in range(1, processes + 1)]
    Supervisor(children, say=lambda text: sys.stderr.write(f"{text}\n")).run()


def serve_in_process() -> None:
    """The web server of one process."""
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, _ignore)  # uvicorn raises it once more when it has stopped
    serve_in_thread()


def serve_in_thread() -> None:
    """The web server, in whatever thread; no signal reaches it in any but the main one."""
    _allow_files(settings.MAX_CONNECTIONS + OTHER_FILES)
    config = uvicorn.Config(
        "config.asgi:application",
        http=Reception(Bounds.of_settings()),  # type: ignore[arg-type]  # called as a protocol's class is
        ws="none",
        lifespan="off",
        interface="asgi3",
        loop="uvloop",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=settings.KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOPS_WITHIN,
    )
    uvicorn.Server(config).run(sockets=[_listening()])


def _listening() -> socket.socket:
    """A socket that listens on HOST and PORT. Each process has one: the system shares connections out between them."""
    family = socket.AF_INET6 if ":" in settings.HOST else socket.AF_INET
    return socket.create_server((settings.HOST, settings.PORT), family=family, backlog=BACKLOG, reuse_port=True)


def _allow_files(number: int) -> None:
    """Raise the limit of open files as far as is needed and allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < number:
        resource.setrlimit(resource.RLIMIT_NOFILE, (number if hard == resource.RLIM_INFINITY else min(number, hard), hard))


def _ignore(*_: object) -> None:
    """The process ends by itself."""


if __name__ == "__main__":
    main(sys.argv[1:])

"""The web server: Granian in front of Django's WSGI application."""

import logging
import os
from collections.abc import Callable
from typing import Any

from django.conf import settings
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from batches.management.processes import end_with_parent

# A thread waits while a client sends or reads slowly; beyond that many requests at once, clients wait to be accepted.
THREADS = 64
BACKPRESSURE = 512
CONNECT_SECONDS = 2  # until a database that does not answer is taken for lost; libpq knows no shorter time
DATABASE_WAIT_SECONDS = 10.0  # while every connection is in use; when the database is away nobody waits for one
DATABASE_IDLE_SECONDS = 600.0  # until a connection that nobody needs is closed
STOPS_WITHIN = 20  # seconds that requests have to end when the server is stopped


def main() -> None:
    """Serve with a process a core until SIGINT or SIGTERM."""
    processes = os.cpu_count() or 1
    share_connections(settings.DATABASES["default"], at_most=max(1, settings.WEB_DATABASE_CONNECTIONS // processes))
    serve(processes=processes, process=serve_in_process)


def share_connections(database: dict[str, Any], *, at_most: int) -> None:
    """Let the threads of a process share connections: with one each they would be more than PostgreSQL allows."""
    database["CONN_MAX_AGE"] = 0  # a request gives back what it took
    database["CONN_HEALTH_CHECKS"] = False  # a connection is looked at when it is borrowed
    pool = {"max_size": at_most, "timeout": DATABASE_WAIT_SECONDS, "max_idle": DATABASE_IDLE_SECONDS}
    database["OPTIONS"] = {**database.get("OPTIONS", {}), "connect_timeout": CONNECT_SECONDS, "pool": pool}


def serve(*, processes: int, process: Callable[..., None]) -> None:
    """Listen on HOST and PORT; Granian's supervisor runs `process` in each of its processes, and again should one die."""
    logging.getLogger("_granian").addFilter(_is_no_advice)
    server = Granian(
        "config.wsgi:application",
        address=settings.HOST,
        port=settings.PORT,
        interface=Interfaces.WSGI,
        workers=processes,
        blocking_threads=THREADS,
        backpressure=BACKPRESSURE,
        respawn_failed_workers=True,
        workers_kill_timeout=STOPS_WITHIN,
        log_level=LogLevels.warning,
    )
    server.serve(spawn_target=process)


def _is_no_advice(record: logging.LogRecord) -> bool:
    """Whether it is worth saying: that THREADS are many is known, and nothing that whoever reads it could change."""
    return "Python threads" not in record.getMessage()


def serve_in_process(*arguments: object) -> None:
    """The web server of one process. It ends with the supervisor, however that ends."""
    end_with_parent()
    Granian._spawn_wsgi_worker(*arguments)


if __name__ == "__main__":
    main()

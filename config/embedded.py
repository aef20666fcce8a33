"""The embedded portal: web server, Celery worker and beat in one process, on SQLite and a broker in memory.

The worker's and the beat's threads live in the process that serves, because the broker's messages never leave it. What
a stop or a crash loses are only messages: the database is the truth.
"""

import contextlib
import threading
from collections.abc import Iterator

import django
from celery.beat import Service
from celery.worker import state
from django.conf import settings

from batches.engine.shutdown import stopping
from config import web
from config.beat import Scheduler
from config.celery import app

CONTROL_SLOTS = 3  # worker threads beside those that executors take


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    web.serve(processes=1, process=serve_beside_workers)


def serve_beside_workers(*arguments: object) -> None:
    """The web server, with a worker and a beat that start before it and stop after it."""
    django.setup()
    with background():
        web.serve_in_process(*arguments)


@contextlib.contextmanager
def background() -> Iterator[None]:
    """A Celery worker and a beat as threads of this process."""
    stopping.clear()  # the process that this one replaces may have set it
    worker = app.WorkController(
        hostname="embedded",
        pool="threads",
        concurrency=settings.EXECUTORS + CONTROL_SLOTS,
        queues=["control", "execute"],
        without_gossip=True,
        without_heartbeat=True,
        without_mingle=True,
    )
    beat = Service(app, scheduler_cls=Scheduler)
    threads = [threading.Thread(target=worker.start, name="worker"), threading.Thread(target=beat.start, name="beat")]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        beat.stop()
        stopping.set()
        state.should_stop = 0  # type: ignore[assignment]
        app.send_task("batches.engine.reconcile")  # any message: the worker looks up at once instead of within 2 s
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main()

"""The embedded portal: web server, Celery workers and beat in one process, on SQLite and a broker in memory.

The threads of the workers and the beat live in the process that serves, because the broker's messages never leave it. A
stop or a crash loses only messages, and the database is the truth.
"""

import contextlib
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import django
from celery.beat import Service
from celery.worker import state
from django.conf import settings

from batches.engine.shutdown import stopping
from batches.management.processes import web_grace, worker_grace
from config import web
from config.backends.beat import Scheduler
from config.celery import app, application

# The number of threads of each worker, by the queues that it serves. Executors run for long, so they have a worker of their own.
SLOTS = {("control",): 3, ("execute",): settings.EXECUTOR_SLOTS, ("delegate", "notify"): settings.LOOP_SLOTS}


def main(words: Sequence[str]) -> None:
    """Serve until SIGINT or SIGTERM. With words, this process does all the work; without, it keeps such a process running."""
    if words:
        serve_beside_workers()
    else:
        web.keep_alive("config.embedded", processes=1, grace=web_grace() + worker_grace())  # the workers stop after the server


def serve_beside_workers() -> None:
    """Run the web server. Workers and a beat start before it and stop after it."""
    django.setup()
    with background():
        web.serve_in_process()


@contextlib.contextmanager
def background() -> Iterator[None]:
    """Run the Celery workers, and a beat, as threads of this process."""
    stopping.clear()  # an earlier `background` may have set it
    beat = Service(app, scheduler_cls=Scheduler)
    threads = [threading.Thread(target=_worker(queues, slots).start, name=queues[0]) for queues, slots in SLOTS.items()]
    threads.append(threading.Thread(target=beat.start, name="beat"))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        beat.stop()
        stopping.set()
        state.should_stop = 0  # type: ignore[assignment]
        for task in ("reconcile", "execute", "delegate", "notify"):
            app.send_task(f"batches.engine.{task}")  # any message makes a worker notice the stop at once instead of within 2 s
        for thread in threads:
            thread.join()


def _worker(queues: Sequence[str], slots: int) -> Any:
    return application(f"batchyard-{queues[0]}", set_as_current=False).WorkController(
        hostname=f"embedded-{queues[0]}",
        pool="threads",
        concurrency=slots,
        queues=queues,
        without_gossip=True,
        without_heartbeat=True,
        without_mingle=True,
    )


if __name__ == "__main__":
    main(sys.argv[1:])

"""Wakes: messages that say "look now". A lost or repeated wake delays work, and changes no result.

A wake is sent after the transaction has committed. Tasks are called by name and not imported, because the engine is above
this room. A wake that cannot be sent is logged and dropped: reconcile finds its work. A broker that does not answer costs one
caller a second, and then no wake is sent for a while.
"""

import logging
import time
import uuid
from functools import partial

from celery import current_app
from django.db import transaction
from kombu import pools
from kombu.exceptions import LimitExceeded, OperationalError
from redis import RedisError

logger = logging.getLogger(__name__)

EXPIRES_SECONDS = 10  # the life of a wake; by its end reconcile has found the work, and sent a new wake if needed
PATIENCE_SECONDS = 1.0  # how long to wait for the broker; a client's request may wait meanwhile
SILENT_SECONDS = 5.0  # how long no wake is sent after the broker refused one
# Options of the Redis transport. It does not repeat calls, because the first failure is enough to give up.
_IMPATIENT = {
    "socket_timeout": PATIENCE_SECONDS,
    "socket_connect_timeout": PATIENCE_SECONDS,
    "retry_on_timeout": False,
    "max_retries": 0,
}


def validate(batch_id: uuid.UUID) -> None:
    """Wake a worker for a batch that waits for validation."""
    _after_commit("batches.engine.validate", batch_id)


def execute() -> None:
    """Wake a worker for slices that may be leased."""
    _after_commit("batches.engine.execute")


def delegate() -> None:
    """Wake a worker for jobs at the providers' batch APIs."""
    _after_commit("batches.engine.delegate")


def notify() -> None:
    """Wake a worker for deliveries to receivers of events."""
    _after_commit("batches.engine.notify")


def finalize(batch_id: uuid.UUID) -> None:
    """Wake a worker for a batch that may have nothing left to run."""
    _after_commit("batches.engine.finalize", batch_id)


def bulk(operation_id: uuid.UUID) -> None:
    """Wake a worker for a bulk operation with batches left to act on."""
    _after_commit("batches.engine.bulk", operation_id)


def erase(erasure_id: uuid.UUID) -> None:
    """Wake a worker for an erasure."""
    _after_commit("batches.engine.erase", erasure_id)


def _after_commit(task: str, *ids: uuid.UUID) -> None:
    transaction.on_commit(partial(_announcer.send, task, [str(value) for value in ids]), robust=True)


class Announcer:
    """Sends wakes on connections of its own. All threads of a process share one announcer."""

    def __init__(self) -> None:
        self._silent_until = float("-inf")

    def send(self, task: str, arguments: list[str]) -> None:
        """Send one wake, unless the broker refused one within SILENT_SECONDS."""
        if self._is_silent():
            return
        producers = pools.producers[current_app.connection_for_write(transport_options=_IMPATIENT)]
        try:
            with producers.acquire(block=True, timeout=PATIENCE_SECONDS) as producer:
                if self._is_silent():
                    return  # the broker refused the wake of another thread meanwhile
                current_app.send_task(task, args=arguments, expires=EXPIRES_SECONDS, retry=False, producer=producer)
        except (OperationalError, LimitExceeded, RedisError, OSError) as error:
            self._silent_until = time.monotonic() + SILENT_SECONDS
            logger.warning(
                "%s was not announced (%s), nor is anything for %.0f s; reconcile will find it",
                task,
                type(error).__name__,
                SILENT_SECONDS,
            )

    def _is_silent(self) -> bool:
        return time.monotonic() < self._silent_until


_announcer = Announcer()

"""\"Look now\": a message that saves waiting. Losing one, or delivering it twice, delays work and changes no result.

Messages go out after the transaction has committed. They are named, not imported: the engine is above this module.
A message that cannot be sent is logged and forgotten; reconcile finds whatever nobody was told about. A broker that does
not answer costs one caller a second: then nothing is announced for a while.
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

EXPIRES_SECONDS = 10  # by then reconcile has looked itself, and asked again where it had to
PATIENCE_SECONDS = 1.0  # for the broker: a request of a client waits meanwhile
SILENT_SECONDS = 5.0  # without announcements after the broker did not take one
# Of the Redis transport. It tries nothing again: the first failure is enough to give up.
_IMPATIENT = {
    "socket_timeout": PATIENCE_SECONDS,
    "socket_connect_timeout": PATIENCE_SECONDS,
    "retry_on_timeout": False,
    "max_retries": 0,
}


def validate(batch_id: uuid.UUID) -> None:
    """This batch waits for validation."""
    _after_commit("batches.engine.validate", batch_id)


def execute() -> None:
    """There are slices to lease."""
    _after_commit("batches.engine.execute")


def finalize(batch_id: uuid.UUID) -> None:
    """This batch may have nothing left to run."""
    _after_commit("batches.engine.finalize", batch_id)


def bulk(operation_id: uuid.UUID) -> None:
    """This bulk operation has batches left to act on."""
    _after_commit("batches.engine.bulk", operation_id)


def _after_commit(task: str, *ids: uuid.UUID) -> None:
    transaction.on_commit(partial(_announcer.send, task, [str(value) for value in ids]), robust=True)


class Announcer:
    """Sends messages, on connections of its own. Every thread of a process shares it."""

    def __init__(self) -> None:
        self._silent_until = float("-inf")

    def send(self, task: str, arguments: list[str]) -> None:
        """Send one message, unless the broker did not take one a moment ago."""
        if self._is_silent():
            return
        producers = pools.producers[current_app.connection_for_write(transport_options=_IMPATIENT)]
        try:
            with producers.acquire(block=True, timeout=PATIENCE_SECONDS) as producer:
                if self._is_silent():
                    return  # the broker failed whoever used this producer before
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

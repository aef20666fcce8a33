"""\"Look now\": a message that saves waiting. Losing one, or delivering it twice, delays work and changes no result.

Messages go out after the transaction has committed. They are named, not imported: the engine is above this module.
A message that cannot be sent is logged and forgotten; reconcile finds whatever nobody was told about.
"""

import logging
import uuid
from functools import partial

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError
from redis import RedisError

logger = logging.getLogger(__name__)

EXPIRES_SECONDS = 10  # by then reconcile has looked itself, and asked again where it had to


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
    transaction.on_commit(partial(_send, task, [str(value) for value in ids]))


def _send(task: str, arguments: list[str]) -> None:
    try:
        current_app.send_task(task, args=arguments, expires=EXPIRES_SECONDS, retry=False)
    except (OperationalError, RedisError, OSError) as error:
        logger.warning("%s was not announced (%s); reconcile will find it", task, type(error).__name__)

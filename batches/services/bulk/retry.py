"""retry: a new operation for the failed batches of an operation."""

import uuid
from datetime import datetime

from batches.models import BulkAct, BulkItem, BulkOperation
from batches.rules.errors import Conflict, NotFound
from batches.services.bulk.choice import Choice
from batches.services.bulk.create import Order, create
from batches.services.core.access import Access


class NothingFailed(Conflict):
    """The operation failed with no batch."""

    code = "nothing_failed"


def retry_failed(operation: BulkOperation, *, token: uuid.UUID, by: Access, now: datetime) -> BulkOperation:
    """Create an operation with the same act and reason for the failed batches. Its `retry_of` is the first operation.

    `create` explains the token. Raises NotFound for the operation of another person, and NothingFailed.
    """
    if not by.operations().filter(pk=operation.pk).exists():
        raise NotFound
    failed = BulkItem.objects.filter(operation=operation, status=BulkItem.Status.FAILED)
    count = failed.count()
    if not count:
        raise NothingFailed
    order = Order(
        act=BulkAct(operation.act),
        parameters=operation.parameters,
        reason=operation.reason,
        token=token,
        created_before=operation.created_before,
        shown=count,
        typed=count,
        retry_of=operation,
    )
    return create(Choice(by.batches().filter(pk__in=failed.order_by().values("batch"))), order, by=by, now=now)

"""cancel: end an operation before it has acted on all of its batches."""

from datetime import datetime

from django.db import transaction

from batches.models import BulkOperation
from batches.rules.errors import Conflict, NotFound
from batches.services.bulk.run import UNFINISHED
from batches.services.core.access import Access
from batches.services.core.audit import record_act


class OperationEnded(Conflict):
    """The operation has come to its end already: nothing is left to cancel."""

    code = "operation_ended"


@transaction.atomic
def cancel_rest(operation: BulkOperation, *, by: Access, now: datetime) -> BulkOperation:
    """End an operation now. Its acts until now stay. A cancelled operation is returned unchanged.

    Raises NotFound for the operation of another person, and OperationEnded.
    """
    if not by.operations().filter(pk=operation.pk).exists():
        raise NotFound
    over = {"status": BulkOperation.Status.CANCELLED, "cancelled_at": now, "ended_at": now}
    unfinished = BulkOperation.objects.filter(pk=operation.pk, status__in=UNFINISHED)
    cancelled = unfinished.update(lease_owner=None, lease_expires_at=None, **over)
    operation.refresh_from_db()
    if cancelled:
        record_act("cancel_bulk", actor=by.actor, now=now, target=operation, reason=f"{operation.left:,} left alone")
    elif operation.status != BulkOperation.Status.CANCELLED:
        raise OperationEnded
    return operation

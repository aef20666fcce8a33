"""What tests of bulk operations do again and again: order one, have it worked on, look at what came of it."""

import uuid
from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from batches.models import Batch, BulkAct, BulkOperation, Membership, Project, Role
from batches.rules.states import Source
from batches.services.bulk.choice import these
from batches.services.bulk.create import Order, create
from batches.services.bulk.run import run
from batches.services.core.access import Access, access_of


def member_of(*projects: Project, role: Role = Role.OPERATOR, name: str = "ada") -> Access:
    person = User.objects.get_or_create(username=name)[0]
    for project in projects:
        Membership.objects.create(user=person, project=project, role=role)
    return access_of(person, source=Source.CONSOLE)


def ids(batches: Sequence[Batch]) -> list[str]:
    return [str(batch) for batch in batches]


def order(act: BulkAct = BulkAct.CANCEL, *, shown: int = 99, **more: Any) -> Order:
    defaults: dict[str, Any] = {"reason": "A wrong prompt", "token": uuid.uuid4(), "created_before": timezone.now()}
    return Order(act=act, shown=shown, **(defaults | more))


def ordered(by: Access, batches: Sequence[Batch], act: BulkAct = BulkAct.CANCEL, **more: Any) -> BulkOperation:
    return create(these(by, ids(batches)), order(act, **more), by=by, now=timezone.now())


def done(operation: BulkOperation) -> BulkOperation:
    """The operation after a worker's turn."""
    run(operation.pk, now=timezone.now())
    operation.refresh_from_db()
    return operation


def outcomes(operation: BulkOperation) -> dict[uuid.UUID, tuple[str, str]]:
    return {item.batch_id: (item.status, item.note) for item in operation.items.all()}


def counts(operation: BulkOperation) -> tuple[int, int, int, int]:
    operation.refresh_from_db()
    return operation.total, operation.done, operation.skipped, operation.failed

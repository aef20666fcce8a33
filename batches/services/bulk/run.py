"""run: do an operation's act to one batch after the other, with the rights that its owner has at that moment.

Only one worker at a time holds the lease on an operation. The act on a batch and its outcome are one transaction, which fails
when the lease is lost. So a worker that goes on after a killed one does the remaining acts, and no act twice.
"""

import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from uuid_utils.compat import uuid7

from batches.models import Batch, BulkAct, BulkItem, BulkOperation
from batches.rules.actors import Actor
from batches.rules.errors import Conflict, Gone, InProgress, LostRace, PortalError
from batches.rules.states import Source
from batches.services.bulk.acts import VERBS, Doing, Obstacle
from batches.services.bulk.question import Question
from batches.services.core import wake
from batches.services.core.access import access_of
from batches.services.core.lease import is_free, lease_end
from batches.services.retry.child import ChildInput

logger = logging.getLogger(__name__)

CHUNK = 100  # how many items are looked up at once
TURN_SECONDS = 10.0  # the length of a turn; other control work gets its turn then, since control workers are few
AT_ONCE = 50  # how many operations reconcile wakes in one run
NOTE_CHARS = BulkItem._meta.get_field("note").max_length or 0

UNFINISHED = (BulkOperation.Status.PENDING, BulkOperation.Status.RUNNING)
Outcome = tuple[BulkItem.Status, str]


def wake_unattended(*, now: datetime) -> None:
    """Wake a worker for each operation that no worker holds."""
    waiting = BulkOperation.objects.filter(is_free(now), ended_at=None).order_by("created_at").values_list("pk", flat=True)
    for operation_id in waiting[:AT_ONCE]:
        wake.bulk(operation_id)


def run(operation_id: uuid.UUID, *, now: datetime) -> None:
    """Work on an operation for one turn. An operation that has ended, or that another worker holds, is left alone."""
    operation = take(operation_id, now=now)
    if operation is None:
        return
    ends = time.monotonic() + TURN_SECONDS
    try:
        while items := _next(operation):
            for item_id in items:
                do_one(operation, item_id, now=timezone.now())
            if time.monotonic() > ends:
                release(operation)
                wake.bulk(operation.pk)
                return
        _end(operation, now=timezone.now())
    except LostRace:
        return


def take(operation_id: uuid.UUID, *, now: datetime) -> BulkOperation | None:
    """Lease an operation to the caller. None if it has ended, is leased to another worker, or is gone."""
    unfinished = BulkOperation.objects.filter(pk=operation_id, status__in=UNFINISHED)
    taken = unfinished.filter(is_free(now)).update(
        lease_owner=uuid7(),
        lease_epoch=F("lease_epoch") + 1,
        lease_expires_at=lease_end(now),
        status=BulkOperation.Status.RUNNING,
    )
    if not taken:
        return None
    BulkOperation.objects.filter(pk=operation_id, started_at=None).update(started_at=now)
    return BulkOperation.objects.get(pk=operation_id)


def release(operation: BulkOperation) -> None:
    """Give the lease on an operation back, if it is still held."""
    _held(operation).update(lease_owner=None, lease_expires_at=None)


def _held(operation: BulkOperation) -> QuerySet[BulkOperation]:
    """The row of the operation, if it still runs under the same lease."""
    running = BulkOperation.objects.filter(pk=operation.pk, status=BulkOperation.Status.RUNNING)
    return running.filter(lease_epoch=operation.lease_epoch)


def _end(operation: BulkOperation, *, now: datetime) -> None:
    over = {"status": BulkOperation.Status.DONE, "ended_at": now}
    _held(operation).update(lease_owner=None, lease_expires_at=None, **over)


def _next(operation: BulkOperation) -> list[uuid.UUID]:
    waiting = BulkItem.objects.filter(operation=operation, status=BulkItem.Status.PENDING).order_by("id")
    return list(waiting.values_list("pk", flat=True)[:CHUNK])


def do_one(operation: BulkOperation, item_id: uuid.UUID, *, now: datetime) -> None:
    """Do the act to one batch, and record the outcome. Raises LostRace, and does nothing, if the lease is lost.

    Files that the act needs are written before the transaction, so that no transaction waits for the file storage.
    """
    item = BulkItem.objects.filter(pk=item_id, status=BulkItem.Status.PENDING).first()
    if item is None:
        return
    with _prepared(operation, item, now=now) as prepared:
        _record(operation, item_id, prepared, now=now)


@transaction.atomic
def _record(operation: BulkOperation, item_id: uuid.UUID, prepared: "_Prepared", *, now: datetime) -> None:
    """Do the act and record its outcome in one transaction.

    The operation is locked first, so that no other worker takes it over meanwhile. The item is locked before the batch, as in
    the removal of a batch, so that no deadlock arises.
    """
    if not _held(operation).update(lease_expires_at=lease_end(now)):
        raise LostRace
    item = BulkItem.objects.select_for_update().filter(pk=item_id, status=BulkItem.Status.PENDING).first()
    if item is None:
        return
    status, note = _outcome(operation, item.batch_id, prepared, now=now)
    BulkItem.objects.filter(pk=item.pk).update(status=status, note=note[:NOTE_CHARS], ended_at=now)
    BulkOperation.objects.filter(pk=operation.pk).update(**{status.value: F(status.value) + 1})


@dataclass(frozen=True, slots=True)
class _Prepared:
    """The files that were written for an act, or the error that prevented it."""

    requests: ChildInput | None = None
    refusal: Exception | None = None


@contextmanager
def _prepared(operation: BulkOperation, item: BulkItem, *, now: datetime) -> Iterator[_Prepared]:
    act, batch = BulkAct(operation.act), _batch(item.batch_id)
    with ExitStack() as kept:
        try:
            prepared = _Prepared(kept.enter_context(VERBS[act].prepare(batch, operation.parameters, now)))
        except (OperationalError, InterfaceError):
            raise
        except Exception as refusal:  # noqa: BLE001 - the error is recorded as the outcome of the act
            prepared = _Prepared(refusal=refusal)
        yield prepared


def _batch(batch_id: uuid.UUID) -> Batch:
    return Batch.objects.select_related("project", "provider", "input_file").get(pk=batch_id)


def _outcome(operation: BulkOperation, batch_id: uuid.UUID, prepared: _Prepared, *, now: datetime) -> Outcome:
    """Check the batch again, do the act if the batch is still eligible, and return the status and a note of the outcome."""
    owner = User.objects.filter(pk=operation.owner_id).first() if operation.owner_id else None
    if owner is None:
        return BulkItem.Status.SKIPPED, _sentence(Obstacle.NOT_PERMITTED)
    act = BulkAct(operation.act)
    question = Question(act, operation.parameters, access_of(owner, source=Source(operation.source)), now)
    rows = Batch.objects.filter(pk=batch_id)
    if obstacle := rows.annotate(obstacle=question.obstacle).values_list("obstacle", flat=True)[0]:
        return BulkItem.Status.SKIPPED, _sentence(Obstacle(obstacle))
    actor = Actor(operation.actor, Source(operation.source), operation=operation.pk)
    try:
        if prepared.refusal:
            raise prepared.refusal
        with transaction.atomic():
            doing = Doing(operation.parameters, actor, now, operation.reason, prepared.requests)
            return BulkItem.Status.DONE, VERBS[act].do(_batch(batch_id), doing)
    except (InProgress, LostRace) as error:  # a later try may succeed
        return BulkItem.Status.FAILED, error.message
    except (Conflict, Gone) as error:
        return BulkItem.Status.SKIPPED, error.message
    except PortalError as error:
        return BulkItem.Status.FAILED, error.message
    except (OperationalError, InterfaceError):  # the database's trouble, not the batch's
        raise
    except Exception:
        logger.exception("bulk operation %s could not %s batch %s", operation.pk, act, batch_id)
        return BulkItem.Status.FAILED, "Something went wrong inside the portal; its log says what."


def _sentence(obstacle: Obstacle) -> str:
    return f"{obstacle.label[0].upper()}{obstacle.label[1:]}."

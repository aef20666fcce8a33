"""create: record an act on many batches with all of its batches, and start it."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction
from uuid_utils.compat import uuid7

from batches.models import BulkAct, BulkItem, BulkOperation, bulk
from batches.models.batch import BatchQuerySet
from batches.rules.actors import REASON_CHARS
from batches.rules.errors import Conflict, InvalidRequest, LostRace
from batches.services.bulk.acts import Parameters
from batches.services.bulk.choice import Choice
from batches.services.bulk.preview import has_to_be_typed, words
from batches.services.bulk.question import Question
from batches.services.core import wake
from batches.services.core.access import Access, Right
from batches.services.core.audit import record_act, record_refusal


class TooMany(InvalidRequest):
    """More batches than one operation may be about."""

    code = "too_many_batches"


class NotConfirmed(InvalidRequest):
    """The number of batches was not typed as it was shown."""

    code = "not_confirmed"


class MoreThanShown(Conflict):
    """The act would catch more batches than was shown."""

    code = "more_than_shown"


@dataclass(frozen=True, slots=True)
class Order:
    """An act as a person confirmed it. `shown` is the number of eligible batches that the person saw.

    Only batches that were `created_before` the preview are touched. `typed` is the number that the person typed. Two orders
    with one `token` are one operation.
    """

    act: BulkAct
    reason: str
    token: uuid.UUID
    created_before: datetime
    shown: int
    typed: int | None = None
    parameters: Parameters = field(default_factory=Parameters)
    retry_of: BulkOperation | None = None


def create(choice: Choice, order: Order, *, by: Access, now: datetime) -> BulkOperation:
    """Create an operation and start it. If the order comes twice, return the existing operation.

    All batches that were chosen by their ids are items of the operation, and each has an outcome. Of a filter's batches only
    the eligible ones are items. Raises InvalidRequest, TooMany, NotConfirmed, and MoreThanShown.
    """
    if earlier := _earlier(order, by):
        return earlier
    reason = _reason(order)
    moment = min(order.created_before, now)
    choice = choice.created_before(moment)
    able = Question(order.act, order.parameters, by, moment).eligible(choice.rows)
    count = able.order_by()[: settings.BULK_OPERATION_MAX_BATCHES + 1].count()
    _require_as_shown(order, count)
    rows = able if choice.query else choice.rows
    if not choice.query:
        _note_refusals(choice.rows, order, by=by, now=now)
    try:
        with transaction.atomic():
            operation = _record(order, choice, by=by, now=now, reason=reason, moment=moment)
            keys = list(rows.order_by("created_at", "id").values_list("pk", flat=True))
            if choice.query:
                _require_as_shown(order, len(keys))  # batches may have become eligible since the count
            _add_items(operation, keys)
            about = f"{words(order.act, operation.total, order.parameters)}: {reason}"
            record_act(f"bulk_{order.act}", actor=by.actor, now=now, target=operation, reason=about)
            wake.bulk(operation.id)
    except IntegrityError:
        if earlier := _earlier(order, by):
            return earlier
        raise LostRace("Some of these batches were deleted meanwhile. Preview the act again.") from None
    return operation


def _earlier(order: Order, by: Access) -> BulkOperation | None:
    found = BulkOperation.objects.filter(token=order.token).first()
    if found is not None and found.owner_id != by.user.pk:
        raise InvalidRequest("Another person used this token.", param="token")
    return found


def _reason(order: Order) -> str:
    reason = order.reason.strip()
    if not 1 <= len(reason) <= REASON_CHARS or "\0" in reason:
        raise InvalidRequest(f"Give a reason, of 1 to {REASON_CHARS} characters.", param="reason")
    return reason


def _require_as_shown(order: Order, count: int) -> None:
    most = settings.BULK_OPERATION_MAX_BATCHES
    if count > most:
        raise TooMany(f"One operation acts on {most:,} batches at most, and more match. Narrow the filter.", param="query")
    if count > order.shown:
        raise MoreThanShown(f"The act now fits {count:,} batches; the preview showed {order.shown:,}. Preview it again.")
    if has_to_be_typed(order.shown) and order.typed != order.shown:
        raise NotConfirmed(f"Type {order.shown} to confirm.", param="typed")


def _note_refusals(rows: BatchQuerySet, order: Order, *, by: Access, now: datetime) -> None:
    refused = rows.count() - by.within(rows, right=Right.ACT).count()
    if refused:
        record_refusal(f"bulk_{order.act}", actor=by.actor, now=now, reason=f"{refused} of those chosen: {order.reason}")


def _record(order: Order, choice: Choice, *, by: Access, now: datetime, reason: str, moment: datetime) -> BulkOperation:
    return BulkOperation.objects.create(
        owner=by.user,
        actor=by.actor.name[:200],
        source=by.actor.source,
        act=order.act,
        parameters=order.parameters,
        query=choice.query,
        reason=reason,
        token=order.token,
        created_before=moment,
        retry_of=order.retry_of,
        created_at=now,
    )


def _add_items(operation: BulkOperation, keys: Iterable[uuid.UUID]) -> None:
    """Add an item for each batch. An operation without batches ends at once."""
    items = [(uuid7(), operation.pk, key, BulkItem.Status.PENDING, "") for key in keys]
    bulk.insert(BulkItem, ("id", "operation", "batch", "status", "note"), items)
    operation.total = len(items)
    if not items:
        operation.status, operation.ended_at = BulkOperation.Status.DONE, operation.created_at
    operation.save(update_fields=["total", "status", "ended_at"])

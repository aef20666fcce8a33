"""retry_preview: how many objects a retry would send at this moment, and why it would leave the rest out. Changes nothing."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from batches.models import Batch, Counts
from batches.rules.states import ObjectStatus
from batches.services.retry.child import UNSUCCESSFUL, Elsewhere, retriable_lineage
from batches.services.retry.retry import RetryMode, mode_of
from batches.services.retry.selection import EVERYTHING, Selection, chosen, require_known

LINES_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class RetryPreview:
    """How many of the selected objects would be sent again, and how many would be left out for each reason.

    `cost` is an estimate: the average cost of the batch's objects until now, times the number sent again. None if unknown.
    """

    mode: RetryMode
    retried: int
    not_failed: int  # selected by their lines, although they have succeeded or not settled
    succeeded_elsewhere: int  # in another batch of the lineage
    taken_up: int  # in another batch of the lineage that has not ended
    cost: Decimal | None = None


def preview(batch: Batch, *, selection: Selection, now: datetime) -> RetryPreview:
    """The preview of `retry`. Raises the errors of `retry`, except NothingToRetry. At most eight queries in a lineage of one."""
    mode = mode_of(batch)
    require_known(batch, selection)
    members = [] if mode is RetryMode.IN_PLACE else retriable_lineage(batch, now=now)
    return _told(batch, selection, mode, Elsewhere(batch, members))


def _told(batch: Batch, selection: Selection, mode: RetryMode, elsewhere: Elsewhere) -> RetryPreview:
    counts = batch.counts
    found = succeeded = taken = 0
    if selection == EVERYTHING and not elsewhere.others:
        found = (counts.failed if mode is RetryMode.IN_PLACE else counts.unsuccessful) - batch.skipped_lines
    else:
        statuses = (ObjectStatus.FAILED,) if mode is RetryMode.IN_PLACE else tuple(UNSUCCESSFUL)
        for first in range(1, counts.total + 1, LINES_AT_ONCE):
            last = first + LINES_AT_ONCE - 1
            objects = chosen(batch, selection, first_line=first, last_line=last, statuses=statuses)
            taken_up = elsewhere.taken_up(objects)
            found += len(objects)
            succeeded += sum(item.custom_id in taken_up.succeeded for item in objects)
            taken += sum(item.custom_id in taken_up.unfinished for item in objects)
    retried = found - succeeded - taken
    not_failed = 0 if selection.lines is None else len(selection.lines) - found
    return RetryPreview(mode, retried, not_failed, succeeded, taken, _cost(counts, retried))


def _cost(counts: Counts, objects: int) -> Decimal | None:
    priced = counts.succeeded - counts.unpriced
    return Decimal(counts.cost_nanos).scaleb(-9) * objects / priced if counts.cost_nanos and priced > 0 else None

"""retry_preview: what a retry would send again at this moment, and why it would leave the rest out. Changes nothing."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from batches.models import Batch, Counts
from batches.services.retry import Mode, mode_of
from batches.services.retry_child import UNSUCCESSFUL, TakenUp, retriable_lineage, taken_up
from batches.services.selection import EVERYTHING, Selection, chosen, require_known
from batches.states import ObjectStatus

LAST_LINE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Preview:
    """How many of the selected objects would be sent again, and how many left out: for what they are, or are elsewhere.

    `cost` is what the objects of the batch have cost until now on average, so many times; None while that is not known.
    """

    mode: Mode
    retried: int
    not_failed: int  # selected by their lines, and succeeded or not settled
    succeeded_elsewhere: int  # in another batch of the lineage
    taken_up: int  # in another batch of the lineage that has not ended
    cost: Decimal | None = None


def preview(batch: Batch, *, selection: Selection, now: datetime) -> Preview:
    """What `retry` would do. Raises what it would, but for NothingToRetry. At most eight queries in a lineage of one."""
    mode = mode_of(batch)
    require_known(batch, selection)
    if mode is Mode.IN_PLACE:
        return _told(batch, selection, mode, TakenUp())
    return _told(batch, selection, mode, taken_up(batch, retriable_lineage(batch, now=now)))


def _told(batch: Batch, selection: Selection, mode: Mode, elsewhere: TakenUp) -> Preview:
    counts = batch.counts
    succeeded = taken = 0
    if selection == EVERYTHING and elsewhere == TakenUp():
        found = (counts.failed if mode is Mode.IN_PLACE else counts.unsuccessful) - batch.skipped_lines
    else:
        statuses = (ObjectStatus.FAILED,) if mode is Mode.IN_PLACE else tuple(UNSUCCESSFUL)
        objects = chosen(batch, selection, first_line=1, last_line=LAST_LINE, statuses=statuses)
        found = len(objects)
        succeeded = sum(item.custom_id in elsewhere.succeeded for item in objects)
        taken = sum(item.custom_id in elsewhere.unfinished for item in objects)
    retried = found - succeeded - taken
    not_failed = 0 if selection.lines is None else len(selection.lines) - found
    return Preview(mode, retried, not_failed, succeeded, taken, _cost(counts, retried))


def _cost(counts: Counts, objects: int) -> Decimal | None:
    priced = counts.succeeded - counts.unpriced
    return Decimal(counts.cost_nanos).scaleb(-9) * objects / priced if counts.cost_nanos and priced > 0 else None

"""retry_preview: how many objects a retry would send at this moment, and why it would leave the rest out. Changes nothing."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from batches.models import Batch, Counts, slice_sums
from batches.rules.display.counted import amount_of
from batches.rules.states import OPEN, BatchStatus, ObjectStatus
from batches.services.retry.child import UNSUCCESSFUL, Elsewhere, retriable_lineage
from batches.services.retry.prospects import Outlook, Prospect, group_prospects, outlook
from batches.services.retry.retry import RetryMode, mode_of
from batches.services.retry.selection import Selection, chosen, names_whole_batch, require_known
from batches.services.tally.recoveries import lineage_ids

MOST_READ = 20_000


@dataclass(frozen=True, slots=True)
class RetryPreview:
    """How many of the selected objects would be sent again, and how many would be left out for each reason.

    `hopeless` objects would be sent, and fail again. `cost` is an estimate: the average cost of the batch's objects until now,
    times the number sent again. None if unknown.
    """

    mode: RetryMode
    retried: int
    not_failed: int  # selected by their lines, although they have succeeded or not settled
    succeeded_elsewhere: int  # in another batch of the lineage
    taken_up: int  # in another batch of the lineage that has not ended
    hopeless: int = 0
    cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The choices that a retry of a batch has: all prospects, and those of some error groups by their fingerprint."""

    outlook: Outlook
    groups: dict[str, Prospect]


def preview(batch: Batch, *, selection: Selection, now: datetime) -> RetryPreview:
    """The preview of `retry`. Raises the errors of `retry`, except NothingToRetry. At most nine queries in a lineage of one."""
    mode = mode_of(batch)
    require_known(batch, selection)
    members = [] if mode is RetryMode.IN_PLACE else retriable_lineage(batch, now=now)
    if selection.lines is not None:
        return _of_lines(batch, selection, mode, Elsewhere(batch, members))
    prospects = _selected(batch, selection, others=_unfinished(batch, members))
    return _sum(batch, mode, prospects)


def choice(batch: Batch, fingerprints: Sequence[str], *, now: datetime) -> Choice:
    """The prospects of a batch and of these error groups. Raises the errors of `retry`, except NothingToRetry."""
    members = [] if mode_of(batch) is RetryMode.IN_PLACE else retriable_lineage(batch, now=now)
    others = _unfinished(batch, members)
    return Choice(outlook(batch, others=others), group_prospects(batch, fingerprints, others=others))


def outlook_of(batch: Batch) -> Outlook | None:
    """All prospects of a batch that runs or has ended. None while a retry of it is validated: until then it cannot be retried.

    They are not known while retries with more than MOST_READ objects run, because a page must not wait for them.
    """
    members = list(Batch.objects.filter(pk__in=lineage_ids(batch.pk))) if batch.is_terminal else []
    if any(member.status == BatchStatus.VALIDATING for member in members):
        return None
    others = _unfinished(batch, members)
    if sum(counts.total for counts in slice_sums(others).values()) > MOST_READ:
        return Outlook((), batch.skipped_lines, is_known=False)
    return outlook(batch, others=others)


def cost_of(counts: Counts, objects: int) -> Decimal | None:
    """What so many objects will cost if each costs what those have cost that succeeded; None if that is not known."""
    priced = counts.succeeded - counts.unpriced
    return amount_of(counts.cost_nanos) * objects / priced if counts.cost_nanos and priced > 0 else None


def _unfinished(batch: Batch, members: Sequence[Batch]) -> list[uuid.UUID]:
    return [member.pk for member in members if member.pk != batch.pk and member.status in OPEN]


def _selected(batch: Batch, selection: Selection, *, others: Sequence[uuid.UUID]) -> list[Prospect]:
    if not selection.fingerprints:
        found = list(outlook(batch, others=others).prospects)
    else:
        found = list(group_prospects(batch, selection.fingerprints, others=others).values())
        if names_whole_batch(batch, selection):
            whole = (prospect for prospect in outlook(batch, others=others).prospects if not prospect.kind)
            found += [prospect for prospect in whole if prospect.status == ObjectStatus.FAILED]
    return [prospect for prospect in found if not (selection.worth_retrying and prospect.is_hopeless)]


def _sum(batch: Batch, mode: RetryMode, prospects: Sequence[Prospect]) -> RetryPreview:
    retried = sum(prospect.retried for prospect in prospects)
    return RetryPreview(
        mode=mode,
        retried=retried,
        not_failed=0,
        succeeded_elsewhere=sum(prospect.succeeded_elsewhere for prospect in prospects),
        taken_up=sum(prospect.taken_up for prospect in prospects),
        hopeless=sum(prospect.retried for prospect in prospects if prospect.is_hopeless),
        cost=cost_of(batch.counts, retried),
    )


def _of_lines(batch: Batch, selection: Selection, mode: RetryMode, elsewhere: Elsewhere) -> RetryPreview:
    lines = selection.lines or frozenset()
    statuses = (ObjectStatus.FAILED,) if mode is RetryMode.IN_PLACE else tuple(UNSUCCESSFUL)
    objects = chosen(batch, selection, first_line=min(lines), last_line=max(lines), statuses=statuses)
    taken_up = elsewhere.taken_up(objects)
    sent = [item for item in objects if item.custom_id not in taken_up]
    return RetryPreview(
        mode=mode,
        retried=len(sent),
        not_failed=len(lines) - len(objects),
        succeeded_elsewhere=len(taken_up.succeeded),
        taken_up=len(taken_up.unfinished),
        hopeless=sum(item.is_hopeless for item in sent),
        cost=cost_of(batch.counts, len(sent)),
    )

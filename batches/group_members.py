"""What is in an error group: its errors, each with its batch and line, and messages as they came."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from batches.models import BatchError, BatchErrorGroup, ErrorGroup

MOST_MESSAGES = 5
_BATCHES_SAMPLED, _ERRORS_SAMPLED = 20, 200


@dataclass(frozen=True, slots=True)
class MemberPosition:
    """Where a page of members ends: in which batch, when the group was last seen there, and at which line."""

    seen: datetime
    batch_id: uuid.UUID
    line: int


@dataclass(frozen=True, slots=True)
class MemberPage:
    """Some members, and where the next page begins; None on the last one."""

    errors: list[BatchError]
    following: MemberPosition | None


def members(groups: QuerySet[ErrorGroup], fingerprint: str, *, limit: int, after: MemberPosition | None = None) -> MemberPage:
    """The errors of a group whose objects were not sent for again, the batch in which it was seen last first, by line.

    `groups` are those that the reader may see. Five queries at most: how many are in a batch is known, so that no more
    batches are looked into than fill the page.
    """
    wanted = limit + 1
    begun = [] if after is None else _errors(fingerprint).filter(batch=after.batch_id, line__gt=after.line)[:wanted]
    found = list(begun)
    seen = {} if after is None else {after.batch_id: after.seen}
    if len(found) < wanted:
        behind = _in_batches(groups, fingerprint, after=after)[: wanted - len(found)]
        whole: list[uuid.UUID] = []
        room = wanted - len(found)
        for row in behind:
            if room <= 0:
                break
            seen[row.batch_id] = row.last_seen
            whole.append(row.batch_id)
            room -= row.count
        found += _of_batches(fingerprint, whole, wanted - len(found))
    last = found[limit - 1] if len(found) > limit else None
    following = MemberPosition(seen[last.batch_id], last.batch_id, last.line or 0) if last else None
    return MemberPage(found[:limit], following)


def _in_batches(groups: QuerySet[ErrorGroup], fingerprint: str, *, after: MemberPosition | None) -> QuerySet[BatchErrorGroup]:
    same = list(groups.filter(fingerprint=fingerprint).values_list("pk", flat=True))
    rows = BatchErrorGroup.objects.filter(group__in=same, count__gt=0, first_line__isnull=False)
    if after is not None:
        rows = rows.filter(Q(last_seen__lt=after.seen) | Q(last_seen=after.seen, batch_id__lt=after.batch_id))
    return rows.order_by("-last_seen", "-batch_id")


def _of_batches(fingerprint: str, batches: list[uuid.UUID], wanted: int) -> list[BatchError]:
    """The first errors of these batches, in their order: all of each but the last, which may hold many more."""
    if not batches:
        return []
    *whole, last = batches
    rank = {batch_id: number for number, batch_id in enumerate(whole)}
    found = sorted(_errors(fingerprint).filter(batch__in=whole), key=lambda error: (rank[error.batch_id], error.line))
    found += _errors(fingerprint).filter(batch=last)[: max(wanted - len(found), 0)]
    return found[:wanted]


def _errors(fingerprint: str) -> QuerySet[BatchError]:
    found = BatchError.objects.filter(fingerprint=fingerprint, line__isnull=False, retried_at=None)
    return found.order_by("line", "id")


def messages(groups: QuerySet[ErrorGroup], fingerprint: str) -> list[str]:
    """Up to MOST_MESSAGES different messages as they came, of the latest batches."""
    same = groups.filter(fingerprint=fingerprint).values_list("pk", "sample")
    samples = dict(same)
    latest = BatchErrorGroup.objects.filter(group__in=list(samples)).order_by("-last_seen")
    batches = list(latest.values_list("batch_id", flat=True)[:_BATCHES_SAMPLED])
    errors = BatchError.objects.filter(batch__in=batches, fingerprint=fingerprint).order_by()
    found = dict.fromkeys(errors.values_list("message", flat=True)[:_ERRORS_SAMPLED])
    return list(found | dict.fromkeys(samples.values()))[:MOST_MESSAGES]

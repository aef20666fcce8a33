"""The members of an error group: its errors, each with its batch and line, and their original messages."""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, QuerySet

from batches.models import Batch, BatchError, BatchErrorGroup, ErrorGroup, bulk
from batches.rules.keyset import moment_as_number, number_as_moment

MOST_MESSAGES = 5
_BATCHES_SAMPLED, _ERRORS_SAMPLED = 20, 200


@dataclass(frozen=True, slots=True)
class MemberPosition:
    """The end of a page of members: the last batch, when the group was last seen there, and the line."""

    seen: datetime
    batch_id: uuid.UUID
    line: int

    def __str__(self) -> str:
        return f"{moment_as_number(self.seen)}.{self.batch_id.hex}.{self.line}"

    @classmethod
    def read(cls, text: str) -> "MemberPosition | None":
        """The position that this text was written from; None if it is no position."""
        match = re.fullmatch(r"([0-9]{1,17})\.([0-9a-f]{32})\.([0-9]{1,9})", text, re.ASCII)
        return cls(number_as_moment(int(match[1])), uuid.UUID(match[2]), int(match[3])) if match else None


@dataclass(frozen=True, slots=True)
class MemberPage:
    """A page of members, and the position of the next page; None on the last page."""

    errors: list[BatchError]
    following: MemberPosition | None


def members(groups: QuerySet[ErrorGroup], fingerprint: str, *, limit: int, after: MemberPosition | None = None) -> MemberPage:
    """The errors of a group whose objects were not sent again: by batch, the one last seen first, and by line.

    `groups` are the groups that the reader may see. At most five queries: the count in each batch is known, so that only the
    batches of this page are read.
    """
    wanted = limit + 1
    keys = list(groups.filter(fingerprint=fingerprint).order_by().values_list("pk", flat=True))
    found = [] if after is None else list(_behind(fingerprint, keys, after)[:wanted])
    seen = {} if after is None else {after.batch_id: after.seen}
    if len(found) < wanted:
        whole: list[uuid.UUID] = []
        room = wanted - len(found)
        for row in _latest(keys, limit=room, after=after):
            if room <= 0:
                break
            seen[row.batch_id] = row.last_seen
            whole.append(row.batch_id)
            room -= row.count
        found += _of_batches(fingerprint, whole, wanted - len(found))
    last = found[limit - 1] if len(found) > limit else None
    following = MemberPosition(seen[last.batch_id], last.batch_id, last.line or 0) if last else None
    return MemberPage(found[:limit], following)


def touched(groups: QuerySet[ErrorGroup], fingerprint: str, *, limit: int) -> list[BatchErrorGroup]:
    """The batches with errors of a group whose objects were not sent again, with their count, the one last seen first."""
    same = groups.filter(fingerprint=fingerprint).order_by().values_list("pk", flat=True)
    rows = _latest(list(same), limit=limit)
    batches = Batch.objects.select_related("project", "provider", "input_file").in_bulk([row.batch_id for row in rows])
    for row in rows:
        row.batch = batches[row.batch_id]
    return rows


def _latest(keys: Sequence[uuid.UUID], *, limit: int, after: MemberPosition | None = None) -> list[BatchErrorGroup]:
    """The rows of these groups in the batches where they were last seen. At most `limit` rows of each group are read.

    The statement reads group by group, because PostgreSQL's planner by itself would sort all rows of all groups.
    """
    if not keys:
        return []
    behind, position = "", []
    if after is not None:
        behind = "AND last_seen <= %s AND (last_seen < %s OR batch_id < %s)"
        seen = bulk.adapt(BatchErrorGroup, "last_seen", after.seen)
        position = [seen, seen, bulk.adapt(BatchErrorGroup, "batch", after.batch_id)]
    order = f"ORDER BY last_seen DESC, batch_id DESC LIMIT {limit:d}"
    of_one = f"""SELECT * FROM (SELECT * FROM {BatchErrorGroup._meta.db_table}
                  WHERE group_id = %s AND count > 0 AND first_line IS NOT NULL {behind} {order}) latest"""  # noqa: S608 - names only
    parameters = [value for key in keys for value in (bulk.adapt(BatchErrorGroup, "group", key), *position)]
    return list(BatchErrorGroup.objects.raw(f"{' UNION ALL '.join([of_one] * len(keys))} {order}", parameters))


def _of_batches(fingerprint: str, batches: list[uuid.UUID], wanted: int) -> list[BatchError]:
    """The first errors of these batches, in the order of the batches. The last batch may have more errors."""
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


def _behind(fingerprint: str, keys: Sequence[uuid.UUID], after: MemberPosition) -> QuerySet[BatchError]:
    """The remaining errors of the batch that the last page began. A forged position in another project's batch gives none."""
    touched = BatchErrorGroup.objects.filter(batch=after.batch_id, group__in=keys)
    return _errors(fingerprint).filter(Exists(touched), batch=after.batch_id, line__gt=after.line)


def messages(groups: QuerySet[ErrorGroup], fingerprint: str) -> list[str]:
    """Up to MOST_MESSAGES different original messages from the latest batches."""
    same = groups.filter(fingerprint=fingerprint).values_list("pk", "sample")
    samples = dict(same)
    batches = [row.batch_id for row in _latest(list(samples), limit=_BATCHES_SAMPLED)]
    errors = BatchError.objects.filter(batch__in=batches, fingerprint=fingerprint).order_by()
    found = dict.fromkeys(errors.values_list("message", flat=True)[:_ERRORS_SAMPLED])
    return list(found | dict.fromkeys(samples.values()))[:MOST_MESSAGES]

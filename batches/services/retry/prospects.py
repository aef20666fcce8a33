"""The prospects of a retry: how many objects it would send for each reason, and whether that can help.

The numbers come from counts that are kept with every failure and every ended retry. Only objects of retries that have not
ended are read from rows.
"""

import uuid
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Sum

from batches.models import Batch, BatchError, BatchErrorGroup, BatchObject, bulk
from batches.rules.states import ObjectStatus
from batches.services.retry.selection import HOPELESS

_OBJECT, _ERROR = BatchObject._meta.db_table, BatchError._meta.db_table


@dataclass(frozen=True, slots=True)
class Prospect:
    """The objects of a batch that ended for one reason: all of them, and those that a retry would leave out.

    `kind` is the kind of their failure; empty if they never ran, or failed with the batch as a whole.
    """

    status: ObjectStatus
    kind: str
    total: int
    succeeded_elsewhere: int = 0  # in another batch of the lineage
    taken_up: int = 0  # in another batch of the lineage that has not ended

    @property
    def retried(self) -> int:
        """How many a retry would send."""
        return max(self.total - self.succeeded_elsewhere - self.taken_up, 0)

    @property
    def is_hopeless(self) -> bool:
        """Whether another try will not mend them."""
        return self.status == ObjectStatus.FAILED and self.kind in HOPELESS


@dataclass(frozen=True, slots=True)
class Outlook:
    """All prospects of a batch. `skipped_lines` are invalid lines of its input, which are never sent.

    The prospects are not known, and left out, where too many rows would have to be read for them.
    """

    prospects: Sequence[Prospect]
    skipped_lines: int = 0
    is_known: bool = True

    @property
    def may_send(self) -> bool:
        """Whether a retry may have something to send."""
        return self.retried > 0 or not self.is_known

    @property
    def retried(self) -> int:
        """How many objects a retry of everything would send."""
        return sum(prospect.retried for prospect in self.prospects)

    @property
    def worth_retrying(self) -> int:
        """How many of these may succeed at another try."""
        return sum(prospect.retried for prospect in self.prospects if not prospect.is_hopeless)

    @property
    def hopeless(self) -> int:
        """How many of these will fail again."""
        return self.retried - self.worth_retrying


def outlook(batch: Batch, *, others: Collection[uuid.UUID]) -> Outlook:
    """The prospects of all objects. `others` are the batches of the lineage that have not ended. At most two queries."""
    groups = BatchErrorGroup.objects.filter(batch=batch, first_line__isnull=False).exclude(group__kind="").order_by()
    rows = groups.values_list("group__kind").annotate(Sum("count"), Sum("recovered"))
    failed = {kind: (count, recovered) for kind, count, recovered in rows if count}
    # Objects that failed with the batch as a whole have no error of their own.
    counts = batch.counts
    whole = counts.failed - batch.skipped_lines - sum(count for count, _ in failed.values())
    failed[""] = whole, batch.recovered_failed - sum(recovered for _, recovered in failed.values())
    totals = {(ObjectStatus.FAILED, kind): numbers for kind, numbers in failed.items()}
    if batch.is_terminal:
        totals[ObjectStatus.CANCELLED, ""] = counts.cancelled, batch.recovered_cancelled
        totals[ObjectStatus.EXPIRED, ""] = counts.expired, batch.recovered_expired
    succeeded, unfinished = _elsewhere(batch, others)
    found = [
        Prospect(status, kind, total, max(recovered, 0) + succeeded[status, kind], unfinished[status, kind])
        for (status, kind), (total, recovered) in totals.items()
        if total > 0
    ]
    return Outlook(sorted(found, key=lambda each: (each.is_hopeless, -each.retried)), batch.skipped_lines)


def group_prospects(batch: Batch, fingerprints: Collection[str], *, others: Collection[uuid.UUID]) -> dict[str, Prospect]:
    """The prospects of these error groups of the batch. At most two queries."""
    groups = BatchErrorGroup.objects.filter(batch=batch, group__fingerprint__in=fingerprints, first_line__isnull=False)
    rows = groups.exclude(group__kind="").values_list("group__fingerprint", "group__kind", "count", "recovered")
    taken_up = _groups_elsewhere(batch, others)
    return {
        fingerprint: Prospect(ObjectStatus.FAILED, kind, count, recovered, taken_up[fingerprint])
        for fingerprint, kind, count, recovered in rows
    }


# --- In retries that have not ended ------------------------------------------------------------------------------

_ELSEWHERE = f"""
    SELECT o.status, o.kind, s.status, count(*)
      FROM {_OBJECT} s JOIN {_OBJECT} o ON o.batch_id = %s AND o.custom_id = s.custom_id
     WHERE s.batch_id IN ({{others}}) AND o.status <> '{ObjectStatus.SUCCEEDED.value}'
     GROUP BY o.status, o.kind, s.status
"""  # noqa: S608 - the name of a table and a status only
_GROUPS_ELSEWHERE = f"""
    SELECT e.fingerprint, count(*) FROM {_ERROR} e CROSS JOIN {_OBJECT} o
     WHERE e.batch_id = %s AND e.retried_at IS NULL
       AND o.batch_id = e.batch_id AND o.line = e.line AND o.round = e.round AND o.status = '{ObjectStatus.FAILED.value}'
       AND o.custom_id IN (SELECT s.custom_id FROM {_OBJECT} s WHERE s.batch_id IN ({{others}}))
     GROUP BY e.fingerprint
"""  # noqa: S608 - names of tables and a status only

_Reason = tuple[ObjectStatus, str]


def _elsewhere(batch: Batch, others: Collection[uuid.UUID]) -> tuple[Counter[_Reason], Counter[_Reason]]:
    """How many objects have succeeded in these other batches, and how many have not, by status and kind."""
    succeeded: Counter[_Reason] = Counter()
    unfinished: Counter[_Reason] = Counter()
    for status, kind, there, count in _rows(_ELSEWHERE, batch, others):
        reason = ObjectStatus(status), kind if status == ObjectStatus.FAILED else ""
        (succeeded if there == ObjectStatus.SUCCEEDED else unfinished)[reason] += count
    return succeeded, unfinished


def _groups_elsewhere(batch: Batch, others: Collection[uuid.UUID]) -> Counter[str]:
    return Counter(dict(_rows(_GROUPS_ELSEWHERE, batch, others)))


def _rows(sql: str, batch: Batch, others: Collection[uuid.UUID]) -> list[tuple[Any, ...]]:
    if not others:
        return []
    keys = [bulk.adapt(Batch, "id", pk) for pk in others]
    with bulk.row_by_row(), bulk.cursor() as cursor:
        cursor.execute(sql.format(others=bulk.placeholders(keys)), [bulk.adapt(Batch, "id", batch.pk), *keys])
        return list(cursor.fetchall())

"""recoveries: count what the retries of a batch have recovered, in every batch of the lineage.

An object without success is recovered when its request succeeded in another batch of the lineage that has ended. The numbers
are computed anew from rows in the transaction that ends a retry, so nothing is counted twice, whichever retry ends first.
"""

import logging
import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q

from batches.models import Batch, BatchError, BatchErrorGroup, BatchObject, bulk
from batches.models.recovered import is_uncounted
from batches.rules.states import SETTLED, ObjectStatus

RECOVERABLE = tuple(sorted(status.value for status in SETTLED - {ObjectStatus.SUCCEEDED}))
LINEAGES_AT_ONCE = 500

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recoveries:
    """The recovered objects of one batch: by status, and by the fingerprint of their error."""

    statuses: Mapping[str, int] = field(default_factory=dict)
    groups: Mapping[str, int] = field(default_factory=dict)

    @property
    def columns(self) -> dict[str, int]:
        """The values of the batch's columns."""
        return {f"recovered_{status}": self.statuses.get(status, 0) for status in RECOVERABLE}


@transaction.atomic
def count_recoveries(batch: Batch) -> None:
    """Count anew what is recovered in each batch of the lineage of `batch`. The root is locked until the transaction ends."""
    lock_lineage(batch)
    truth = recoveries(members := lineage_ids(batch.pk))
    for member in Batch.objects.filter(pk__in=members).order_by("pk"):
        columns = truth[member.pk].columns
        if any(getattr(member, name) != count for name, count in columns.items()):
            Batch.objects.filter(pk=member.pk).update(**columns)
    _count_groups(truth)
    Batch.objects.filter(is_uncounted(), pk__in=members).update(recoveries_counted=True)


def lock_lineage(batch: Batch) -> Batch:
    """The root of a batch's lineage, locked until the transaction ends. A caller that locks other members locks it first."""
    return Batch.objects.select_for_update(no_key=True).get(pk=lineage_ids(batch.pk)[0])


def count_missed_recoveries() -> int:
    """Count retries that ended while nobody counted them: before an upgrade, or without any object. Return how many lineages.

    A lineage that fails is logged, and the others are counted.
    """
    missed = Batch.objects.filter(is_uncounted()).order_by("pk")[:LINEAGES_AT_ONCE]
    counted = 0
    for batch in missed:
        if Batch.objects.filter(is_uncounted(), pk=batch.pk).exists():  # another retry of its lineage may have counted it
            try:
                count_recoveries(batch)
            except (OperationalError, InterfaceError):
                raise
            except Exception:
                logger.exception("What the retries of %s have recovered could not be counted", batch)
                continue
            counted += 1
    return counted


def _count_groups(truth: Mapping[uuid.UUID, Recoveries]) -> None:
    named = {fingerprint for found in truth.values() for fingerprint in found.groups}
    groups = BatchErrorGroup.objects.filter(Q(recovered__gt=0) | Q(group__fingerprint__in=named), batch__in=truth)
    rows = groups.order_by("group_id", "batch_id").values_list("pk", "batch_id", "group__fingerprint", "recovered")
    for pk, batch_id, fingerprint, recovered in list(rows):
        true = truth[batch_id].groups.get(fingerprint, 0)
        if recovered != true:
            BatchErrorGroup.objects.filter(pk=pk).update(recovered=true)


# --- From rows -------------------------------------------------------------------------------------------------

_BATCH, _OBJECT, _ERROR = Batch._meta.db_table, BatchObject._meta.db_table, BatchError._meta.db_table
_LINEAGE = f"""
      WITH RECURSIVE ancestors (origin, id, parent_id) AS (
           SELECT id, id, parent_id FROM {_BATCH} WHERE id IN ({{batches}})
            UNION
           SELECT a.origin, b.id, b.parent_id FROM {_BATCH} b JOIN ancestors a ON b.id = a.parent_id),
           members (origin, id, parent_id) AS (
           SELECT origin, id, parent_id FROM ancestors WHERE parent_id IS NULL
            UNION
           SELECT m.origin, b.id, b.parent_id FROM {_BATCH} b JOIN members m ON b.parent_id = m.id)
    SELECT origin, id FROM members ORDER BY parent_id IS NOT NULL, id
"""  # noqa: S608 - the name of a table only
# A retry has only requests that succeeded in no batch before it, so each success of a retry recovers its request elsewhere.
_SUCCEEDED = f"""
    SELECT s.custom_id FROM {_OBJECT} s JOIN {_BATCH} b ON b.id = s.batch_id
     WHERE s.batch_id IN ({{retries}}) AND s.status = '{ObjectStatus.SUCCEEDED.value}' AND b.ended_at IS NOT NULL
"""  # noqa: S608 - names of tables and a status only
_STATUSES = f"""
    SELECT o.batch_id, o.status, count(*) FROM {_OBJECT} o
     WHERE o.batch_id IN ({{members}}) AND o.custom_id IN ({_SUCCEEDED})
       AND o.status IN ({", ".join(f"'{status}'" for status in RECOVERABLE)})
     GROUP BY o.batch_id, o.status
"""  # noqa: S608 - the name of a table and statuses only
# The errors come first: there are as many as failures, and each finds its object by the line.
_GROUPS = f"""
    SELECT e.batch_id, e.fingerprint, count(*) FROM {_ERROR} e CROSS JOIN {_OBJECT} o
     WHERE e.batch_id IN ({{members}}) AND e.retried_at IS NULL
       AND o.batch_id = e.batch_id AND o.line = e.line AND o.round = e.round AND o.status = '{ObjectStatus.FAILED.value}'
       AND o.custom_id IN ({_SUCCEEDED})
     GROUP BY e.batch_id, e.fingerprint
"""  # noqa: S608 - names of tables and a status only


def lineage_ids(batch_id: uuid.UUID) -> list[uuid.UUID]:
    """The ids of all batches of a lineage, the root first. One query."""
    return lineages([batch_id])[batch_id]


def lineages(batches: Collection[uuid.UUID]) -> dict[uuid.UUID, list[uuid.UUID]]:
    """For each of these batches the ids of all batches of its lineage, the root first. One query for all."""
    keys = [bulk.adapt(Batch, "id", pk) for pk in batches]
    found: dict[uuid.UUID, list[uuid.UUID]] = {pk: [] for pk in batches}
    if keys:
        with bulk.cursor() as cursor:
            cursor.execute(_LINEAGE.format(batches=bulk.placeholders(keys)), keys)
            for origin, pk in cursor.fetchall():
                found[bulk.as_uuid(origin)].append(bulk.as_uuid(pk))
    return found


def recoveries(members: Sequence[uuid.UUID]) -> dict[uuid.UUID, Recoveries]:
    """What is recovered in each batch of a lineage, whose root is the first of `members`. The work grows with the retries."""
    statuses: dict[uuid.UUID, Counter[str]] = {pk: Counter() for pk in members}
    groups: dict[uuid.UUID, Counter[str]] = {pk: Counter() for pk in members}
    if len(members) > 1:
        for found, sql in ((statuses, _STATUSES), (groups, _GROUPS)):
            for batch_id, word, count in _rows(sql, members):
                found[batch_id][word] = count
    return {pk: Recoveries(statuses[pk], groups[pk]) for pk in members}


def _rows(sql: str, members: Sequence[uuid.UUID]) -> list[tuple[uuid.UUID, str, int]]:
    keys = [bulk.adapt(Batch, "id", pk) for pk in members]
    named = {"members": bulk.placeholders(keys), "retries": bulk.placeholders(keys[1:])}
    with bulk.row_by_row(), bulk.cursor() as cursor:
        cursor.execute(sql.format(**named), [*keys, *keys[1:]])
        return [(bulk.as_uuid(pk), word, count) for pk, word, count in cursor.fetchall()]

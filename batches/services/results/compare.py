"""The comparison of the outcomes of two batches, object by object, matched by custom_id.

Pairs are in the order of the first batch. Objects that only the second batch has come last.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db import models

from batches.models import Batch, BatchObject, bulk
from batches.rules.states import ObjectStatus

_PLACE = re.compile(r"(first|second)-(\d{1,9})", re.ASCII)
_FROM_THE_START = "first-0"


class BadPlace(ValueError):
    """A text is no position of a page of pairs."""


class Verdict(models.TextChoices):
    """The outcomes of two objects with one custom_id in both batches compared, the most important verdict first."""

    REGRESSED = "regressed", "Regressed"
    FIXED = "fixed", "Fixed"
    BOTH_FAILED = "both_failed", "Failed in both"
    ONLY_FIRST = "only_first", "Only in the first"
    ONLY_SECOND = "only_second", "Only in the second"
    OPEN = "open", "Not settled yet"
    BOTH_FINE = "both_fine", "Succeeded in both"

    @property
    def sentence(self) -> str:
        """The meaning of this verdict, for people."""
        return _SENTENCES[self]

    @classmethod
    def of(cls, first_status: str, second_status: str) -> "Verdict":
        """The verdict on two statuses. A status is empty if the batch does not have the object."""
        if not first_status or not second_status:
            return cls.ONLY_FIRST if first_status else cls.ONLY_SECOND
        if ObjectStatus.PENDING in (first_status, second_status):
            return cls.OPEN
        fine = first_status == ObjectStatus.SUCCEEDED, second_status == ObjectStatus.SUCCEEDED
        return _BY_SUCCESS[fine]


_BY_SUCCESS = {
    (True, True): Verdict.BOTH_FINE,
    (True, False): Verdict.REGRESSED,
    (False, True): Verdict.FIXED,
    (False, False): Verdict.BOTH_FAILED,
}
_SENTENCES = {
    Verdict.REGRESSED: "Succeeded in the first batch and not in the second.",
    Verdict.FIXED: "Succeeded in the second batch and not in the first.",
    Verdict.BOTH_FAILED: "Succeeded in neither batch.",
    Verdict.ONLY_FIRST: "The second batch has no request with this custom_id.",
    Verdict.ONLY_SECOND: "The first batch has no request with this custom_id.",
    Verdict.OPEN: "Has no outcome yet in one of the batches.",
    Verdict.BOTH_FINE: "Succeeded in both batches.",
}
DIFFERENCES = tuple(verdict for verdict in Verdict if verdict != Verdict.BOTH_FINE)


@dataclass(frozen=True, slots=True)
class Pair:
    """One custom_id in both batches. Line and status are empty for a batch that does not have it."""

    custom_id: str
    verdict: Verdict
    first_line: int | None
    first_status: str
    second_line: int | None
    second_status: str


_TABLE = BatchObject._meta.db_table
_FINE, _PENDING = ObjectStatus.SUCCEEDED.value, ObjectStatus.PENDING.value
_VERDICT = f"""
      CASE WHEN b.line IS NULL THEN '{Verdict.ONLY_FIRST.value}'
           WHEN a.status = '{_PENDING}' OR b.status = '{_PENDING}' THEN '{Verdict.OPEN.value}'
           WHEN a.status = '{_FINE}' AND b.status = '{_FINE}' THEN '{Verdict.BOTH_FINE.value}'
           WHEN a.status = '{_FINE}' THEN '{Verdict.REGRESSED.value}'
           WHEN b.status = '{_FINE}' THEN '{Verdict.FIXED.value}'
           ELSE '{Verdict.BOTH_FAILED.value}' END
"""
# PostgreSQL reads the other batch once and hashes it. Its planner by itself would look every object up in an index over all
# batches. On SQLite a full join of both batches would be quadratic.
_JOINED = f"""
      FROM (SELECT custom_id, line, status FROM {_TABLE} WHERE batch_id = %s AND line > %s) a
      LEFT JOIN other b ON b.custom_id = a.custom_id
"""  # noqa: S608 - the name of a table only
_OTHER = f"""
      WITH other AS {{apart}} (SELECT custom_id, line, status FROM {_TABLE} WHERE batch_id = %s)
"""  # noqa: S608 - the name of a table only
_COUNTS = f"""
    {_OTHER} SELECT {_VERDICT} AS verdict, count(*) {_JOINED} GROUP BY 1
"""
_PAGE = f"""
    {_OTHER}
    SELECT a.custom_id, a.line, a.status, b.line, coalesce(b.status, ''), {_VERDICT}
    {_JOINED}
     WHERE {_VERDICT} IN ({{verdicts}})
     ORDER BY a.line
     LIMIT %s
"""


def compare(first: Batch, second: Batch) -> dict[Verdict, int]:
    """How many pairs have each verdict."""
    with bulk.cursor() as cursor:
        cursor.execute(_COUNTS.format(apart=bulk.apart()), [_key(second), _key(first), 0])
        found = dict(cursor.fetchall())
    counts = {verdict: found.get(verdict.value, 0) for verdict in Verdict}
    matched = sum(counts.values()) - counts[Verdict.ONLY_FIRST]
    counts[Verdict.ONLY_SECOND] = BatchObject.objects.filter(batch=second).count() - matched
    return counts


def pairs(first: Batch, second: Batch, *, verdicts: Collection[Verdict], after: str, limit: int) -> tuple[list[Pair], str | None]:
    """The pairs with these verdicts after a position ("" is the start), and the position of the next page if there are more.

    Raises BadPlace.
    """
    match = _PLACE.fullmatch(after or _FROM_THE_START)
    if match is None:
        raise BadPlace("The address names a page that does not exist.")
    side, line = match[1], int(match[2])
    found: list[Pair] = []
    of_first = [verdict for verdict in verdicts if verdict != Verdict.ONLY_SECOND]
    if side == "first":
        found = [Pair(*pair) for pair in _page(first, second, verdicts=of_first, line=line, limit=limit + 1)]
        line = 0
    if len(found) <= limit and Verdict.ONLY_SECOND in verdicts:
        rest = _page(second, first, verdicts=[Verdict.ONLY_FIRST], line=line, limit=limit + 1 - len(found))
        found += [
            Pair(custom_id, Verdict.ONLY_SECOND, None, "", own_line, status) for custom_id, _, own_line, status, _, _ in rest
        ]
    return found[:limit], place_of(found[limit - 1]) if len(found) > limit else None


def _page(
    one: Batch, other: Batch, *, verdicts: Collection[Verdict], line: int, limit: int
) -> list[tuple[str, Verdict, int, str, int | None, str]]:
    """The objects of one batch after a line, each with the object of the same custom_id in the other batch."""
    if not verdicts:
        return []
    words = [verdict.value for verdict in verdicts]
    with bulk.cursor() as cursor:
        statement = _PAGE.format(apart=bulk.apart(), verdicts=bulk.placeholders(words))
        cursor.execute(statement, [_key(other), _key(one), line, *words, limit])
        return [(custom_id, Verdict(verdict), *rest) for custom_id, *rest, verdict in cursor.fetchall()]


def place_of(pair: Pair) -> str:
    """The position of a pair: the pairs behind it are the next page."""
    return f"second-{pair.second_line}" if pair.first_line is None else f"first-{pair.first_line}"


def _key(batch: Batch) -> Any:
    return bulk.adapt(BatchObject, "batch", batch.pk)

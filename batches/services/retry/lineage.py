"""Lineages: a batch together with all retries of it, and the final outcome of each request.

The root is the batch that the client submitted. Every other batch sends some unsuccessful requests of its `parent` again,
with the same `custom_id`s and in the same order. So every request is in the root. At most one batch of the lineage has a
success for a request (see `services.retry.retry`). If none has, the youngest batch with the request has its final outcome.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from batches.models import SUMMED, Batch, BatchObject, Counts, bulk, load_counts
from batches.models.batch import BatchQuerySet
from batches.rules.states import ObjectStatus
from batches.services.results.object_result import ObjectResult
from batches.services.results.results import PAGE, require_results, results_over

ROWS = 5000  # narrow rows that later pages read at once; the first page is smaller


def lineage(batch: Batch, *, among: BatchQuerySet | None = None) -> list[Batch]:
    """All batches of a lineage, the root first, then the oldest first. Only batches of `among` are followed, if it is given."""
    known = Batch.objects.all() if among is None else among
    root = batch
    while root.parent_id is not None and (parent := known.filter(pk=root.parent_id).first()):
        root = parent
    retries: list[Batch] = []
    generation = [root]
    while generation := list(known.filter(parent__in=generation)):
        retries += generation
    return [root, *sorted(retries, key=lambda member: (member.created_at, member.pk))]


@dataclass(frozen=True, slots=True)
class Merged:
    """The final outcome of one request: its line in the root, and its result with the batch that has it."""

    root_line: int
    batch: Batch
    result: ObjectResult


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request of the root, and the batch and line with its final outcome."""

    root_line: int
    custom_id: str
    status: str
    batch: Batch
    line: int


def merged_results(members: Sequence[Batch], *, after_line: int = 0) -> Iterator[Merged]:
    """The final outcome of every request of the root after a line, pending requests too, in the root's order.

    Memory holds a few thousand narrow rows and a few MB of answers of each batch at a time. Raises Gone, at once, if results
    of a member can no longer be read.
    """
    for member in members:
        require_results(member)
    return _merged(members, after_line=after_line)


def _merged(members: Sequence[Batch], *, after_line: int) -> Iterator[Merged]:
    rows = PAGE
    while page := _page(members[0], after_line=after_line, limit=rows):
        after_line, rows = page[-1].root_line, ROWS
        yield from _read(_decided(page, members[1:]))


def _page(root: Batch, *, after_line: int, limit: int) -> list[_Asked]:
    objects = BatchObject.objects.filter(batch=root, line__gt=after_line).order_by("line")
    rows = objects.values_list("line", "custom_id", "status")[:limit]
    return [_Asked(line, custom_id, status, root, line) for line, custom_id, status in rows]


def _decided(page: Sequence[_Asked], retries: Sequence[Batch]) -> list[_Asked]:
    """The page, each request with the object that has its final outcome: the one that succeeded, or else the youngest."""
    wanted = [asked.custom_id for asked in page if asked.status != ObjectStatus.SUCCEEDED]
    if not retries or not wanted:
        return list(page)
    ages = {batch.pk: age for age, batch in enumerate(retries)}
    best: dict[str, tuple[bool, int, int]] = {}
    objects = BatchObject.objects.filter(batch__in=retries, custom_id__in=wanted).order_by()
    for batch_id, line, custom_id, status in objects.values_list("batch_id", "line", "custom_id", "status"):
        candidate = (status == ObjectStatus.SUCCEEDED, ages[batch_id], line)
        best[custom_id] = max(best.get(custom_id, candidate), candidate)
    return [
        replace(asked, batch=retries[best[asked.custom_id][1]], line=best[asked.custom_id][2])
        if asked.custom_id in best
        else asked
        for asked in page
    ]


def _read(page: Sequence[_Asked]) -> Iterator[Merged]:
    """The results of a page. Each batch is read through once, because it has its requests in the root's order."""
    walks = {}
    for batch in {asked.batch.pk: asked.batch for asked in page}.values():
        lines = [asked.line for asked in page if asked.batch.pk == batch.pk]
        walks[batch.pk] = results_over(batch, first_line=min(lines), last_line=max(lines))
    for asked in page:
        result = next(found for found in walks[asked.batch.pk] if found.line == asked.line)
        yield Merged(asked.root_line, asked.batch, result)


def merged_counts(members: Sequence[Batch]) -> Counts:
    """The counts of the root's requests by their final outcome. Tokens and cost are the sums over all batches."""
    load_counts(members)
    if len(members) == 1:
        return members[0].counts
    spent = {name: sum(getattr(member.counts, name) for member in members) for name in _SPENT}
    return Counts(**_statuses(members), **spent)


_SPENT = (*SUMMED, "unpriced")
# A batch's id is greater than that of any batch it retries.
_STATUSES = f"""
      WITH decided AS (
           SELECT status, row_number() OVER (
                  PARTITION BY custom_id
                  ORDER BY CASE WHEN status = '{ObjectStatus.SUCCEEDED.value}' THEN 0 ELSE 1 END, batch_id DESC) AS place
             FROM {BatchObject._meta.db_table}
            WHERE batch_id IN ({{batches}}))
    SELECT status, count(*)
      FROM decided
     WHERE place = 1
     GROUP BY status
"""  # noqa: S608 - names of a table and a status only


def _statuses(members: Sequence[Batch]) -> dict[str, int]:
    keys = [bulk.adapt(Batch, "id", member.pk) for member in members]
    with bulk.cursor() as cursor:
        cursor.execute(_STATUSES.format(batches=bulk.placeholders(keys)), keys)
        counts = dict.fromkeys(ObjectStatus.values, 0) | dict(cursor.fetchall())
    return {"total": sum(counts.values()), **counts}

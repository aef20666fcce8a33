"""The base of all checks: a check, the batches it looks at, and the disagreements it finds."""

import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from batches.models import LAST_LINE, Batch, Slice, bulk

ROWS_AT_ONCE = 5000  # how many objects one statement compares with other rows; one slice may have that many


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two records that should agree and do not. `subject` is the argument for `mend` of its check."""

    check: "Check"
    text: str
    batch: Batch | None = None
    subject: Any = None

    def __str__(self) -> str:
        return f"{self.check.name}: {self.batch}: {self.text}" if self.batch else f"{self.check.name}: {self.text}"


class NotMended(Exception):
    """A disagreement cannot be mended. The message says why."""


@dataclass(frozen=True, slots=True)
class Part:
    """The lines that one statement looks at: all lines of a few small batches, or some lines of a large batch."""

    batches: tuple[uuid.UUID, ...]
    first_line: int = 0
    last_line: int = LAST_LINE


@dataclass(frozen=True)
class BatchesPage:
    """Batches that are checked together. If only some of their lines are checked, `sample` names the parts."""

    batches: Sequence[Batch]
    sample: Sequence[Part] | None = None

    @cached_property
    def by_id(self) -> dict[uuid.UUID, Batch]:
        return {batch.pk: batch for batch in self.batches}

    def parts(self, *, among: Sequence[Batch] | None = None) -> Iterator[Part]:
        """The parts to be checked, only of `among` if it is given."""
        wanted = self.by_id if among is None else {batch.pk: batch for batch in among}
        if self.sample is None:
            yield from parts_of(list(wanted))
            return
        for part in self.sample:
            if kept := tuple(pk for pk in part.batches if pk in wanted):
                yield Part(kept, part.first_line, part.last_line)


def parts_of(batches: Sequence[uuid.UUID]) -> Iterator[Part]:
    """All lines of these batches, in parts of at most ROWS_AT_ONCE objects. A slice is never divided."""
    sizes = dict.fromkeys(batches, 0)
    slices = Slice.objects.filter(batch__in=batches).order_by("batch_id", "first_line")
    first, size, cut = 0, 0, set()
    before: uuid.UUID | None = None
    for batch_id, first_line, total in slices.values_list("batch", "first_line", "total").iterator():
        if batch_id != before:
            if before is not None and before in cut:
                yield Part((before,), first)
            before, first, size = batch_id, 0, 0
        if size and size + total > ROWS_AT_ONCE:
            yield Part((batch_id,), first, first_line - 1)
            cut.add(batch_id)
            first, size = first_line, 0
        size += total
        sizes[batch_id] = size
    if before is not None and before in cut:
        yield Part((before,), first)
    yield from _together({batch_id: size for batch_id, size in sizes.items() if batch_id not in cut})


def _together(sizes: dict[uuid.UUID, int]) -> Iterator[Part]:
    """Parts of small batches, as many batches in one part as fit."""
    few: list[uuid.UUID] = []
    rows = 0
    for batch_id, size in sizes.items():
        if few and rows + size > ROWS_AT_ONCE:
            yield Part(tuple(few))
            few, rows = [], 0
        few.append(batch_id)
        rows += size
    if few:
        yield Part(tuple(few))


def some_lines(batch_id: uuid.UUID) -> Iterator[Part]:
    """All lines of a small batch, or some lines of a large batch from a random slice on."""
    slices = Slice.objects.filter(batch=batch_id).values_list("first_line", "last_line")
    last = slices.order_by("-first_line").first()
    if last is None or last[1] <= ROWS_AT_ONCE:
        yield Part((batch_id,))
        return
    first = slices.filter(first_line__lte=random.randint(1, last[1])).order_by("-first_line").first() or last
    within = slices.filter(first_line__gte=first[0], last_line__lt=first[0] + ROWS_AT_ONCE).order_by("-first_line").first()
    yield Part((batch_id,), first[0], (within or first)[1])


Found = Iterator[tuple[Batch, str, Any]]  # a batch, a sentence about the disagreement, and the subject
Find = Callable[[BatchesPage, datetime], Found]
Mend = Callable[[Batch, Any, datetime], str]


@dataclass(frozen=True, slots=True)
class Check:
    """One check over a page of batches. `find` only reads. `mend` runs in a transaction, and returns a sentence about it.

    `go_on` replaces `mend` if the mending has transactions of its own, as when it validates a batch. The beat runs `unattended`
    checks, which are cheap, and whose mending is safe.
    """

    name: str
    sentence: str  # the rule that should hold
    find: Find = field(repr=False, compare=False)
    mend: Mend | None = field(default=None, repr=False, compare=False)
    go_on: Mend | None = field(default=None, repr=False, compare=False)
    unattended: bool = False

    def look(self, page: BatchesPage, *, now: datetime) -> Iterator[Disagreement]:
        """The disagreements in these batches."""
        for batch, text, subject in self.find(page, now):
            yield Disagreement(self, text, batch, subject)

    @property
    def can_mend(self) -> bool:
        return self.mend is not None or self.go_on is not None


def rows_of(sql: str, page: BatchesPage, *, among: Sequence[Batch] | None = None) -> Iterator[tuple[Batch, tuple[Any, ...]]]:
    """The rows of a statement, part by part, each with its batch. The first column is the id of the batch.

    The statement has the placeholders `{batches}`, and `{first}` and `{last}` for the lines.
    """
    for part in page.parts(among=among):
        keys = [bulk.adapt(Batch, "id", pk) for pk in part.batches]
        bounds = {"first": part.first_line, "last": part.last_line}
        with bulk.row_by_row(), bulk.cursor() as cursor:
            cursor.execute(sql.format(batches=bulk.placeholders(keys), **bounds), keys)
            rows = cursor.fetchall()
        for key, *rest in rows:
            yield page.by_id[bulk.as_uuid(key)], tuple(rest)


def tallied(sql: str, page: BatchesPage, *, among: Sequence[Batch] | None = None) -> dict[Batch, tuple[int, int]]:
    """The number of rows that a statement counts for each batch, summed over its parts, and the first of their lines."""
    tallies: dict[Batch, tuple[int, int]] = {}
    for batch, (count, line) in rows_of(sql, page, among=among):
        known, first = tallies.get(batch, (0, line))
        tallies[batch] = known + count, min(first, line)
    return tallies

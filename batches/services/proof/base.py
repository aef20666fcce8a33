"""What a check is, and what it finds."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from batches.models import Batch, bulk


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two things that ought to say the same and do not. `subject` is what `mend` of its check needs to know."""

    check: "Check"
    text: str
    batch: Batch | None = None
    subject: Any = None

    def __str__(self) -> str:
        return f"{self.check.name}: {self.batch}: {self.text}" if self.batch else f"{self.check.name}: {self.text}"


class NotMended(Exception):
    """It cannot be mended; the message says why."""


Found = Iterator[tuple[Batch, str, Any]]  # a batch, what disagrees, and the subject
Find = Callable[[Sequence[Batch], datetime], Found]
Mend = Callable[[Batch, Any, datetime], str]


@dataclass(frozen=True, slots=True)
class Check:
    """Looks at a page of batches. `find` only reads; `mend` runs in a transaction, and tells what it did.

    `unattended` ones are cheap enough, and their mend safe enough, for the beat.
    """

    name: str
    sentence: str  # what ought to hold
    find: Find = field(repr=False, compare=False)
    mend: Mend | None = field(default=None, repr=False, compare=False)
    unattended: bool = False

    def look(self, batches: Sequence[Batch], *, now: datetime) -> Iterator[Disagreement]:
        """What disagrees in these batches."""
        for batch, text, subject in self.find(batches, now):
            yield Disagreement(self, text, batch, subject)


def rows_of(sql: str, batches: Sequence[Batch]) -> Iterator[tuple[Batch, tuple[Any, ...]]]:
    """The rows of a statement over these batches (`{batches}` in it), each with its batch, whose id comes first."""
    if not batches:
        return
    by_id = {batch.pk: batch for batch in batches}
    keys = [bulk.adapt(Batch, "id", pk) for pk in by_id]
    with bulk.cursor() as cursor:
        cursor.execute(sql.format(batches=bulk.placeholders(keys)), keys)
        rows = cursor.fetchall()
    for key, *rest in rows:
        yield by_id[as_uuid(key)], tuple(rest)


def as_uuid(value: Any) -> uuid.UUID:
    """An id as raw SQL gives it."""
    return value if isinstance(value, uuid.UUID) else uuid.UUID(value)

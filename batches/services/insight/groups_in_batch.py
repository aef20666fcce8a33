"""The error groups of one batch.

They are read from counts that are kept with every failure (`services.tally.error_groups`), because there may be millions of
errors.
"""

from dataclasses import dataclass
from datetime import datetime

from batches.models import Batch, BatchErrorGroup
from providers.failures import Kind

MOST_GROUPS = 50


class Explained:
    """The explanation of a kind of failure."""

    kind: Kind | None
    __slots__ = ()

    @property
    def sentence(self) -> str:
        return self.kind.sentence if self.kind else ""

    @property
    def hint(self) -> str:
        """A sentence about whether sending the objects again can help."""
        if self.kind is None:
            return ""
        return "Retry may help" if self.kind.retryable else "Retry will not help"


@dataclass(frozen=True, slots=True)
class GroupInBatch(Explained):
    """Failures in one batch that differ only in ids, numbers and quoted text."""

    fingerprint: str
    code: str
    sample: str
    count: int
    recovered: int  # how many of these objects succeeded in a retry
    http_status: int | None
    first_line: int
    last_line: int
    first_seen: datetime
    last_seen: datetime
    kind: Kind | None
    muted: bool
    note: str

    @property
    def unresolved(self) -> int:
        """How many of these objects no retry has recovered."""
        return self.count - self.recovered


def error_groups(batch: Batch, *, most: int = MOST_GROUPS) -> list[GroupInBatch]:
    """The largest groups of a batch, in one query. Failures of the batch as a whole, which have no line, are left out."""
    rows = BatchErrorGroup.objects.filter(batch=batch, count__gt=0, first_line__isnull=False)
    return [
        GroupInBatch(
            fingerprint=row.group.fingerprint,
            code=row.group.code,
            sample=row.group.sample,
            count=row.count,
            recovered=row.recovered,
            http_status=row.group.http_status,
            first_line=row.first_line or 0,
            last_line=row.last_line or 0,
            first_seen=row.first_seen,
            last_seen=row.last_seen,
            kind=Kind.known(row.group.kind),
            muted=row.group.muted_at is not None,
            note=row.group.note,
        )
        for row in rows.select_related("group").order_by("-count", "first_line")[:most]
    ]

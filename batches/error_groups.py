"""Why objects of a batch failed, grouped by what is the same in their messages."""

from dataclasses import dataclass

from django.db.models import Count, Max, Min

from batches.models import Batch, BatchError
from providers.failures import Kind

MOST_GROUPS = 50


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Failures that differ in ids, numbers and quoted text alone."""

    fingerprint: str
    code: str
    sample: str
    count: int
    http_status: int | None
    first_line: int
    last_line: int
    kind: Kind | None

    @property
    def sentence(self) -> str:
        return self.kind.sentence if self.kind else ""

    @property
    def hint(self) -> str:
        """Whether sending the objects again can help."""
        if self.kind is None:
            return ""
        return "Trying again may help." if self.kind.retryable else "Trying again will not help as it stands."


def error_groups(batch: Batch) -> list[ErrorGroup]:
    """The largest groups, in one query."""
    rows = (
        BatchError.objects.filter(batch=batch, round__isnull=False)
        .order_by()
        .values("fingerprint")
        .annotate(
            count=Count("line"),
            code=Min("code"),
            sample=Min("message"),
            kind=Min("kind"),
            http_status=Max("http_status"),
            first_line=Min("line"),
            last_line=Max("line"),
        )
        .order_by("-count", "first_line")[:MOST_GROUPS]
    )
    return [
        ErrorGroup(
            fingerprint=row["fingerprint"],
            code=row["code"],
            sample=row["sample"],
            count=row["count"],
            http_status=row["http_status"],
            first_line=row["first_line"],
            last_line=row["last_line"],
            kind=known_kind(row["kind"]),
        )
        for row in rows
    ]


def known_kind(value: str) -> Kind | None:
    """The kind of failure that a row names; rows may be older than the list of kinds."""
    try:
        return Kind(value)
    except ValueError:
        return None

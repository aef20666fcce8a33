"""disk_use: how many bytes of the file storage a project uses, by what they are. Rows are summed; the storage is not asked."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db.models import Case, Count, Q, Sum, Value, When

from batches.models import File, Project, Purpose, UploadPart


class Stored(StrEnum):
    """What stored bytes are, in words."""

    INPUTS = "inputs of batches"
    RESULTS = "output and error files"
    OTHERS = "other files"
    PARTS = "parts of unfinished uploads"
    HIDDEN = "deleted or expired, and not removed yet"


@dataclass(frozen=True, slots=True)
class Use:
    """The stored bytes of one kind, in this many files."""

    kind: Stored
    files: int
    bytes: int


def disk_use(project: Project, *, now: datetime) -> list[Use]:
    """The bytes that a project has in the file storage, by kind. Two queries.

    What was deleted or has expired is counted as waiting for removal until its bytes are gone. Rows of the database are not
    counted: their answers are in the result files, too.
    """
    hidden = Q(deleted_at__isnull=False) | Q(expires_at__lte=now)
    kind = Case(
        When(hidden, then=Value(Stored.HIDDEN.value)),
        When(purpose=Purpose.BATCH, then=Value(Stored.INPUTS.value)),
        When(purpose=Purpose.BATCH_OUTPUT, then=Value(Stored.RESULTS.value)),
        default=Value(Stored.OTHERS.value),
    )
    rows = File.objects.filter(project=project, purged_at=None).order_by().values(kind=kind)
    found: dict[str, tuple[int, int]] = {
        row["kind"]: (row["files"], row["size"]) for row in rows.annotate(files=Count("pk"), size=Sum("bytes", default=0))
    }
    parts = UploadPart.objects.filter(upload__project=project).aggregate(files=Count("pk"), size=Sum("bytes", default=0))
    found[Stored.PARTS.value] = (parts["files"], parts["size"])
    return [Use(kind, *found.get(kind.value, (0, 0))) for kind in Stored]


def total(uses: list[Use]) -> int:
    """All stored bytes of a project."""
    return sum(use.bytes for use in uses)


def stored_by_project(projects: Iterable[Project]) -> dict[UUID, int]:
    """The bytes of the files of each project. One query for all of them."""
    rows = File.objects.filter(project__in=list(projects), purged_at=None).order_by().values("project")
    return {row["project"]: row["size"] for row in rows.annotate(size=Sum("bytes", default=0))}

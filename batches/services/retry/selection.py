"""Selections: the objects of a batch that an act is about."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from batches.models import ERASED, INVALID_LINE, Batch, BatchError, BatchObject, OnInvalid
from batches.rules.errors import InvalidRequest
from batches.rules.states import ObjectStatus
from providers.failures import Kind

MOST_LINES = 1000
MOST_GROUPS = 100
HOPELESS = frozenset(kind.value for kind in Kind if not kind.retryable)  # failures that another try will not mend


class UnknownErrorGroup(InvalidRequest):
    """No object of this batch failed for a reason of this group."""

    code = "unknown_error_group"


@dataclass(frozen=True, slots=True)
class Selection:
    """All objects, or those at `lines`, or those whose latest round failed with an error of one of these `fingerprints`.

    `worth_retrying` leaves out failures that another try will not mend.
    """

    fingerprints: frozenset[str] = frozenset()
    lines: frozenset[int] | None = None
    worth_retrying: bool = False

    def touches(self, first_line: int, last_line: int) -> bool:
        """Whether a line from the first to the last may be selected."""
        return self.lines is None or any(first_line <= line <= last_line for line in self.lines)


EVERYTHING = Selection()
WORTH_RETRYING = Selection(worth_retrying=True)


class Chosen(NamedTuple):
    """A selected object."""

    line: int
    round: int
    custom_id: str
    status: str
    kind: str

    @property
    def is_hopeless(self) -> bool:
        """Whether another try will not mend its failure."""
        return self.status == ObjectStatus.FAILED and self.kind in HOPELESS


def require_known(batch: Batch, selection: Selection) -> None:
    """Raise InvalidRequest if the selection names error groups or lines that the batch does not have, or too many of them."""
    if selection.fingerprints:
        _require_known_groups(batch, selection.fingerprints)
    if selection.lines is None:
        return
    if not 1 <= len(selection.lines) <= MOST_LINES:
        raise InvalidRequest(f"Name 1 to {MOST_LINES} lines.", param="lines")
    known = set(BatchObject.objects.filter(batch=batch, line__in=selection.lines).values_list("line", flat=True))
    if unknown := selection.lines - known:
        raise InvalidRequest(f"Batch {batch} has no object at line {min(unknown)}.", param="lines")


def _require_known_groups(batch: Batch, fingerprints: frozenset[str]) -> None:
    if len(fingerprints) > MOST_GROUPS:
        raise InvalidRequest(f"Name at most {MOST_GROUPS} error groups.", param="error_group")
    errors = BatchError.objects.filter(batch=batch, fingerprint__in=fingerprints).order_by()
    if errors.values("fingerprint").distinct().count() < len(fingerprints):
        raise UnknownErrorGroup(param="error_group")


def chosen(
    batch: Batch,
    selection: Selection,
    *,
    first_line: int,
    last_line: int,
    statuses: Collection[ObjectStatus],
) -> list[Chosen]:
    """The selected objects with these statuses at these lines, in input order.

    Skipped invalid lines are left out, because sending them cannot help. So are erased requests: they are not kept any more.
    """
    objects = BatchObject.objects.filter(batch=batch, line__gte=first_line, line__lte=last_line, status__in=statuses)
    objects = objects.exclude(kind=ERASED)
    if batch.on_invalid == OnInvalid.SKIP:
        objects = objects.exclude(kind=INVALID_LINE)
    if selection.lines is not None:
        objects = objects.filter(line__in=selection.lines)
    rows = objects.order_by("line").values_list("line", "round", "custom_id", "status", "kind")
    found = [item for item in (Chosen(*row) for row in rows) if not (selection.worth_retrying and item.is_hopeless)]
    if not selection.fingerprints:
        return found
    errors = BatchError.objects.filter(batch=batch, line__gte=first_line, line__lte=last_line, round__isnull=False)
    of_groups = set(errors.filter(fingerprint__in=selection.fingerprints).values_list("line", "round"))
    if names_whole_batch(batch, selection):
        explained = set(errors.values_list("line", "round"))
        of_groups |= {(item.line, item.round) for item in found} - explained
    return [item for item in found if (item.line, item.round) in of_groups]


def names_whole_batch(batch: Batch, selection: Selection) -> bool:
    """Whether the selection names the error of the batch as a whole. Objects that failed with it have no error of their own."""
    return BatchError.objects.filter(batch=batch, fingerprint__in=selection.fingerprints, line=None).exists()

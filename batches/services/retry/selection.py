"""Selections: the objects of a batch that an act is about."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from batches.models import INVALID_LINE, Batch, BatchError, BatchObject, OnInvalid
from batches.rules.errors import InvalidRequest
from batches.rules.states import ObjectStatus

MOST_LINES = 1000


class UnknownErrorGroup(InvalidRequest):
    """No object of this batch failed for a reason of this group."""

    code = "unknown_error_group"


@dataclass(frozen=True, slots=True)
class Selection:
    """All objects, or only those at `lines`, or only those whose latest round failed with an error of this `fingerprint`."""

    fingerprint: str = ""
    lines: frozenset[int] | None = None

    def touches(self, first_line: int, last_line: int) -> bool:
        """Whether a line from the first to the last may be selected."""
        return self.lines is None or any(first_line <= line <= last_line for line in self.lines)


EVERYTHING = Selection()


class Chosen(NamedTuple):
    """A selected object."""

    line: int
    round: int
    custom_id: str


def require_known(batch: Batch, selection: Selection) -> None:
    """Raise InvalidRequest if the selection names an error group or a line that the batch does not have, or too many lines."""
    if selection.fingerprint and not BatchError.objects.filter(batch=batch, fingerprint=selection.fingerprint).exists():
        raise UnknownErrorGroup(param="error_group")
    if selection.lines is None:
        return
    if not 1 <= len(selection.lines) <= MOST_LINES:
        raise InvalidRequest(f"Name 1 to {MOST_LINES} lines.", param="lines")
    known = set(BatchObject.objects.filter(batch=batch, line__in=selection.lines).values_list("line", flat=True))
    if unknown := selection.lines - known:
        raise InvalidRequest(f"Batch {batch} has no object at line {min(unknown)}.", param="lines")


def chosen(
    batch: Batch,
    selection: Selection,
    *,
    first_line: int,
    last_line: int,
    statuses: Collection[ObjectStatus],
) -> list[Chosen]:
    """The selected objects with these statuses at these lines, in input order.

    Skipped invalid lines are left out, because sending them cannot help.
    """
    objects = BatchObject.objects.filter(batch=batch, line__gte=first_line, line__lte=last_line, status__in=statuses)
    if batch.on_invalid == OnInvalid.SKIP:
        objects = objects.exclude(kind=INVALID_LINE)
    if selection.lines is not None:
        objects = objects.filter(line__in=selection.lines)
    found = [Chosen(*row) for row in objects.order_by("line").values_list("line", "round", "custom_id")]
    if not selection.fingerprint:
        return found
    errors = BatchError.objects.filter(batch=batch, line__gte=first_line, line__lte=last_line, round__isnull=False)
    of_group = set(errors.filter(fingerprint=selection.fingerprint).values_list("line", "round"))
    if BatchError.objects.filter(batch=batch, fingerprint=selection.fingerprint, line=None).exists():
        # An object that failed with its batch has no error of its own.
        explained = set(errors.values_list("line", "round"))
        of_group |= {(item.line, item.round) for item in found} - explained
    return [item for item in found if (item.line, item.round) in of_group]

"""Keyset paging: a page is what follows a position, so it costs the same at any depth and rows never shift under it."""

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from django.db.models import F, Model, Q, QuerySet

from batches.models import Batch, BatchObject

M = TypeVar("M", bound=Model)
Value = datetime | int | None

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COUNT_CAP = 10_000
_POSITION = re.compile(r"(-?\d{1,18}|none)-([0-9a-f]{32})", re.ASCII)
_KEY = re.compile(r"[0-9a-f]{32}", re.ASCII)
_LINE = re.compile(r"\d{1,9}", re.ASCII)


class BadPosition(ValueError):
    """The address names a page that cannot be understood."""


class BadSort(ValueError):
    """The address names an order that there is not."""


@dataclass(frozen=True, slots=True)
class Sort:
    """An order of batches by one column and then by id. What has no value yet comes last, or first when descending."""

    name: str
    field: str
    label: str
    descending: bool

    @property
    def parameter(self) -> str:
        return f"-{self.name}" if self.descending else self.name

    @property
    def flipped(self) -> "Sort":
        return Sort(self.name, self.field, self.label, not self.descending)

    def ordered(self, queryset: QuerySet[Batch]) -> QuerySet[Batch]:
        column = F(self.field)
        if self.descending:
            return queryset.order_by(column.desc(nulls_first=self._nullable), "-pk")
        return queryset.order_by(column.asc(nulls_last=self._nullable), "pk")

    def behind(self, value: Value, key: uuid.UUID) -> Q:
        """What comes after a row with this value and id. The first condition is a range of the column's index."""
        way = "lt" if self.descending else "gt"
        further = Q(**{f"pk__{way}": key})
        if value is None:
            same = Q(**{self.field: None}) & further
            return same | Q(**{f"{self.field}__isnull": False}) if self.descending else same
        found = Q(**{f"{self.field}__{way}e": value}) & (Q(**{f"{self.field}__{way}": value}) | further)
        return found | Q(**{self.field: None}) if self._nullable and not self.descending else found

    @property
    def _nullable(self) -> bool | None:
        """As Django wants it said: None is no."""
        return Batch._meta.get_field(self.field).null or None


# Each has an index. Progress, counts and cost have none: while a batch runs they are sums over its slices.
SORTS = {
    sort.name: sort
    for sort in (
        Sort("created", "created_at", "Created", descending=True),
        Sort("ended", "ended_at", "Ended", descending=True),
        Sort("deadline", "expires_at", "Deadline", descending=False),
        Sort("priority", "priority", "Priority", descending=True),
    )
}


def read_sort(parameter: str) -> Sort:
    """The order that a parameter names: `deadline`, or `-deadline` the other way round. Raises BadSort."""
    sort = SORTS.get(parameter.removeprefix("-") or "created") if parameter != "-" else None
    if sort is None:
        raise BadSort(f"The list cannot be sorted by “{parameter[:50]}”, only by {', '.join(SORTS)}.")
    descending = parameter.startswith("-") if parameter else sort.descending
    return sort if sort.descending == descending else sort.flipped


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """Rows, and the positions where the pages on either side begin, where there are any."""

    rows: list[M]
    back: str | None = None
    forward: str | None = None


def batches_page(queryset: QuerySet[Batch], *, sort: Sort, after: str | None, before: str | None, size: int) -> Page[Batch]:
    """Batches in an order, behind or before a position. Raises BadPosition."""
    if after and before:
        raise BadPosition("A page is either behind or before a position.")
    if before:
        rows = list(sort.flipped.ordered(queryset.filter(sort.flipped.behind(*_read(before, sort))))[: size + 1])
        more = len(rows) > size
        rows = rows[:size][::-1]
        return Page(rows, back=_at(rows[0], sort) if more else None, forward=_at(rows[-1], sort) if rows else None)
    if after:
        queryset = queryset.filter(sort.behind(*_read(after, sort)))
    rows = list(sort.ordered(queryset)[: size + 1])
    more = len(rows) > size
    rows = rows[:size]
    return Page(rows, back=_at(rows[0], sort) if after and rows else None, forward=_at(rows[-1], sort) if more and rows else None)


def objects_page(queryset: QuerySet[BatchObject], *, after: str | None, before: str | None, size: int) -> Page[BatchObject]:
    """Objects by line, behind or before one. Raises BadPosition."""
    if after and before:
        raise BadPosition("A page is either behind or before a line.")
    if before:
        rows = list(queryset.filter(line__lt=_read_line(before)).order_by("-line")[: size + 1])
        more = len(rows) > size
        rows = rows[:size][::-1]
        return Page(rows, back=str(rows[0].line) if more else None, forward=str(rows[-1].line) if rows else None)
    if after:
        queryset = queryset.filter(line__gt=_read_line(after))
    rows = list(queryset.order_by("line")[: size + 1])
    more = len(rows) > size
    rows = rows[:size]
    return Page(rows, back=str(rows[0].line) if after and rows else None, forward=str(rows[-1].line) if more else None)


def keyed_page(queryset: QuerySet[M], *, order: str, after: str | None, before: str | None, size: int) -> Page[M]:
    """Rows in the order of their ids, `pk` or `-pk`: ids are made in the order of time. Raises BadPosition."""
    if after and before:
        raise BadPosition("A page is either behind or before a position.")
    ways = {"pk": ("gt", "-pk", "lt"), "-pk": ("lt", "pk", "gt")}
    further, reversed_order, back = ways[order]
    if before:
        rows = list(queryset.filter(**{f"pk__{back}": _read_key(before)}).order_by(reversed_order)[: size + 1])
        more = len(rows) > size
        rows = rows[:size][::-1]
        return Page(rows, back=rows[0].pk.hex if more else None, forward=rows[-1].pk.hex if rows else None)
    if after:
        queryset = queryset.filter(**{f"pk__{further}": _read_key(after)})
    rows = list(queryset.order_by(order)[: size + 1])
    more = len(rows) > size
    rows = rows[:size]
    return Page(rows, back=rows[0].pk.hex if after and rows else None, forward=rows[-1].pk.hex if more else None)


def capped_count(queryset: QuerySet[M]) -> int:
    """How many rows there are, but never more than COUNT_CAP + 1."""
    return queryset.order_by()[: COUNT_CAP + 1].count()


def _at(batch: Batch, sort: Sort) -> str:
    value = getattr(batch, sort.field)
    if isinstance(value, datetime):
        value = (value - EPOCH) // timedelta(microseconds=1)
    return f"{'none' if value is None else value}-{batch.pk.hex}"


def _read(position: str, sort: Sort) -> tuple[Value, uuid.UUID]:
    match = _POSITION.fullmatch(position)
    if match is None:
        raise BadPosition("The address names a page that does not exist.")
    key = uuid.UUID(match[2])
    if match[1] == "none":
        return None, key
    value = int(match[1])
    if sort.field == "priority":
        return max(min(value, 2**15 - 1), -(2**15)), key
    try:
        return EPOCH + timedelta(microseconds=value), key
    except OverflowError:
        raise BadPosition("The address names a page that does not exist.") from None


def _read_line(position: str) -> int:
    if not _LINE.fullmatch(position):
        raise BadPosition("The address names a page that does not exist.")
    return int(position)


def _read_key(position: str) -> uuid.UUID:
    if not _KEY.fullmatch(position):
        raise BadPosition("The address names a page that does not exist.")
    return uuid.UUID(position)

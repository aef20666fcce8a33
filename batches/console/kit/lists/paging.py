"""Pages of the console's lists: the rows after, or before, a position that the address names."""

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from django.db.models import F, Model, Q, QuerySet

from batches.models import Batch, BatchObject, ProviderJob
from batches.rules.keyset import behind, moment_as_number, number_as_moment

M = TypeVar("M", bound=Model)
Value = datetime | int | None

COUNT_CAP = 10_000
_POSITION = re.compile(r"(-?\d{1,18}|none)-([0-9a-f]{32})", re.ASCII)
_KEY = re.compile(r"[0-9a-f]{32}", re.ASCII)
_LINE = re.compile(r"\d{1,9}", re.ASCII)


class BadPosition(ValueError):
    """The address names a malformed position."""

    def __init__(self, message: str = "The address names a page that does not exist.") -> None:
        super().__init__(message)


class BadSort(ValueError):
    """The address names an unknown order."""


@dataclass(frozen=True, slots=True)
class Sort:
    """An order of rows by one column, then by id. Rows without a value come last, or first in descending order."""

    name: str
    field: str
    label: str
    descending: bool
    model: type[Model] = Batch

    @property
    def parameter(self) -> str:
        return f"-{self.name}" if self.descending else self.name

    @property
    def flipped(self) -> "Sort":
        return replace(self, descending=not self.descending)

    def ordered(self, queryset: QuerySet[M]) -> QuerySet[M]:
        column = F(self.field)
        if self.descending:
            return queryset.order_by(column.desc(nulls_first=self._nullable), "-pk")
        return queryset.order_by(column.asc(nulls_last=self._nullable), "pk")

    def behind(self, value: Value, key: uuid.UUID) -> Q:
        """A condition for the rows after a row with this value and id."""
        if value is None:
            same = Q(**{self.field: None, f"pk__{'lt' if self.descending else 'gt'}": key})
            return same | Q(**{f"{self.field}__isnull": False}) if self.descending else same
        found = behind(self.field, value, key, descending=self.descending)
        return found | Q(**{self.field: None}) if self._nullable and not self.descending else found

    def behind_position(self, position: str) -> Q:
        """A condition for the rows after a position. Raises BadPosition."""
        match = _POSITION.fullmatch(position)
        if match is None:
            raise BadPosition
        return self.behind(None if match[1] == "none" else self._read(int(match[1])), uuid.UUID(match[2]))

    def position(self, row: Model) -> str:
        """The position of a row in this order, as text for an address."""
        value = getattr(row, self.field)
        if isinstance(value, datetime):
            value = moment_as_number(value)
        return f"{'none' if value is None else value}-{row.pk.hex}"

    def _read(self, value: int) -> Value:
        if self.field == "priority":
            return max(min(value, 2**15 - 1), -(2**15))
        try:
            return number_as_moment(value)
        except OverflowError:
            raise BadPosition from None

    @property
    def _nullable(self) -> bool | None:
        """Whether the column may be NULL. Django wants None and not False here."""
        return self.model._meta.get_field(self.field).null or None


# Each order has an index. Progress, counts and cost cannot have one: while a batch runs, they are sums over its slices.
SORTS = {
    sort.name: sort
    for sort in (
        Sort("created", "created_at", "Created", descending=True),
        Sort("ended", "ended_at", "Ended", descending=True),
        Sort("deadline", "expires_at", "Deadline", descending=False),
        Sort("priority", "priority", "Priority", descending=True),
    )
}


JOB_SORTS = {
    sort.name: sort
    for sort in (
        Sort("created", "created_at", "Created", descending=True, model=ProviderJob),
        Sort("look", "poll_at", "Next look", descending=False, model=ProviderJob),
    )
}


def read_sort(parameter: str, *, among: Mapping[str, Sort] = SORTS) -> Sort:
    """The order that a parameter names: `deadline`, or `-deadline` for descending. Raises BadSort."""
    sort = among.get(parameter.removeprefix("-") or "created") if parameter != "-" else None
    if sort is None:
        raise BadSort(f"The list cannot be sorted by “{parameter[:50]}”, only by {', '.join(among)}.")
    descending = parameter.startswith("-") if parameter else sort.descending
    return sort if sort.descending == descending else sort.flipped


@dataclass(frozen=True, slots=True)
class KeysetPage(Generic[M]):
    """The rows of a page, and the positions of the page before and the page after it; None if there is no such page."""

    rows: list[M]
    back: str | None = None
    forward: str | None = None


class _Order(Protocol[M]):
    """The interface of an order for pages. No two rows may have the same place in it."""

    @property
    def flipped(self) -> "_Order[M]": ...
    def ordered(self, queryset: QuerySet[M]) -> QuerySet[M]: ...
    def position(self, row: M, /) -> str: ...
    def behind_position(self, position: str) -> Q: ...


@dataclass(frozen=True, slots=True)
class _ByKey(Generic[M]):
    """An order by one column with unique values: an id, or the number of a line."""

    field: str
    descending: bool = False

    @property
    def flipped(self) -> "_ByKey[M]":
        return _ByKey(self.field, not self.descending)

    def ordered(self, queryset: QuerySet[M]) -> QuerySet[M]:
        return queryset.order_by(f"-{self.field}" if self.descending else self.field)

    def position(self, row: M) -> str:
        value = getattr(row, self.field)
        return value.hex if isinstance(value, uuid.UUID) else str(value)

    def behind_position(self, position: str) -> Q:
        if not (_LINE if self.field == "line" else _KEY).fullmatch(position):
            raise BadPosition
        value = int(position) if self.field == "line" else uuid.UUID(position)
        return Q(**{f"{self.field}__{'lt' if self.descending else 'gt'}": value})


def sorted_page(queryset: QuerySet[M], *, sort: Sort, after: str | None, before: str | None, size: int) -> KeysetPage[M]:
    """A page of rows in an order, after or before a position. Raises BadPosition."""
    return _page(queryset, sort, after=after, before=before, size=size)


def in_pieces(queryset: QuerySet[M], sort: Sort, *, size: int) -> Iterator[list[M]]:
    """All rows in an order, so many at once, by key. So no database cursor stays open, and new rows do not shift the pieces."""
    last: M | None = None
    while True:
        rest = queryset if last is None else queryset.filter(sort.behind(getattr(last, sort.field), last.pk))
        piece = list(sort.ordered(rest)[:size])
        yield piece
        if len(piece) < size:
            return
        last = piece[-1]


def objects_page(queryset: QuerySet[BatchObject], *, after: str | None, before: str | None, size: int) -> KeysetPage[BatchObject]:
    """A page of objects by line, after or before a line. Raises BadPosition."""
    return _page(queryset, _ByKey("line"), after=after, before=before, size=size)


def keyed_page(queryset: QuerySet[M], *, order: str, after: str | None, before: str | None, size: int) -> KeysetPage[M]:
    """A page of rows in the order of their ids (`pk` or `-pk`), which is the order of time. Raises BadPosition."""
    return _page(queryset, _ByKey("pk", descending=order == "-pk"), after=after, before=before, size=size)


def _page(queryset: QuerySet[M], order: _Order[M], *, after: str | None, before: str | None, size: int) -> KeysetPage[M]:
    if after and before:
        raise BadPosition("A page is either behind or before a position.")
    if before:
        order = order.flipped
    if position := before or after:
        queryset = queryset.filter(order.behind_position(position))
    rows = list(order.ordered(queryset)[: size + 1])
    more = len(rows) > size
    rows = rows[:size]
    if not rows:
        return KeysetPage([])
    if before:
        rows.reverse()
    back, forward = (more, True) if before else (bool(after), more)
    return KeysetPage(rows, back=order.position(rows[0]) if back else None, forward=order.position(rows[-1]) if forward else None)


def capped_count(queryset: QuerySet[M]) -> int:
    """The number of rows, but at most COUNT_CAP + 1."""
    return queryset.order_by()[: COUNT_CAP + 1].count()


def capped(count: int) -> str:
    """A count from `capped_count` in words."""
    return f"{COUNT_CAP:,}+" if count > COUNT_CAP else f"{count:,}"

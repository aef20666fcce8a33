"""Pages of a list by cursor. A cursor is the id of the last item that the client has."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet
from django.http import QueryDict

from batches.http.errors import InvalidValue
from batches.rules import identifiers
from batches.rules.keyset import behind

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows of a list, and whether more rows follow."""

    rows: list[Row]
    has_more: bool


def page_after(
    listed: "QuerySet[Row]",
    known: "QuerySet[Row]",
    *,
    after: str | None,
    limit: int,
    order: str = "desc",
    name: str = "after",
    column: str = "created_at",
) -> Page[Row]:
    """The rows of `listed` behind the row with id `after`, newest first (`order` asc: oldest first).

    The cursor may be any row of `known`, since a client may delete the last item of a page before it asks for the next page.
    Raises InvalidValue for any other id. `name` is the dialect's name of the parameter. `column` has the time of a row.
    """
    newest_first = order == "desc"
    if after is not None:
        listed = listed.filter(_behind(known, after, newest_first=newest_first, name=name, column=column))
    ordering = (f"-{column}", "-id") if newest_first else (column, "id")
    rows = list(listed.order_by(*ordering)[: limit + 1])
    return Page(rows=rows[:limit], has_more=len(rows) > limit)


def page_by(listed: "QuerySet[Row]", column: str, *, after: object = None, limit: int) -> Page[Row]:
    """The rows of `listed` behind the value `after` of a column, in the order of this column. Its values must be unique."""
    if after is not None:
        listed = listed.filter(**{f"{column}__gt": after})
    rows = list(listed.order_by(column)[: limit + 1])
    return Page(rows=rows[:limit], has_more=len(rows) > limit)


def page_beside(
    listed: "QuerySet[Row]", known: "QuerySet[Row]", *, after: str | None, before: str | None, limit: int, names: tuple[str, str]
) -> Page[Row]:
    """The rows behind the row with id `after`, or the rows just before the row with id `before`. The newest is always first.

    `has_more` tells whether more rows follow in this direction. `names` are the dialect's names of the two parameters.
    Raises InvalidValue.
    """
    if before is None:
        return page_after(listed, known, after=after, limit=limit, name=names[0])
    page = page_after(listed, known, after=before, limit=limit, order="asc", name=names[1])
    return Page(rows=page.rows[::-1], has_more=page.has_more)


def _behind(known: "QuerySet[Any]", after: str, *, newest_first: bool, name: str, column: str) -> Q:
    cursor = identifiers.parse(after)
    row = known.filter(pk=cursor).values_list(column, "id").first() if cursor else None
    if row is None:
        raise InvalidValue(f"Invalid value for '{name}': nothing in this list has the id {after[:100]!r}.", param=name)
    then, identifier = row
    return behind(column, then, identifier, descending=newest_first)


def wrong_cursor(name: str = "cursor") -> InvalidValue:
    """The error for a cursor that no page has returned; `name` is the dialect's name of the parameter."""
    return InvalidValue(f"Invalid value for '{name}': it must be the next_cursor of an earlier page.", param=name)


def query_number(query: QueryDict, name: str, *, minimum: int, maximum: int, default: int) -> int:
    """A whole number from the query string. Raises InvalidValue if the text is no such number, or is out of bounds."""
    text = query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,10}", text, re.ASCII) or not minimum <= int(text) <= maximum:
        raise InvalidValue(f"Invalid value for '{name}': it must be an integer from {minimum} to {maximum}.", param=name)
    return int(text)


def query_word(query: Mapping[str, str], name: str, *, words: tuple[str, ...], default: str) -> str:
    """A word from the query string. Raises InvalidValue if it is not one of `words`."""
    word = query.get(name)
    if word is None:
        return default
    if word not in words:
        raise InvalidValue(f"Invalid value for '{name}': it must be one of {', '.join(words)}.", param=name)
    return word

"""Pages of a list by cursor: the id of the last item that the client has."""

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
    """Some rows of a list, and whether there are more behind them."""

    rows: list[Row]
    has_more: bool


def page_after(
    listed: "QuerySet[Row]", known: "QuerySet[Row]", *, after: str | None, limit: int, order: str = "desc", name: str = "after"
) -> Page[Row]:
    """The rows of `listed` behind the one with id `after`, newest first (`order` asc: oldest first).

    The cursor may be any row of `known`: a client may have deleted the last item it saw before it asks for more.
    Raises InvalidValue for any other; `name` is what the dialect calls the parameter.
    """
    newest_first = order == "desc"
    if after is not None:
        listed = listed.filter(_behind(known, after, newest_first=newest_first, name=name))
    ordering = ("-created_at", "-id") if newest_first else ("created_at", "id")
    rows = list(listed.order_by(*ordering)[: limit + 1])
    return Page(rows=rows[:limit], has_more=len(rows) > limit)


def page_by(listed: "QuerySet[Row]", column: str, *, after: object = None, limit: int) -> Page[Row]:
    """The rows of `listed` in the order of a column that has another value in every row, behind one of its values."""
    if after is not None:
        listed = listed.filter(**{f"{column}__gt": after})
    rows = list(listed.order_by(column)[: limit + 1])
    return Page(rows=rows[:limit], has_more=len(rows) > limit)


def page_beside(
    listed: "QuerySet[Row]", known: "QuerySet[Row]", *, after: str | None, before: str | None, limit: int, names: tuple[str, str]
) -> Page[Row]:
    """The rows behind the one with id `after`, or those just before the one with id `before`, newest first in either case.

    `has_more` is about that direction. `names` are what the dialect calls the two parameters. Raises InvalidValue.
    """
    if before is None:
        return page_after(listed, known, after=after, limit=limit, name=names[0])
    page = page_after(listed, known, after=before, limit=limit, order="asc", name=names[1])
    return Page(rows=page.rows[::-1], has_more=page.has_more)


def _behind(known: "QuerySet[Any]", after: str, *, newest_first: bool, name: str) -> Q:
    cursor = identifiers.parse(after)
    row = known.filter(pk=cursor).values_list("created_at", "id").first() if cursor else None
    if row is None:
        raise InvalidValue(f"Invalid value for '{name}': nothing in this list has the id {after[:100]!r}.", param=name)
    created_at, identifier = row
    return behind("created_at", created_at, identifier, descending=newest_first)


def wrong_cursor(name: str = "cursor") -> InvalidValue:
    """What is wrong with a cursor that no page gave; `name` is what the dialect calls it."""
    return InvalidValue(f"Invalid value for '{name}': it must be the next_cursor of an earlier page.", param=name)


def query_number(query: QueryDict, name: str, *, minimum: int, maximum: int, default: int) -> int:
    """A whole number of the query string. Raises InvalidValue when it is not one, or out of bounds."""
    text = query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,10}", text, re.ASCII) or not minimum <= int(text) <= maximum:
        raise InvalidValue(f"Invalid value for '{name}': it must be an integer from {minimum} to {maximum}.", param=name)
    return int(text)


def query_word(query: Mapping[str, str], name: str, *, words: tuple[str, ...], default: str) -> str:
    """One of a few words of the query string. Raises InvalidValue for any other."""
    word = query.get(name)
    if word is None:
        return default
    if word not in words:
        raise InvalidValue(f"Invalid value for '{name}': it must be one of {', '.join(words)}.", param=name)
    return word

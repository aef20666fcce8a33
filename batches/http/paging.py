"""Pages of a list by cursor: the id of the last item that the client has."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet
from django.http import QueryDict

from batches.http.errors import InvalidValue
from batches.rules import identifiers

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


def _behind(known: "QuerySet[Any]", after: str, *, newest_first: bool, name: str) -> Q:
    cursor = identifiers.parse(after)
    row = known.filter(pk=cursor).values_list("created_at", "id").first() if cursor else None
    if row is None:
        raise InvalidValue(f"Invalid value for '{name}': nothing in this list has the id {after[:100]!r}.", param=name)
    created_at, identifier = row
    # The first condition alone would do, but for equal times; written so, it bounds the scan of the index.
    if newest_first:
        return Q(created_at__lte=created_at) & (Q(created_at__lt=created_at) | Q(id__lt=identifier))
    return Q(created_at__gte=created_at) & (Q(created_at__gt=created_at) | Q(id__gt=identifier))


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

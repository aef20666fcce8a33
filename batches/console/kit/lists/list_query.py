"""The query of the list of batches: its tidy form, and its filters in words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC

from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.text import capfirst

from batches.console.drawing.words import exact
from batches.console.kit.lists.columns import DEFAULT
from batches.console.kit.lists.paging import SORTS, Sort
from batches.filters import CREATED, METADATA, NOT, VIEWS, BatchFilter, StrictFilterSet, is_negated, positive
from batches.services.core.access import Access

MOST_CHOICES = 200  # the most projects, and providers, that a panel offers; a click on others in the list filters by them
POSITION = ("after", "before", "fragment")  # parameters for the place in the list; they choose no batches
LOOK = ("sort", "columns", "saved")  # parameters for the look of the list, and the name of the saved view


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter in words. `without` is the query without the filter. `flipped` is the query with its negation, if it has one."""

    label: str
    value: str
    without: str
    negated: bool = False
    flipped: str = ""


def tidied(query: QueryDict, *, order: Sort = SORTS["created"]) -> QueryDict:
    """The query of a form, rewritten for an address.

    Values that are empty, given twice or the default are left out; `order` is the default order. A tag becomes its pair, ticked
    columns become one list, and times are in UTC.
    """
    tidy = QueryDict(mutable=True)
    for name in query:
        values = list(dict.fromkeys(value for value in query.getlist(name) if value))
        if name == "column":
            name, values = "columns", [] if set(values) == set(DEFAULT) else [",".join(values)]
        elif name == "sort":
            values = [value for value in values if value != order.parameter]
        elif name == "tag" and len(values) == 1 and "=" in values[0].strip("="):
            key, _, value = values[0].partition("=")
            name, values = METADATA + key.strip(), [value.strip()]
        elif name in ("created_from", "created_to"):
            values = [_in_utc(value) for value in values]
        if values:
            tidy.setlist(name, values)
    return tidy


# The parameters that have a field in the panels. All other parameters are carried along in the panels' form.
_ASKED = frozenset(
    {
        "text",
        "status",
        "condition",
        "dialect",
        "has_errors",
        "custom_id",
        "created",
        "created_from",
        "created_to",
        "sort",
        "columns",
    }
)


def panel(chosen: BatchFilter) -> dict[str, object]:
    """The values of the filter panel besides the fields of the filter set: times in the reader's zone, carried parameters."""
    cleaned = {} if chosen.refused else chosen.form.cleaned_data
    moments = {name: cleaned.get(name) for name in ("created_from", "created_to")}
    period = chosen.data.get("created", "")
    return {
        **{name: f"{timezone.localtime(moment):%Y-%m-%dT%H:%M}" if moment else "" for name, moment in moments.items()},
        "custom_period": "" if period in dict(CREATED) else period,
        "carried": [
            (name, value)
            for name in chosen.data
            if name not in _ASKED and name not in POSITION
            for value in chosen.data.getlist(name)
        ],
    }


def choices(access: Access) -> dict[str, object]:
    """The projects and providers that a panel offers. They are queried only when the panel is drawn."""
    return {"projects": access.projects()[:MOST_CHOICES], "providers": access.providers()[:MOST_CHOICES]}


def _in_utc(text: str) -> str:
    try:
        moment = parse_datetime(text)
        if moment is None or moment.tzinfo is not None:
            return text
        return f"{timezone.make_aware(moment).astimezone(UTC):%Y-%m-%dT%H:%MZ}"
    except (ValueError, OverflowError):
        return text  # the filter reports the fault


def question(query: QueryDict) -> QueryDict:
    """The part of a query that chooses batches, without their look and the place in the list. Exports and bulk acts use it."""
    return with_changes(query, dict.fromkeys((*POSITION, *LOOK)))


def chips(chosen: StrictFilterSet, *, tab: str = "view") -> Iterable[Chip]:
    """A chip for each filter that is set, except for the one that is shown as tabs."""
    for name in chosen.data:
        if name == tab or name in chosen.others:
            continue
        for value in chosen.data.getlist(name):
            yield Chip(
                chosen.label(name),
                _words(chosen, name, value),
                without=_moved(chosen.data, name, value),
                negated=is_negated(name),
                flipped=_moved(chosen.data, name, value, to=_opposite(name)) if _has_opposite(chosen, name) else "",
            )


def in_words(chosen: BatchFilter) -> dict[str, object]:
    """The filters of a query, for `components/query.html`; none if the query has a problem."""
    words = {**dict(VIEWS), "": "All", "all": "All"}.get(chosen.data.get("view", ""), "")
    return {"in_view": f"{words} batches" if words == "All" else words, "chips": [] if chosen.problems else list(chips(chosen))}


def _words(chosen: StrictFilterSet, name: str, value: str) -> str:
    if name == "created":
        return dict(CREATED).get(value, f"Last {value}")
    if name in ("created_from", "created_to"):
        return exact(timezone.localtime(chosen.form.cleaned_data[name]))
    offered = dict(chosen.filters[name].extra.get("choices", ())) if name in chosen.filters else {}
    return capfirst(str(offered.get(value, value))) if offered else value


def _has_opposite(chosen: StrictFilterSet, name: str) -> bool:
    return positive(name).startswith(METADATA) or positive(name) in chosen.negatable


def _opposite(name: str) -> str:
    return positive(name) if is_negated(name) else name + NOT


def _moved(query: QueryDict, name: str, value: str, *, to: str | None = None) -> str:
    """The query for the first page, with a value removed from one parameter, and added to the parameter `to` if given."""
    changes = {name: [other for other in query.getlist(name) if other != value]}
    if to:
        changes[to] = [*query.getlist(to), value]
    return with_changes(query, {**dict.fromkeys(POSITION), **changes}).urlencode()


def with_changes(query: QueryDict, changes: Mapping[str, list[str] | None]) -> QueryDict:
    """The query with changed values of some parameters. A parameter without values is removed."""
    rest = query.copy()
    for name, values in changes.items():
        if values:
            rest.setlist(name, values)
        else:
            rest.pop(name, None)
    return rest

"""The query of the list of batches: how its address should read, and each filter in it in words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC

from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from batches.console.drawing.words import exact
from batches.console.kit.columns import DEFAULT
from batches.console.kit.paging import SORTS
from batches.filters import CREATED, METADATA, NOT, VIEWS, BatchFilter, StrictFilterSet, is_negated, positive
from batches.services.core.access import Access

MOST_CHOICES = 200  # projects, and providers, that a panel offers; others are found by clicking on them
POSITION = ("after", "before", "fragment")  # where on the list: not a part of what is asked for
LOOK = ("sort", "columns", "saved")  # how it is shown, and what it was called


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is set, in words, and the queries without it and, where it can be turned round, with its opposite."""

    label: str
    value: str
    without: str
    negated: bool = False
    flipped: str = ""


def tidied(query: QueryDict) -> QueryDict:
    """The same question as a form asks it, as its address should read.

    Without what is empty, given twice or the default; a tag as its pair; ticked columns as one list; times in UTC.
    """
    tidy = QueryDict(mutable=True)
    for name in query:
        values = list(dict.fromkeys(value for value in query.getlist(name) if value))
        if name == "column":
            name, values = "columns", [] if set(values) == set(DEFAULT) else [",".join(values)]
        elif name == "sort":
            values = [value for value in values if value != SORTS["created"].parameter]
        elif name == "tag" and len(values) == 1 and "=" in values[0].strip("="):
            key, _, value = values[0].partition("=")
            name, values = METADATA + key.strip(), [value.strip()]
        elif name in ("created_from", "created_to"):
            values = [_in_utc(value) for value in values]
        if values:
            tidy.setlist(name, values)
    return tidy


# What the panels ask for anew; everything else that is set goes along with their form.
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
    """What the filter panel holds besides the fields of the filter set: moments in the reader's zone, and what goes along."""
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
    """The projects and providers that a panel offers, asked for only when it is drawn."""
    return {"projects": access.projects()[:MOST_CHOICES], "providers": access.providers()[:MOST_CHOICES]}


def _in_utc(text: str) -> str:
    try:
        moment = parse_datetime(text)
        if moment is None or moment.tzinfo is not None:
            return text
        return f"{timezone.make_aware(moment).astimezone(UTC):%Y-%m-%dT%H:%MZ}"
    except (ValueError, OverflowError):
        return text  # the filter says what is wrong with it


def question(query: QueryDict) -> QueryDict:
    """Only what chooses batches, without how and where they are shown: what exports, bulk acts and saved views keep."""
    return with_changes(query, dict.fromkeys((*POSITION, *LOOK)))


def chips(chosen: StrictFilterSet, *, tab: str = "view") -> Iterable[Chip]:
    """Every filter that is set, but for the one that is shown as tabs."""
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
    """What a query asks for, for `components/query.html`; nothing when it is not understood."""
    words = {**dict(VIEWS), "": "All", "all": "All"}.get(chosen.data.get("view", ""), "")
    return {"in_view": f"{words} batches" if words == "All" else words, "chips": [] if chosen.problems else list(chips(chosen))}


def _words(chosen: StrictFilterSet, name: str, value: str) -> str:
    if name == "created":
        return dict(CREATED).get(value, f"Last {value}")
    if name in ("created_from", "created_to"):
        return exact(timezone.localtime(chosen.form.cleaned_data[name]))
    offered = dict(chosen.filters[name].extra.get("choices", ())) if name in chosen.filters else {}
    return str(offered.get(value, value)).capitalize() if offered else value


def _has_opposite(chosen: StrictFilterSet, name: str) -> bool:
    return positive(name).startswith(METADATA) or positive(name) in chosen.negatable


def _opposite(name: str) -> str:
    return positive(name) if is_negated(name) else name + NOT


def _moved(query: QueryDict, name: str, value: str, *, to: str | None = None) -> str:
    """The query, on its first page, with one value taken out of a parameter, and put into another if that is named."""
    changes = {name: [other for other in query.getlist(name) if other != value]}
    if to:
        changes[to] = [*query.getlist(to), value]
    return with_changes(query, {**dict.fromkeys(POSITION), **changes}).urlencode()


def with_changes(query: QueryDict, changes: Mapping[str, list[str] | None]) -> QueryDict:
    """The query with other values of some parameters; without those that have none."""
    rest = query.copy()
    for name, values in changes.items():
        if values:
            rest.setlist(name, values)
        else:
            rest.pop(name, None)
    return rest

"""The base of all filter sets.

A value or a parameter that cannot be understood is shown as a problem, and no row matches. No filter is silently ignored.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import QueryDict
from django_filters import ChoiceFilter, Filter, FilterSet, ModelChoiceFilter, ModelMultipleChoiceFilter, MultipleChoiceFilter
from django_filters.fields import MultipleChoiceField

MOST_VALUES = 100  # the most values of all filters together; each becomes a part of the query, and words on the page
NOT = "!"  # the suffix of a negated parameter, so that an address reads `status!=failed`
NOT_ = "not_"  # the prefix of a negated parameter in programs, whose parameters have to be identifiers


class Among(MultipleChoiceFilter):
    """Any of the given values."""

    def filter(self, qs: QuerySet[Any], value: Sequence[Any]) -> QuerySet[Any]:
        found: QuerySet[Any] = self.get_method(qs)(**{f"{self.field_name}__in": list(value)}) if value else qs
        return found


class AmongRows(Among, ModelMultipleChoiceFilter):
    """Any of the given rows of another table."""


class TextsField(MultipleChoiceField):
    """Several texts with at most `max_length` characters each."""

    def __init__(self, *args: Any, max_length: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.max_length = max_length

    def valid_value(self, value: str) -> bool:
        return len(value) <= self.max_length


class AmongTexts(Among):
    """Any of the given texts, which may be any texts."""

    field_class = TextsField


class StrictFilterSet(FilterSet):
    """A filter set that reports what it did not understand. `others` are parameters that belong to the page instead.

    Each parameter in `negatable` also exists with NOT behind its name, or NOT_ before it. Then it leaves out rows.
    """

    others: ClassVar[frozenset[str]] = frozenset()
    negatable: ClassVar[tuple[str, ...]] = ()

    def __init__(self, data: QueryDict, *, queryset: QuerySet[Any], now: datetime) -> None:
        filled = data.copy()
        for name in data:
            filled.setlist(name, [value for value in data.getlist(name) if value])  # a form also sends empty fields
        super().__init__(filled, queryset=queryset)
        self.now = now
        for filter_ in self.filters.values():
            if isinstance(filter_, ChoiceFilter | ModelChoiceFilter):
                filter_.extra["empty_label"] = "Any"

    @classmethod
    def get_filters(cls) -> dict[str, Filter]:
        filters: dict[str, Filter] = super().get_filters()  # type: ignore[no-untyped-call]
        for name in cls.negatable:
            for spelling in negations(name):
                filters[spelling] = negation = deepcopy(filters[name])
                negation.exclude = True
                negation.label = f"Not {filters[name].label}"
        return filters

    @property
    def problems(self) -> list[str]:
        """The problems of the query, in sentences."""
        return list(self.refused.values())

    @cached_property
    def refused(self) -> dict[str, str]:
        """The parameters that were refused, each with the reason as a sentence."""
        refused: dict[str, str] = {}
        if sum(len(values) for _, values in self.data.lists()) > MOST_VALUES:
            return {next(iter(self.data)): f"There are more than {MOST_VALUES} filters."}
        for name in self.data:
            given = self.data.getlist(name)
            if not self.knows(name):
                refused[name] = f"There is no filter “{name}”."
            elif len(given) > 1 and not isinstance(self.filters.get(name), MultipleChoiceFilter):
                refused[name] = f"The filter “{name}” is given more than once."
            elif any("\0" in text for text in (name, *given)):
                refused[name] = f"The filter “{name}” does not take “{given[0]}”: it has a NUL character."
        if refused:
            return refused  # the database would not accept such values
        for name, errors in self.form.errors.items():
            given = ", ".join(f"“{value}”" for value in self.data.getlist(name))
            refused[name] = f"The filter “{name}” does not take {given}: {self._taken(name) or ' '.join(map(str, errors))}"
        return refused

    def _taken(self, name: str) -> str:
        """A sentence about the values that a filter accepts; empty if there is none."""
        choices = [value for value, _ in self.filters[name].extra.get("choices", ())]
        if choices:
            return f"it takes {', '.join(choices)}."
        return "there is none." if isinstance(self.filters[name], ModelMultipleChoiceFilter) else ""

    def knows(self, name: str) -> bool:
        """Whether there is such a parameter."""
        return name in self.filters or name in self.others

    @property
    def matching(self) -> QuerySet[Any]:
        """The rows that match; no row if there is a problem."""
        assert self.queryset is not None
        found: QuerySet[Any] = self.queryset.none() if self.refused else self.qs
        return found

    @property
    def chosen(self) -> Mapping[str, Any]:
        """The parameters that are set, with their parsed values."""
        return {name: value for name, value in self.form.cleaned_data.items() if value or value == 0}

    def label(self, name: str) -> str:
        """The label of a parameter. A negated parameter has the label of its positive one."""
        return str(self.filters[positive(name)].label)


def negations(name: str) -> tuple[str, str]:
    """The two names of a parameter's negation."""
    return name + NOT, NOT_ + name


def is_negated(name: str) -> bool:
    """Whether a parameter is a negated one, which leaves rows out."""
    return name.endswith(NOT) or name.startswith(NOT_)


def positive(name: str) -> str:
    """A parameter's name without its negation."""
    return name.removesuffix(NOT).removeprefix(NOT_)

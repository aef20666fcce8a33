"""Filters over batches, their objects and errors, shared by everything that lists them.

What cannot be understood is a problem that is shown, and then nothing matches: a filter is never silently left out.
"""

import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from django.core.exceptions import ValidationError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, Exists, F, Func, Model, OuterRef, Q, QuerySet, Value
from django.db.models.sql.compiler import SQLCompiler
from django.http import QueryDict
from django_filters import (
    CharFilter,
    ChoiceFilter,
    FilterSet,
    IsoDateTimeFilter,
    ModelChoiceFilter,
    MultipleChoiceFilter,
    NumberFilter,
)

from batches.models import ApiKey, Batch, BatchError, BatchObject, Dialect, Project, Slice
from batches.states import OPEN, BatchStatus, ObjectStatus
from providers.models import Provider

M = TypeVar("M", bound=Model)

YES_NO = [("yes", "Yes"), ("no", "No")]
PERIODS = {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
CREATED = [("1h", "Last hour"), ("24h", "Last 24 hours"), ("7d", "Last 7 days"), ("30d", "Last 30 days")]
VIEWS = [
    ("active", "Active"),
    ("attention", "Needs attention"),
    ("today", "Today"),
    ("hour", "Last hour"),
]
METADATA = "metadata."  # what parameters begin with that name a pair
ID_START = re.compile(r"(?:[a-z]+(?:_[a-z]+)*[-_])?([0-9a-f-]{4,36})", re.ASCII)


def require_in_utc(moment: datetime) -> None:
    """Raise ValidationError for a moment that UTC has no year for: the first or last of all, in another zone."""
    try:
        moment.astimezone(UTC)
    except OverflowError:
        raise ValidationError("It is out of range.") from None


class StrictFilterSet(FilterSet):
    """A filter set that says what it did not understand. `others` are parameters that belong to the page, not to it."""

    others: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, data: QueryDict, *, queryset: QuerySet[Any], now: datetime) -> None:
        filled = data.copy()
        for name in data:
            filled.setlist(name, [value for value in data.getlist(name) if value])  # a form also sends what is empty
        super().__init__(filled, queryset=queryset)
        self.now = now
        for filter_ in self.filters.values():
            if isinstance(filter_, ChoiceFilter | ModelChoiceFilter):
                filter_.extra["empty_label"] = "Any"

    @property
    def problems(self) -> list[str]:
        """Why this cannot be filtered, in sentences; empty when all is well."""
        return list(self.refused.values())

    @cached_property
    def refused(self) -> dict[str, str]:
        """Parameters that cannot be filtered by, and why: a sentence each."""
        refused = {}
        for name in self.data:
            given = self.data.getlist(name)
            if not self.knows(name):
                refused[name] = f"There is no filter “{name}”."
            elif len(given) > 1 and not isinstance(self.filters.get(name), MultipleChoiceFilter):
                refused[name] = f"The filter “{name}” is given more than once."
            elif any("\0" in text for text in (name, *given)):
                refused[name] = f"The filter “{name}” does not take “{given[0]}”: it has a NUL character."
        if refused:
            return refused  # a database would not take some of that
        for name, errors in self.form.errors.items():
            given = ", ".join(f"“{value}”" for value in self.data.getlist(name))
            refused[name] = f"The filter “{name}” does not take {given}: {' '.join(str(error) for error in errors)}"
        return refused

    def knows(self, name: str) -> bool:
        """Whether there is such a parameter."""
        return name in self.filters or name in self.others

    @property
    def matching(self) -> QuerySet[Any]:
        """The rows that match; none at all when there is a problem."""
        assert self.queryset is not None
        found: QuerySet[Any] = self.queryset.none() if self.refused else self.qs
        return found

    @property
    def chosen(self) -> Mapping[str, Any]:
        """What is filtered by: parameters and their understood values, without the empty ones."""
        return {name: value for name, value in self.form.cleaned_data.items() if value or value == 0}

    def label(self, name: str) -> str:
        """What a parameter is called."""
        return str(self.filters[name].label)


class BatchFilter(StrictFilterSet):
    """Which batches: every parameter narrows the list, several statuses widen it.

    `metadata.KEY=VALUE` asks for batches with that pair. With `within`, other projects' names are unknown.
    """

    others = frozenset({"older", "newer", "fragment"})

    view = ChoiceFilter(label="View", choices=VIEWS, method="in_view")
    text = CharFilter(label="Search", method="with_text", max_length=200)
    status = MultipleChoiceFilter(label="Status", choices=BatchStatus.choices, distinct=False)
    project = ModelChoiceFilter(label="Project", queryset=Project.objects.all(), to_field_name="slug")
    provider = ModelChoiceFilter(label="Provider", queryset=Provider.objects.all(), to_field_name="name")
    dialect = ChoiceFilter(label="Dialect", choices=Dialect.choices)
    key = ModelChoiceFilter(label="API key", field_name="created_by_key", queryset=ApiKey.objects.all(), to_field_name="prefix")
    endpoint = CharFilter(label="Endpoint", max_length=100)
    model = CharFilter(label="Model", max_length=200)
    created = ChoiceFilter(label="Created", choices=CREATED, method="created_within")
    created_from = IsoDateTimeFilter(
        label="Created from", field_name="created_at", lookup_expr="gte", validators=[require_in_utc]
    )
    created_to = IsoDateTimeFilter(label="Created to", field_name="created_at", lookup_expr="lt", validators=[require_in_utc])
    has_errors = ChoiceFilter(label="Has errors", choices=YES_NO, method="with_errors")

    class Meta:
        model = Batch
        fields: ClassVar[list[str]] = []

    def __init__(self, data: QueryDict, *, queryset: QuerySet[Any], now: datetime, within: Project | None = None) -> None:
        super().__init__(data, queryset=queryset, now=now)
        if within is not None:
            named = {"project": Project.objects.filter(pk=within.pk), "key": within.api_keys.all()}
            named["provider"] = Provider.objects.filter(
                Q(granted_to_all=True) | Q(grants__project=within) | Exists(within.batches.filter(provider=OuterRef("pk")))
            ).distinct()
            for name, choices in named.items():
                self.filters[name].queryset = choices

    def knows(self, name: str) -> bool:
        return super().knows(name) or name.startswith(METADATA)

    @property
    def chosen(self) -> Mapping[str, Any]:
        return {**super().chosen, **{name: self.data[name] for name in self.data if name.startswith(METADATA)}}

    def label(self, name: str) -> str:
        return f"Metadata {name.removeprefix(METADATA)}" if name.startswith(METADATA) else super().label(name)

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        queryset = super().filter_queryset(queryset)
        for name in self.data:
            if name.startswith(METADATA):
                queryset = queryset.filter(HasPair(F("metadata"), Value(name.removeprefix(METADATA)), Value(self.data[name])))
        return queryset

    def in_view(self, queryset: QuerySet[Batch], _name: str, view: str) -> QuerySet[Batch]:
        """The built-in views: questions that operators ask every day."""
        if view == "active":
            return queryset.filter(status__in=OPEN)
        if view == "attention":
            return queryset.filter(needs_attention(now=self.now))
        if view == "today":
            return queryset.filter(created_at__gte=self.now.replace(hour=0, minute=0, second=0, microsecond=0))
        return queryset.filter(created_at__gte=self.now - timedelta(hours=1))

    def with_text(self, queryset: QuerySet[Batch], _name: str, text: str) -> QuerySet[Batch]:
        """An id in any form, the start of one, or words of the remark."""
        return queryset.filter(Q(remark__icontains=text) | _id_starts_with(text))

    def created_within(self, queryset: QuerySet[Batch], _name: str, period: str) -> QuerySet[Batch]:
        return queryset.filter(created_at__gte=self.now - PERIODS[period])

    def with_errors(self, queryset: QuerySet[Batch], _name: str, answer: str) -> QuerySet[Batch]:
        """Validation errors or failed objects."""
        return queryset.filter(has_errors()) if answer == "yes" else queryset.exclude(has_errors())


class BatchObjectFilter(StrictFilterSet):
    """Which objects of one batch."""

    others = frozenset({"after", "before", "validation", "fragment"})

    status = MultipleChoiceFilter(label="Status", choices=ObjectStatus.choices, distinct=False)
    custom_id = CharFilter(label="custom_id", lookup_expr="icontains", max_length=512)
    error = CharFilter(label="Error group", method="in_error_group", max_length=43)

    class Meta:
        model = BatchObject
        fields: ClassVar[list[str]] = []

    def in_error_group(self, queryset: QuerySet[BatchObject], _name: str, fingerprint: str) -> QuerySet[BatchObject]:
        """Objects whose latest round failed for the reason with this fingerprint."""
        same = BatchError.objects.filter(
            batch=OuterRef("batch"), line=OuterRef("line"), round=OuterRef("round"), fingerprint=fingerprint
        )
        return queryset.filter(Exists(same))


class BatchErrorFilter(StrictFilterSet):
    """Which errors of one batch."""

    error = CharFilter(label="Error group", field_name="fingerprint", max_length=43)
    code = CharFilter(label="Code", max_length=100)
    line = NumberFilter(label="Line", min_value=1, max_value=2**31 - 1, decimal_places=0)

    class Meta:
        model = BatchError
        fields: ClassVar[list[str]] = []


class HasPair(Func):
    """Whether a JSON object (first) has under a key (second) just this text (third)."""

    output_field = BooleanField()
    conditional = True
    templates: ClassVar[dict[str, str]] = {
        "postgresql": "{0} ->> {1}::text = {2}::text",
        "sqlite": "EXISTS (SELECT 1 FROM json_each({0}) WHERE key = {1} AND atom = {2})",
    }

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, *_: Any, **__: Any) -> tuple[str, tuple[Any, ...]]:
        compiled = [compiler.compile(part) for part in self.source_expressions]
        sql = self.templates[connection.vendor].format(*(part for part, _ in compiled))
        return sql, tuple(value for _, params in compiled for value in params)


def has_errors() -> Q:
    """Batches with validation errors or failed objects, also those that still run."""
    failing = Slice.objects.filter(batch=OuterRef("pk"), failed__gt=0)
    return Q(error_count__gt=0) | Q(failed__gt=0) | Q(Exists(failing), status__in=OPEN)


def needs_attention(*, now: datetime) -> Q:
    """Batches that failed, expired, ended with failures, are past their deadline, or are held back."""
    ended_badly = Q(status__in=[BatchStatus.FAILED, BatchStatus.EXPIRED]) | Q(status=BatchStatus.COMPLETED, failed__gt=0)
    held_back = Q(status__in=OPEN) & (Q(expires_at__lte=now) | Q(throttled_until__gt=now))
    return ended_badly | held_back


def _id_starts_with(text: str) -> Q:
    """Ids sort as their hexadecimal digits do, so those with a common start are a range."""
    match = ID_START.fullmatch(text.strip().lower())
    digits = match[1].replace("-", "") if match else ""
    if not 4 <= len(digits) <= 32:
        return Q()
    return Q(pk__gte=uuid.UUID(digits.ljust(32, "0")), pk__lte=uuid.UUID(digits.ljust(32, "f")))

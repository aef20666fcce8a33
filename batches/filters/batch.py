"""BatchFilter: the one set of filters over batches, for the console, the native API, exports, saved views and bulk acts."""

import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Self

from django.core.exceptions import ValidationError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, F, Func, Q, QuerySet, Value
from django.db.models.sql.compiler import SQLCompiler
from django.http import QueryDict
from django_filters import CharFilter, ChoiceFilter, IsoDateTimeFilter, MultipleChoiceFilter

from batches.filters.conditions import Condition, has_errors, in_condition, needs_attention
from batches.filters.periods import LAST_NIGHT, NIGHT_BEGINS, NIGHT_ENDS, TODAY, require_period, span_of
from batches.filters.strict import Among, AmongRows, AmongTexts, StrictFilterSet, is_negated, negations, positive
from batches.models import ApiKey, Batch, BatchErrorGroup, BatchObject, Dialect, Project
from batches.rules import fingerprints
from batches.rules.states import OPEN, BatchStatus
from batches.services.core.access import Access, providers_of
from providers.models import Provider

YES_NO = [("yes", "Yes"), ("no", "No")]
CREATED = [
    ("1h", "Last hour"),
    (TODAY, "Today"),
    (LAST_NIGHT, f"Last night, {NIGHT_BEGINS}:00 to {NIGHT_ENDS}:00"),
    ("24h", "Last 24 hours"),
    ("7d", "Last 7 days"),
    ("30d", "Last 30 days"),
]
VIEWS = [
    ("all", "All"),
    ("active", "Active"),
    ("attention", "Needs attention"),
    ("today", "Today"),
    ("night", "Last night"),
    ("hour", "Last hour"),
]
METADATA = "metadata."  # the prefix of parameters that name a pair of metadata
ID_START = re.compile(r"(?:[a-z]+(?:_[a-z]+)*[-_])?([0-9a-f-]{4,36})", re.ASCII)
# Texts that are hardly words: our own prefix, many digits in a row, or the beginning of a UUID.
CERTAIN_ID = re.compile(r"(?:msg)?batch_[0-9a-f-]{4,36}|[0-9a-f]{12,32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{,22}", re.ASCII)
ZONES_APART = timedelta(days=1)  # no zone is further from UTC
PERIODS_OF_VIEWS = {"today": TODAY, "night": LAST_NIGHT, "hour": "1h"}


def require_in_any_zone(moment: datetime) -> None:
    """Raise ValidationError for a moment on the very first or last day: in some zone, its year would be out of range."""
    try:
        for distance in (-ZONES_APART, ZONES_APART):
            moment.astimezone(UTC) + distance
    except OverflowError:
        raise ValidationError("It is out of range.") from None


class BatchFilter(StrictFilterSet):
    """The filters over batches. Each parameter narrows the list; several values of one parameter widen it.

    `name!` or `not_name` leaves out batches with a value. `metadata.KEY=VALUE` finds batches with this pair. `within` are the
    projects whose names are known. `counted` are the parameters with an index; a result is cheap to count only if all its
    parameters are among them.
    """

    others = frozenset({"after", "before", "sort", "columns", "saved", "fragment"})
    counted = frozenset(
        {"view", "status", "project", "provider", "key", "created", "created_from", "created_to", "custom_id", "error"}
    )
    negatable = ("status", "project", "provider", "dialect", "key", "endpoint", "model")

    view = ChoiceFilter(label="View", choices=VIEWS, method="in_view")
    text = CharFilter(label="Search", method="with_text", max_length=200)
    custom_id = CharFilter(
        label="custom_id", method="with_custom_id", max_length=512, help_text="The `custom_id` of one of its objects, all of it."
    )
    status = Among(label="Status", choices=BatchStatus.choices)
    condition = MultipleChoiceFilter(label="Condition", choices=Condition.choices, method="in_condition")
    project = AmongRows(label="Project", queryset=Project.objects.all(), to_field_name="slug")
    provider = AmongRows(label="Provider", queryset=Provider.objects.all(), to_field_name="name")
    dialect = Among(label="Dialect", choices=Dialect.choices)
    key = AmongRows(label="API key", field_name="created_by_key", queryset=ApiKey.objects.all(), to_field_name="prefix")
    endpoint = AmongTexts(label="Endpoint", max_length=100)
    model = AmongTexts(label="Model", max_length=200)
    created = CharFilter(label="Created", method="created_within", validators=[require_period])
    created_from = IsoDateTimeFilter(
        label="Created from", field_name="created_at", lookup_expr="gte", validators=[require_in_any_zone]
    )
    created_to = IsoDateTimeFilter(
        label="Created to", field_name="created_at", lookup_expr="lt", validators=[require_in_any_zone]
    )
    has_errors = ChoiceFilter(label="Has errors", choices=YES_NO, method="with_errors")
    error = CharFilter(
        label="Error group",
        method="in_error_group",
        max_length=fingerprints.CHARS,
        help_text="The fingerprint of an error group of its objects.",
    )

    class Meta:
        model = Batch
        fields: ClassVar[list[str]] = []

    def __init__(
        self, data: QueryDict, *, queryset: QuerySet[Any], now: datetime, within: QuerySet[Project] | None = None
    ) -> None:
        super().__init__(data, queryset=queryset, now=now)
        if within is not None:
            keys = ApiKey.objects.filter(project__in=within)
            for name, choices in {"project": within, "key": keys, "provider": providers_of(within)}.items():
                for spelling in (name, *negations(name)):
                    self.filters[spelling].queryset = choices

    @classmethod
    def asked_by(cls, access: Access, query: QueryDict, *, now: datetime) -> Self:
        """The filters of a query, over the batches that a person sees."""
        return cls(query, queryset=access.batches(), now=now, within=access.filter_within)

    def knows(self, name: str) -> bool:
        return super().knows(name) or positive(name).startswith(METADATA)

    @property
    def chosen(self) -> Mapping[str, Any]:
        return {**super().chosen, **self._pairs}

    @property
    def _pairs(self) -> dict[str, str]:
        """The parameters that name a pair of metadata, with their values. Empty values from a form are left out."""
        return {name: str(self.data[name]) for name in self.data if positive(name).startswith(METADATA) and self.data[name]}

    @property
    def can_be_counted(self) -> bool:
        return all(name in self.counted or name in self.others for name in self.data)

    def label(self, name: str) -> str:
        return positive(name) if positive(name).startswith(METADATA) else super().label(name)

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        queryset = super().filter_queryset(queryset)
        for name, value in self._pairs.items():
            pair = HasPair(F("metadata"), Value(positive(name).removeprefix(METADATA)), Value(value))
            queryset = queryset.exclude(pair) if is_negated(name) else queryset.filter(pair)
        return queryset

    def in_view(self, queryset: QuerySet[Batch], _name: str, view: str) -> QuerySet[Batch]:
        """The batches in a built-in view, which is a filter for everyday use. A day begins in the zone of the reader."""
        if view == "active":
            return queryset.filter(status__in=OPEN)
        if view == "attention":
            return queryset.filter(needs_attention(now=self.now))
        period = PERIODS_OF_VIEWS.get(view)
        return self.created_within(queryset, "created", period) if period else queryset

    def with_text(self, queryset: QuerySet[Batch], _name: str, text: str) -> QuerySet[Batch]:
        """Batches with this id in any of its forms, with this beginning of an id, or with these words in the remark."""
        ids = _id_starts_with(text)
        return queryset.filter(ids if is_certainly_id(text) else Q(remark__icontains=text) | ids)

    def with_custom_id(self, queryset: QuerySet[Batch], _name: str, custom_id: str) -> QuerySet[Batch]:
        """Batches that have an object with exactly this `custom_id`."""
        return queryset.filter(pk__in=BatchObject.objects.filter(custom_id=custom_id).order_by().values("batch"))

    def in_condition(self, queryset: QuerySet[Batch], _name: str, conditions: list[str]) -> QuerySet[Batch]:
        found = Q()
        for condition in conditions:
            found |= in_condition(condition, now=self.now)
        return queryset.filter(found)

    def created_within(self, queryset: QuerySet[Batch], _name: str, period: str) -> QuerySet[Batch]:
        begin, end = span_of(period, now=self.now)
        queryset = queryset.filter(created_at__gte=begin) if begin else queryset
        return queryset.filter(created_at__lt=end) if end else queryset

    def with_errors(self, queryset: QuerySet[Batch], _name: str, answer: str) -> QuerySet[Batch]:
        """Batches with, or without, validation errors or failed objects."""
        return queryset.filter(has_errors()) if answer == "yes" else queryset.exclude(has_errors())

    def in_error_group(self, queryset: QuerySet[Batch], _name: str, fingerprint: str) -> QuerySet[Batch]:
        """Batches with failures of the error group with this fingerprint."""
        return queryset.filter(pk__in=BatchErrorGroup.objects.filter(group__fingerprint=fingerprint).order_by().values("batch"))


class HasPair(Func):
    """A condition: the JSON object (first argument) has the text (third) under the key (second). False for other JSON."""

    output_field = BooleanField()
    conditional = True
    templates: ClassVar[dict[str, str]] = {
        "postgresql": "COALESCE({0} ->> {1}::text = {2}::text, FALSE)",
        "sqlite": "EXISTS (SELECT 1 FROM json_each({0}) WHERE key = {1} AND atom = {2})",
    }

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, *_: Any, **__: Any) -> tuple[str, tuple[Any, ...]]:
        compiled = [compiler.compile(part) for part in self.source_expressions]
        sql = self.templates[connection.vendor].format(*(part for part, _ in compiled))
        return sql, tuple(value for _, params in compiled for value in params)


def is_certainly_id(text: str) -> bool:
    """Whether a text is an id or the beginning of one, and hardly a word of a remark. Then an index finds the batch."""
    return CERTAIN_ID.fullmatch(text.strip().lower()) is not None


def _id_starts_with(text: str) -> Q:
    """A condition for ids with this beginning. Ids sort as their hexadecimal digits, so these ids are a range."""
    match = ID_START.fullmatch(text.strip().lower())
    digits = match[1].replace("-", "") if match else ""
    if not 4 <= len(digits) <= 32:
        return Q(pk__in=())
    return Q(pk__gte=uuid.UUID(digits.ljust(32, "0")), pk__lte=uuid.UUID(digits.ljust(32, "f")))

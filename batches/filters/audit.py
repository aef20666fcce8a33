"""Filters over the audit log."""

from datetime import datetime
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import QueryDict
from django_filters import CharFilter, ChoiceFilter, IsoDateTimeFilter

from batches.filters.batch import require_in_any_zone
from batches.filters.periods import require_period
from batches.filters.strict import Among, AmongRows, StrictFilterSet
from batches.models import AuditEntry, Project
from batches.rules.display.audit_words import choices
from batches.rules.states import Source


class AuditFilter(StrictFilterSet):
    """The filters over the audit log. They are read here, and `insight.audit_log` applies them to both of its tables.

    `within` are the projects whose names the reader may know; None for all of them.
    """

    others = frozenset({"after", "fragment"})

    text = CharFilter(label="Words", max_length=200, method="as_it_is")
    who = CharFilter(label="Who", max_length=200, method="as_it_is")
    what = Among(label="What", choices=choices(), method="as_it_is")
    outcome = ChoiceFilter(label="Outcome", choices=AuditEntry.Outcome.choices, method="as_it_is")
    source = Among(label="Through", choices=Source.choices, method="as_it_is")
    project = AmongRows(label="Project", queryset=Project.objects.all(), to_field_name="slug", method="as_it_is")
    target = CharFilter(label="About", max_length=200, method="as_it_is", help_text="The id of what was acted on.")
    created = CharFilter(label="When", method="as_it_is", validators=[require_period])
    created_from = IsoDateTimeFilter(label="From", method="as_it_is", validators=[require_in_any_zone])
    created_to = IsoDateTimeFilter(label="To", method="as_it_is", validators=[require_in_any_zone])

    class Meta:
        model = AuditEntry
        fields: ClassVar[list[str]] = []

    def __init__(self, data: QueryDict, *, now: datetime, within: QuerySet[Project] | None = None) -> None:
        super().__init__(data, queryset=AuditEntry.objects.none(), now=now)
        if within is not None:
            self.filters["project"].queryset = within

    def as_it_is(self, queryset: QuerySet[Any], _name: str, _value: object) -> QuerySet[Any]:
        return queryset

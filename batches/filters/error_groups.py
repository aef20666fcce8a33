"""Filters over error groups."""

from typing import ClassVar

from django.db.models import QuerySet
from django_filters import CharFilter, ChoiceFilter

from batches.filters.strict import StrictFilterSet
from batches.models import ErrorGroup
from providers.failures import Source

YES_NO = [("yes", "Yes"), ("no", "No")]


class ErrorGroupFilter(StrictFilterSet):
    """The filters over error groups. Each parameter narrows the list. The window of time for counts is no filter."""

    others = frozenset({"window"})

    project = CharFilter(label="Project", field_name="project__slug", max_length=64)
    provider = CharFilter(label="Provider", max_length=64)
    code = CharFilter(label="Code", max_length=100)
    source = ChoiceFilter(label="Source", choices=[(source.value, source.value.capitalize()) for source in Source])
    muted = ChoiceFilter(label="Muted", choices=YES_NO, method="which_are_muted")
    text = CharFilter(label="Message", field_name="message", lookup_expr="icontains", max_length=200)

    class Meta:
        model = ErrorGroup
        fields: ClassVar[list[str]] = []

    def which_are_muted(self, queryset: QuerySet[ErrorGroup], _name: str, answer: str) -> QuerySet[ErrorGroup]:
        return queryset.filter(muted_at__isnull=answer == "no")

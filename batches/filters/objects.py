"""Filters over the objects and errors of one batch."""

from typing import ClassVar

from django.db.models import Exists, OuterRef, QuerySet
from django_filters import CharFilter, MultipleChoiceFilter, NumberFilter

from batches.filters.strict import StrictFilterSet
from batches.models import LAST_LINE, BatchError, BatchObject
from batches.rules import fingerprints
from batches.rules.states import ObjectStatus


class BatchObjectFilter(StrictFilterSet):
    """The filters over the objects of one batch."""

    others = frozenset({"after", "before", "validation", "problem", "fragment", "list"})

    status = MultipleChoiceFilter(label="Status", choices=ObjectStatus.choices, distinct=False)
    custom_id = CharFilter(label="custom_id", lookup_expr="icontains", max_length=512)
    error = CharFilter(label="Error group", method="in_error_group", max_length=fingerprints.CHARS)

    class Meta:
        model = BatchObject
        fields: ClassVar[list[str]] = []

    def in_error_group(self, queryset: QuerySet[BatchObject], _name: str, fingerprint: str) -> QuerySet[BatchObject]:
        """Objects whose latest round is a failure of the error group with this fingerprint."""
        same = BatchError.objects.filter(
            batch=OuterRef("batch"), line=OuterRef("line"), round=OuterRef("round"), fingerprint=fingerprint
        )
        return queryset.filter(Exists(same))


class BatchErrorFilter(StrictFilterSet):
    """The filters over the errors of one batch."""

    error = CharFilter(label="Error group", field_name="fingerprint", max_length=fingerprints.CHARS)
    code = CharFilter(label="Code", max_length=100)
    line = NumberFilter(label="Line", min_value=1, max_value=LAST_LINE, decimal_places=0)

    class Meta:
        model = BatchError
        fields: ClassVar[list[str]] = []

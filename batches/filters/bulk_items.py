"""Filters over the batches of one bulk operation."""

from typing import ClassVar

from django_filters import MultipleChoiceFilter

from batches.filters.strict import StrictFilterSet
from batches.models import BulkItem


class BulkItemFilter(StrictFilterSet):
    """The filters over the outcomes of a bulk operation."""

    others = frozenset({"after", "before", "fragment"})

    status = MultipleChoiceFilter(label="Outcome", choices=BulkItem.Status.choices, distinct=False)

    class Meta:
        model = BulkItem
        fields: ClassVar[list[str]] = []

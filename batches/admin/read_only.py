"""Rows that the engine writes: to be looked at, never to be changed by hand."""

from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from batches import identifiers

M = TypeVar("M", bound=Model)
COUNT_CAP = 10_000

# The classes take a parameter for the type checker alone.
if TYPE_CHECKING:
    Registered = admin.ModelAdmin
    _Paginator = Paginator[QuerySet[Model]]
else:
    _Paginator = Paginator

    class Registered(admin.ModelAdmin):
        """`Registered[Batch]` is the plain class."""

        def __class_getitem__(cls, _model: object) -> type:
            return cls


class CappedPaginator(_Paginator):
    """Never counts a whole table: behind COUNT_CAP rows there are no further pages, only filters."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        assert isinstance(rows, QuerySet)
        return rows.order_by()[:COUNT_CAP].count()


class ReadOnly(Registered[M]):
    """No adding, changing or deleting; no counting of whole tables; never one query a row.

    A search for an id, in any of its forms, compares it with `found_by`; other words are looked for in
    `search_fields`, unless they name nothing else.
    """

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = CappedPaginator
    list_per_page = 50
    found_by = "pk"

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[M], search_term: str) -> tuple[QuerySet[M], bool]:
        """Rows with this id, or with these words."""
        if identifier := identifiers.parse(search_term.strip().lower()):
            return queryset.filter(**{self.found_by: identifier}), False
        if search_term and tuple(self.search_fields) == (self.found_by,):
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _row: M | None = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _row: M | None = None) -> bool:
        return False

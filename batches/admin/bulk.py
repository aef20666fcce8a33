"""Bulk operations and the outcomes of their batches. They are watched and stopped in the console."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from batches.admin.scope import ReadOnly, access
from batches.models import BulkItem, BulkOperation


@admin.register(BulkOperation)
class BulkOperationAdmin(ReadOnly[BulkOperation]):
    """A person's own bulk operations; all of them for a superuser."""

    project = None
    list_display = ("created_at", "act", "status", "actor", "total", "done", "skipped", "failed", "reason")
    list_filter = ("status", "act", "source")
    list_select_related = ("owner",)
    search_fields = ("actor__startswith",)
    search_help_text = "The id of an operation, or the beginning of an actor's name."
    date_hierarchy = "created_at"
    exclude = ("token",)
    show_facets = admin.ShowFacets.ALLOW

    def get_queryset(self, request: HttpRequest) -> QuerySet[BulkOperation]:
        rows = super().get_queryset(request)
        return rows if access(request).everywhere else rows.filter(owner=access(request).user)

    def has_view_permission(self, request: HttpRequest, obj: BulkOperation | None = None) -> bool:  # noqa: ARG002
        return not access(request).nowhere


@admin.register(BulkItem)
class BulkItemAdmin(ReadOnly[BulkItem]):
    project = "batch__project"
    list_display = ("operation_id", "batch", "status", "note", "ended_at")
    list_filter = ("status",)
    list_select_related = ("batch",)
    found_by = "operation"
    search_fields = ("operation",)
    search_help_text = "The id of a bulk operation."
    ordering = ("-pk",)

"""Error groups: failures that are alike. Notes on groups, and muting, are in the console."""

from typing import ClassVar

from django.contrib import admin

from batches.admin.scope import Inside, OwnProjects, ReadOnly
from batches.models import BatchErrorGroup, ErrorGroup, ErrorGroupHour
from batches.services.core.access import Right


@admin.register(ErrorGroup)
class ErrorGroupAdmin(ReadOnly[ErrorGroup]):
    sees = Right.READ_BODIES  # messages may quote bodies
    list_display = ("code", "message", "http_status", "provider", "source", "project", "first_seen", "muted_at")
    list_filter = ("source", ("project", OwnProjects), ("muted_at", admin.EmptyFieldListFilter))
    list_select_related = ("project",)
    search_fields = ("fingerprint", "code__startswith")
    search_help_text = "A fingerprint, or the beginning of a code."
    date_hierarchy = "first_seen"
    show_facets = admin.ShowFacets.ALLOW


@admin.register(BatchErrorGroup)
class BatchErrorGroupAdmin(Inside[BatchErrorGroup]):
    sees = Right.READ_BODIES  # messages may quote bodies
    list_display = ("batch_id", "group", "count", "first_line", "last_line", "first_seen", "last_seen")
    list_select_related = ("group",)


@admin.register(ErrorGroupHour)
class ErrorGroupHourAdmin(ReadOnly[ErrorGroupHour]):
    project: ClassVar[str | None] = "group__project"
    sees = Right.READ_BODIES  # the name of a group is its message
    list_display = ("hour", "group", "count")
    list_select_related = ("group",)
    found_by = "group"
    search_fields = ("group",)
    search_help_text = "The id of an error group."
    ordering = ("-pk",)

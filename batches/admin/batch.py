"""Batches in the admin: read, and cancel."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from batches.actors import Actor
from batches.admin.read_only import ReadOnly
from batches.models import Batch
from batches.services.cancel import NotCancellable, cancel
from batches.states import Source


@admin.register(Batch)
class BatchAdmin(ReadOnly[Batch]):
    """Counts are those at the end of a batch; the console shows them while it runs."""

    list_display = ("__str__", "status", "project", "provider", "model", "total", "failed", "created_at", "console")
    list_filter = ("status", "dialect", "project", "provider")
    list_select_related = ("project", "provider")
    search_fields = ("remark", "model")
    date_hierarchy = "created_at"
    actions = ("cancel",)

    @admin.display(description="Console")
    def console(self, batch: Batch) -> SafeString:
        """The batch's page."""
        return format_html('<a href="/console/batches/{}/">Open</a>', str(batch))

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("batches.cancel_batch")

    @admin.action(description="Cancel the selected batches", permissions=["cancel"])
    def cancel(self, request: HttpRequest, batches: QuerySet[Batch]) -> None:
        actor, now = Actor(f"user {request.user.get_username()}", Source.ADMIN), timezone.now()
        cancelled, over = 0, 0
        for batch in batches:
            try:
                cancel(batch, actor=actor, now=now)
                cancelled += 1
            except NotCancellable:
                over += 1
        self.message_user(request, f"{cancelled} being cancelled; {over} could not be cancelled any more.", messages.SUCCESS)

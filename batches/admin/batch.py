"""Batches in the admin. They can be read, and acts on them are bulk operations, as in the console."""

from collections.abc import Callable

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from batches.admin.scope import OwnProjects, ReadOnly, access
from batches.models import Batch, BulkAct
from batches.models.batch import BatchQuerySet
from batches.rules.errors import InvalidRequest, PortalError
from batches.services.bulk.acts import VERBS, Parameters, checked_parameters
from batches.services.bulk.choice import QUERY_CHARS, Choice
from batches.services.bulk.create import create
from batches.services.bulk.order_form import OrderForm, question
from batches.services.bulk.preview import announced, preview, words
from batches.services.core.access import Right

Action = Callable[["BatchAdmin", HttpRequest, QuerySet[Batch]], HttpResponse | None]


def _action(act: BulkAct) -> Action:
    """An action in the list's menu: it asks first, and orders the bulk operation after the answer."""

    @admin.action(description=f"{VERBS[act].word} the selected batches…", permissions=["act"])
    def action(model_admin: "BatchAdmin", request: HttpRequest, batches: QuerySet[Batch]) -> HttpResponse | None:
        return model_admin.act(request, batches, act)

    action.__name__ = act.value
    return action


@admin.register(Batch)
class BatchAdmin(ReadOnly[Batch]):
    """Batches. Counts are shown only after the end of a batch; the console shows those of a running batch."""

    list_display = (
        *("__str__", "status", "project", "provider", "model", "runs", "final_total", "final_failed", "created_at", "console"),
    )
    list_filter = (
        "status",
        "execution",
        "dialect",
        ("project", OwnProjects),
        ("created_at", admin.DateFieldListFilter),
        ("paused_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("project", "provider")
    search_fields = ("pk",)
    search_help_text = "The id of a batch, in any of its forms. Words and metadata are searched for in the console."
    actions = tuple(_action(act) for act in BulkAct)

    @admin.display(description="Execution", ordering="execution")
    def runs(self, batch: Batch) -> str:
        """How the batch is carried out, in one word."""
        return batch.execution

    @admin.display(description="Total at its end")
    def final_total(self, batch: Batch) -> str:
        """The number of objects of an ended batch."""
        return f"{batch.total:,}" if batch.is_terminal else "—"

    @admin.display(description="Failed at its end")
    def final_failed(self, batch: Batch) -> str:
        """The number of failed objects of an ended batch."""
        return f"{batch.failed:,}" if batch.is_terminal else "—"

    @admin.display(description="Console")
    def console(self, batch: Batch) -> SafeString:
        """A link to the batch's page in the console."""
        return format_html('<a href="/console/batches/{}/">Open</a>', str(batch))

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Whether the person may act on any batch. The services check the right for each batch."""
        return access(request).may_somewhere(Right.ACT)

    def act(self, request: HttpRequest, batches: QuerySet[Batch], act: BulkAct) -> HttpResponse | None:
        """Show what an act would do to which batches. After the answer, order it, and redirect to the list."""
        choice = _chosen(request, batches)
        problem = ""
        if "token" in request.POST:
            try:
                operation = create(choice, OrderForm(request.POST).order(act), by=access(request), now=timezone.now())
            except PortalError as error:
                problem = error.message
            else:
                address = reverse("console:bulk_operation", args=[operation.pk])
                link = format_html('{} <a href="{}">Watch the operation</a>', announced(operation), address)
                self.message_user(request, link, messages.SUCCESS)
                return None
        return self._ask(request, choice, act, problem)

    def _ask(self, request: HttpRequest, choice: Choice, act: BulkAct, problem: str) -> HttpResponse:
        parameters = Parameters()
        if act is BulkAct.REROUTE and (provider := request.POST.get("provider")):
            try:
                parameters = checked_parameters(act, provider=provider)
            except InvalidRequest as error:
                problem = error.message
        shown = preview(choice, act=act, parameters=parameters, by=access(request), now=timezone.now())
        context = {
            **self.admin_site.each_context(request),
            "title": words(act, shown.eligible, shown.parameters),
            "opts": self.opts,
            **question(shown),
            "most": settings.BULK_OPERATION_MAX_BATCHES,
            "problem": problem,
            "given": request.POST,
            "chosen": ["all"] if choice.query else shown.chosen,
            "checkbox": ACTION_CHECKBOX_NAME,
            "index": request.POST.get("index", "0"),
        }
        return TemplateResponse(request, "admin/batches/batch/act.html", context)


def _chosen(request: HttpRequest, batches: QuerySet[Batch]) -> Choice:
    """The chosen batches: those that are ticked, or, with "select all", the list's filter itself instead of many ids."""
    assert isinstance(batches, BatchQuerySet)
    if request.POST.get("select_across") != "1":
        return Choice(batches)
    return Choice(batches, query=request.GET.urlencode()[:QUERY_CHARS] or "all")

"""Batches in the admin: read, and acted on as in the console, each through its service."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from batches.actors import Actor
from batches.admin.scope import COUNT_CAP, OwnProjects, ReadOnly, access
from batches.errors import PortalError
from batches.models import Batch
from batches.services.access import Right
from batches.services.audit import record_refusal
from batches.services.cancel import cancel
from batches.services.pause import pause, resume
from batches.services.retry import retry
from batches.services.selection import EVERYTHING

MOST_ACTED_ON = 1000
SAMPLE = 10


@dataclass(frozen=True, slots=True)
class Verb:
    """Something that can be done to a batch: its word, what it leads to, and how it is done."""

    word: str
    consequence: str
    do: Callable[[Batch, Actor, datetime, str], object]


VERBS = {
    "cancel": Verb(
        "Cancel",
        "What is in flight may still settle, and what has settled is kept. A cancelled batch cannot be taken up again.",
        lambda batch, actor, now, reason: cancel(batch, actor=actor, now=now, note=reason),
    ),
    "pause": Verb(
        "Pause",
        "Nothing more is sent until it is resumed. Its deadline stays as it is.",
        lambda batch, actor, now, reason: pause(batch, actor=actor, now=now, reason=reason),
    ),
    "resume": Verb(
        "Resume",
        "What is left of it is sent again.",
        lambda batch, actor, now, reason: resume(batch, actor=actor, now=now, reason=reason),
    ),
    "retry": Verb(
        "Retry the failures of",
        "What failed is sent again: in place while the batch runs, as a new batch after its end. What succeeded is not.",
        lambda batch, actor, now, reason: retry(batch, selection=EVERYTHING, actor=actor, now=now, reason=reason),
    ),
}


class ReasonForm(forms.Form):
    """Why something is done: the timeline of each batch tells it."""

    reason = forms.CharField(max_length=500, strip=True, widget=forms.TextInput(attrs={"size": 60, "autocomplete": "off"}))


@admin.register(Batch)
class BatchAdmin(ReadOnly[Batch]):
    """Counts are those at the end of a batch; the console shows them while it runs."""

    list_display = ("__str__", "status", "project", "provider", "model", "total", "failed", "created_at", "console")
    list_filter = (
        "status",
        "dialect",
        ("project", OwnProjects),
        ("created_at", admin.DateFieldListFilter),
        ("paused_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("project", "provider")
    search_fields = ("pk",)
    search_help_text = "The id of a batch, in any of its forms. Words and metadata are searched for in the console."
    actions = ("cancel", "pause", "resume", "retry")

    @admin.display(description="Console")
    def console(self, batch: Batch) -> SafeString:
        """The batch's page."""
        return format_html('<a href="/console/batches/{}/">Open</a>', str(batch))

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may act on batches at all; on which, `_act` asks."""
        return access(request).may_somewhere(Right.ACT)

    @admin.action(description="Cancel the selected batches…", permissions=["act"])
    def cancel(self, request: HttpRequest, batches: QuerySet[Batch]) -> HttpResponse | None:
        """Stop them."""
        return self._act(request, batches, "cancel")

    @admin.action(description="Pause the selected batches…", permissions=["act"])
    def pause(self, request: HttpRequest, batches: QuerySet[Batch]) -> HttpResponse | None:
        """Have them wait."""
        return self._act(request, batches, "pause")

    @admin.action(description="Resume the selected batches…", permissions=["act"])
    def resume(self, request: HttpRequest, batches: QuerySet[Batch]) -> HttpResponse | None:
        """Let them go on."""
        return self._act(request, batches, "resume")

    @admin.action(description="Retry what failed of the selected batches…", permissions=["act"])
    def retry(self, request: HttpRequest, batches: QuerySet[Batch]) -> HttpResponse | None:
        """Send their failures again."""
        return self._act(request, batches, "retry")

    def _act(self, request: HttpRequest, batches: QuerySet[Batch], name: str) -> HttpResponse | None:
        """Ask for a reason and say what will happen; with a reason, do it."""
        form = ReasonForm(request.POST if "reason" in request.POST else None)
        if not form.is_valid():
            return self._ask(request, batches, name, form)
        allowed = access(request).within(batches, right=Right.ACT)
        if refused := batches[:MOST_ACTED_ON].count() - allowed[:MOST_ACTED_ON].count():
            words = f"{refused} of those chosen: {form.cleaned_data['reason']}"
            record_refusal(f"{name}_batch", actor=access(request).actor, now=timezone.now(), reason=words)
            self.message_user(request, f"{refused} not touched: you may only look at them.", messages.ERROR)
        self._do(request, allowed, VERBS[name], reason=form.cleaned_data["reason"])
        return None

    def _ask(self, request: HttpRequest, batches: QuerySet[Batch], name: str, form: ReasonForm) -> HttpResponse:
        across = request.POST.get("select_across") == "1"
        count = batches.order_by()[: COUNT_CAP + 1].count()
        context = {
            **self.admin_site.each_context(request),
            "title": f"{VERBS[name].word} {count:,} {'batch' if count == 1 else 'batches'}",
            "opts": self.opts,
            "verb": VERBS[name],
            "action": name,
            "form": form,
            "count": count,
            "most": MOST_ACTED_ON,
            "sample": batches[:SAMPLE],
            "more": max(count - SAMPLE, 0),
            "across": across,
            "chosen": [] if across else request.POST.getlist(ACTION_CHECKBOX_NAME),
            "checkbox": ACTION_CHECKBOX_NAME,
            "index": request.POST.get("index", "0"),
        }
        return TemplateResponse(request, "admin/batches/batch/act.html", context)

    def _do(self, request: HttpRequest, batches: QuerySet[Batch], verb: Verb, *, reason: str) -> None:
        """One by one, the oldest first, each asked again whether it can be done; no more than MOST_ACTED_ON."""
        actor, done, kept = access(request).actor, 0, []
        for batch in batches.order_by("created_at", "id")[:MOST_ACTED_ON]:
            try:
                verb.do(batch, actor, timezone.now(), reason)
                done += 1
            except PortalError as error:
                kept.append(f"Left alone: {batch}. {error.message}")
        self.message_user(request, f"{verb.word}: done for {done:,}, left alone {len(kept):,}.", messages.SUCCESS)
        for words in kept[:SAMPLE]:
            self.message_user(request, words, messages.WARNING)
        if batches.order_by()[: MOST_ACTED_ON + 1].count() > MOST_ACTED_ON:
            rest = f"Only the oldest {MOST_ACTED_ON:,} were looked at. The console does more of them, as a bulk operation."
            self.message_user(request, rest, messages.WARNING)

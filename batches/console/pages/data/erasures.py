"""Erasure: asked for, previewed and confirmed. The value is posted and never in an address, so that no log has it."""

import uuid

from django import forms
from django.contrib import messages
from django.http import HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from batches.console.kit.access import SignedIn, actor, find, requires
from batches.console.pages.data.kept_data import named_project
from batches.models import Erasure
from batches.rules.actors import REASON_CHARS
from batches.rules.errors import Conflict, InvalidRequest
from batches.services.core.access import Right
from batches.services.erasure.erase import ask
from batches.services.erasure.preview import Preview, preview
from batches.services.erasure.receipt import at_providers, summary
from batches.services.erasure.subject import MOST_CHARS, Subject

CONFIRMED = "erase"  # the value of the button that erases; the other one only looks


class ErasureForm(forms.Form):
    """What is to be erased."""

    kind = forms.ChoiceField(choices=Erasure.Kind.choices, widget=forms.RadioSelect, initial=Erasure.Kind.CUSTOM_ID)
    value = forms.CharField(max_length=2 * MOST_CHARS, strip=False, help_text="A custom_id, or a metadata pair as key=value.")

    def clean_value(self) -> Subject:
        """The value as the subject of an erasure."""
        try:
            return Subject.of(self.cleaned_data.get("kind", ""), self.cleaned_data["value"])
        except InvalidRequest as error:
            raise forms.ValidationError(error.message) from None


class ReasonForm(forms.Form):
    """Why it is erased. The reason is kept in the receipt."""

    reason = forms.CharField(
        max_length=REASON_CHARS,
        widget=forms.Textarea({"rows": 2}),
        help_text="Is kept in the receipt and in the audit log. It may not name the value.",
    )


@sensitive_post_parameters("value")
@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.MANAGE)
def new_erasure(request: SignedIn, project: str) -> HttpResponseBase:
    """Ask for the value. POST shows what would be touched; if it is confirmed, with a reason, POST erases."""
    found = named_project(request, project)
    posted: QueryDict | None = request.POST if request.method == "POST" else None
    form, problems = ErasureForm(posted), list[str]()
    seen: Preview | None = None
    why = ReasonForm(posted if posted is not None and posted.get("do") == CONFIRMED else None)
    if form.is_valid():
        subject = form.cleaned_data["value"]
        if why.is_valid():
            try:
                erasure = ask(found, subject, reason=why.cleaned_data["reason"], actor=actor(request), now=timezone.now())
            except (Conflict, InvalidRequest) as error:
                problems = [error.message]
            else:
                messages.success(request, "The erasure is running. This page is its receipt.")
                return redirect("console:erasure", erasure.pk)
        seen = preview(found, subject)
    context = {"project": found, "form": form, "why": why, "preview": seen, "problems": problems}
    is_wrong = bool(problems) or (form.is_bound and not form.is_valid()) or (why.is_bound and not why.is_valid())
    return render(request, "console/new_erasure.html", context, status=422 if is_wrong else 200)


@require_safe
@requires(Right.MANAGE)
def erasure_page(request: SignedIn, erasure_id: uuid.UUID) -> HttpResponseBase:
    """The receipt of an erasure."""
    erasure = find(request, Erasure.objects.select_related("project"), pk=erasure_id)
    context = {"erasure": erasure, "lines": list(summary(erasure)), "at_providers": list(at_providers(erasure))}
    return render(request, "console/erasure.html", context)

"""Legal holds: placed on a project or one of its batches, and released. Each act is asked about first."""

import uuid

from django import forms
from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from batches.console.kit.access import SignedIn, actor, find, requires
from batches.console.pages.data.kept_data import named_project
from batches.models import Batch, LegalHold
from batches.rules import identifiers
from batches.rules.actors import REASON_CHARS
from batches.rules.errors import Conflict, InvalidRequest
from batches.services.core.access import Right
from batches.services.retention.holds import place_hold, release_hold


class ReasonForm(forms.Form):
    """Why a hold is placed or released."""

    reason = forms.CharField(max_length=REASON_CHARS, widget=forms.Textarea({"rows": 2}))


class HoldForm(ReasonForm):
    """What is put under hold, and why."""

    batch = forms.CharField(required=False, max_length=100, help_text="The id of one batch; empty: the whole project.")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.MANAGE)
def new_hold(request: SignedIn, project: str) -> HttpResponseBase:
    """Ask what is to be held, and why. POST places the hold."""
    found, problems = named_project(request, project), list[str]()
    form = HoldForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        batch, text = None, form.cleaned_data["batch"]
        if text:
            key = identifiers.parse(text.strip())
            batch = Batch.objects.filter(project=found, pk=key).first() if key else None
        if text and batch is None:
            form.add_error("batch", "This project has no such batch.")
        else:
            try:
                hold = place_hold(
                    found, batch=batch, reason=form.cleaned_data["reason"], actor=actor(request), now=timezone.now()
                )
            except (Conflict, InvalidRequest) as error:
                problems = [error.message]
            else:
                messages.success(request, f"Nothing of {hold.place} is removed until this hold is released.")
                return redirect("console:project_data", found.slug)
    context = {"project": found, "form": form, "problems": problems}
    return render(request, "console/new_hold.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.MANAGE)
def release_legal_hold(request: SignedIn, hold_id: uuid.UUID) -> HttpResponseBase:
    """Ask why a hold is released. POST releases it."""
    hold, problems = find(request, LegalHold.objects.select_related("project"), pk=hold_id), list[str]()
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            release_hold(hold, reason=form.cleaned_data["reason"], actor=actor(request), now=timezone.now())
        except (Conflict, InvalidRequest) as error:
            problems = [error.message]
        else:
            messages.success(request, f"The hold of {hold.place} is released. Retention removes what it kept.")
            return redirect("console:project_data", hold.project.slug)
    context = {"hold": hold, "form": form, "problems": problems}
    return render(request, "console/release_hold.html", context, status=422 if form.is_bound else 200)

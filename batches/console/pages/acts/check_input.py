"""The report on an input before anything is sent: its problems, its size and its cost. Then the batch is started or not."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_http_methods, require_POST

from batches.console.kit.access import SignedIn, actor, find, requires
from batches.console.kit.guards import guards_in_force
from batches.console.pages.acts.new_batch_form import DEFAULT_ENDPOINT, NewBatchForm
from batches.http.fields import USUAL_WINDOW
from batches.models import Batch, File, OnInvalid, Purpose
from batches.rules.errors import PortalError, Unavailable
from batches.rules.line_rules import Problem
from batches.services.core.access import Right
from batches.services.core.route import route
from batches.services.intake.check_input import Findings, check_file, check_quotas
from batches.services.intake.drafts import discard, start
from batches.services.intake.input_rules import input_rules
from batches.services.intake.submit import usable_model
from batches.services.policy.estimate import Estimate
from providers.models import Provider

MOST_SHOWN = 50  # the most problems that are shown
MOST_MODELS = 5


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.ACT)
def check_input(request: SignedIn, file_id: uuid.UUID) -> HttpResponseBase:
    """The report on an input, and on the batch that the address describes. POST starts the batch."""
    now = timezone.now()
    file = _find(request, file_id, now=now)
    form = _form(request, file)
    if not form.is_valid():
        return redirect(_form_address(request.GET, file))
    if request.method != "POST":
        return _report(request, file, form, now=now)
    try:
        submission = form.submission
        if "skip" in request.POST:
            submission = replace(submission, on_invalid=OnInvalid.SKIP)
        batch = start(file, submission, since=_since(request, now=now), actor=actor(request), now=now)
    except PortalError as error:
        return _report(request, file, form, now=now, refusal=error)
    return redirect("console:batch", batch.pk)


@require_POST
@requires(Right.ACT)
def discard_input(request: SignedIn, file_id: uuid.UUID) -> HttpResponseBase:
    """Remove an upload that will not become a batch."""
    now = timezone.now()
    if discard(_find(request, file_id, now=now), actor=actor(request), now=now):
        messages.success(request, "The upload was discarded. Nothing was sent.")
    else:
        messages.warning(request, "Nothing was discarded: a batch uses this file, or it was not uploaded here.")
    return redirect("console:batches")


def _find(request: SignedIn, file_id: uuid.UUID, *, now: datetime) -> File:
    files = File.objects.readable(now=now).filter(purpose=Purpose.BATCH, purged_at=None).select_related("project")
    return find(request, files, pk=file_id)


def _form(request: SignedIn, file: File) -> NewBatchForm:
    said = request.GET.copy()
    said["project"] = file.project.slug
    for name, usual in (("window", USUAL_WINDOW.word), ("endpoint", DEFAULT_ENDPOINT)):
        said.setdefault(name, usual)
    form = NewBatchForm(said, known=said, projects=request.access.projects(Right.ACT), project=file.project)
    said.setdefault("provider", form.initial["provider"] or "")
    return form


def _since(request: SignedIn, *, now: datetime) -> datetime:
    """The time of the report that the form answers."""
    try:
        asked = parse_datetime(request.POST.get("asked", ""))
        return asked.astimezone(UTC) if asked and asked.tzinfo else now
    except (ValueError, OverflowError):
        return now


def _report(
    request: SignedIn, file: File, form: NewBatchForm, *, now: datetime, refusal: PortalError | None = None
) -> HttpResponseBase:
    found, provider = _findings(file, form)
    if refusal and not found.codes[refusal.code]:
        found.add(Problem(refusal.code, refusal.message, refusal.param or ""))
    models = sorted(found.estimate.tokens)
    asked = form.submission
    context = {
        "file": file,
        "form": form,
        "about": asked,
        "guards": guards_in_force(Batch(provider=provider, **asked.guards)) if provider else [],
        "asked": now,
        "deadline": now + asked.window,
        "findings": found,
        "skips": found.may_skip and asked.on_invalid == OnInvalid.SKIP,
        "codes": found.codes.most_common(),
        "problems": found.problems[:MOST_SHOWN],
        "models": [name or "not named" for name in models[:MOST_MODELS]],
        "more_models": max(len(models) - MOST_MODELS, 0),
        "draft": file.is_draft and not Batch.objects.filter(input_file=file).exists(),
        "form_address": _form_address(request.GET, file),
        "currency": settings.CURRENCY,
        "why_no_cost": next(_why_no_cost(found.estimate), ""),
    }
    return render(request, "console/check_input.html", context, status=refusal.status if refusal else 200)


def _findings(file: File, form: NewBatchForm) -> tuple[Findings, Provider | None]:
    """The findings about an input, by all checks of starting and validating a batch; and the provider of the batch."""
    asked, found = form.submission, Findings()
    provider: Provider | None = None
    default_model = ""
    try:
        provider = route(asked.project, endpoint=asked.endpoint, name=asked.provider_name)
        default_model = usable_model(asked.model, endpoint=asked.endpoint, provider=provider)
    except PortalError as error:
        found.add(Problem(error.code, error.message, error.param or ""))
    found.estimate = Estimate(asked.endpoint, default_model)
    rules = input_rules(dialect=asked.dialect, endpoint=asked.endpoint, provider=provider, default_model=default_model)
    try:
        check_file(file, rules=rules, findings=found)
    except Unavailable as error:
        found.add(Problem(error.code, error.message))
    found.estimate.price(provider)
    check_quotas(asked.project, found)
    return found, provider


def _why_no_cost(estimate: Estimate) -> Iterator[str]:
    """The reasons why the cost is unknown, if it is."""
    if estimate.cost is None:
        if estimate.input_tokens is None:
            yield "Tokens mean nothing at this endpoint."
        if estimate.unbounded:
            yield "Some requests set no limit to their answer."
        yield "The provider has no price for at least one of the models."


def _form_address(said: QueryDict, file: File) -> str:
    """The address of the form with the values that were filled in, and with this input."""
    query = said.copy()
    query["input_file"], query["project"] = str(file), file.project.slug
    return f"{reverse('console:new_batch')}?{query.urlencode()}"

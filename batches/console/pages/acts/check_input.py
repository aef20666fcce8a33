"""The report on an input before anything is sent: its problems, its size and its cost. Then the batch is started or not."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from batches.console.kit.access import SignedIn, act_of, actor, find, requires
from batches.console.kit.exports import not_exported
from batches.console.kit.guards import guards_in_force
from batches.console.pages.acts.new_batch_form import DEFAULT_ENDPOINT, PLAIN, NewBatchForm
from batches.http.exports import export_answer
from batches.http.fields import USUAL_WINDOW
from batches.http.parameters import allow_parameters
from batches.models import Batch, File, OnInvalid, Purpose
from batches.rules.errors import InvalidRequest, PortalError, Unavailable
from batches.rules.lines.line_rules import LineRules, Problem
from batches.services.core.access import Right
from batches.services.core.route import route
from batches.services.exports.problems_export import export_problems
from batches.services.intake.check_input import Findings, check_file, check_quotas
from batches.services.intake.drafts import discard, start
from batches.services.intake.input_rules import input_rules
from batches.services.intake.submit import usable_model
from batches.services.policy.estimate import Estimate
from batches.services.policy.execution import chosen_at_submit
from providers.models import Provider

PARAMETERS = (*PLAIN, "input_file")  # that describe a batch in an address
SEVERAL = ("metadata_key", "metadata_value")  # that may be given several times
MOST_SHOWN = 50  # the most problems that are shown
MOST_MODELS = 5


@dataclass(frozen=True, slots=True)
class ShownProblem:
    """A problem, and the beginning of its line, which is empty if the reader may not read requests."""

    line: int | None
    code: str
    message: str
    param: str
    text: str


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


@require_safe
@requires(Right.ACT)
def export_input_problems(request: SignedIn, file_id: uuid.UUID) -> HttpResponseBase:
    """Every problem of an input as CSV, by the rules for the batch that the address describes."""
    now = timezone.now()
    file = _find(request, file_id, now=now)
    form = _form(request, file)
    try:
        allow_parameters(request.GET, *PARAMETERS, several=SEVERAL)
    except InvalidRequest as error:
        return not_exported(request, [error.message], back=_form_address(request.GET, file))
    if not form.is_valid():
        return not_exported(request, list(_form_problems(form)), back=_form_address(request.GET, file))
    with_bodies = request.access.may(Right.READ_BODIES, file.project_id)
    if with_bodies:
        request.access.require(Right.READ_BODIES, file.project, act=act_of(request), now=now, target=file)
    of_the_batch: list[Problem] = []
    rules, _ = _rules(form, note=of_the_batch.append)
    try:
        return export_answer(export_problems(file, rules=rules, of_the_batch=of_the_batch, with_bodies=with_bodies))
    except Unavailable:  # the report says so
        return redirect(f"{reverse('console:check_input', args=[file.pk])}?{_parameters(request.GET).urlencode()}")


def _form_problems(form: NewBatchForm) -> Iterator[str]:
    for name, errors in form.errors.items():
        yield from (f"{name}: {error}" for error in errors)


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
    found, provider = _findings(file, form, code=request.GET.get("code", ""))
    if refusal and not found.codes[refusal.code]:
        found.add(Problem(refusal.code, refusal.message, refusal.param or ""))
    models = sorted(found.estimate.tokens)
    asked = form.submission
    with_bodies = request.access.may(Right.READ_BODIES, file.project_id)
    if with_bodies and found.texts:
        request.access.require(Right.READ_BODIES, file.project, act=act_of(request), now=now, target=file)
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
        "code": found.code,
        "problems": [_shown(problem, found, with_bodies=with_bodies) for problem in found.problems[:MOST_SHOWN]],
        "matching": found.codes[found.code] if found.code else found.count,
        "without_bodies": not with_bodies,
        "problems_address": f"{reverse('console:export_input_problems', args=[file.pk])}?{_parameters(request.GET).urlencode()}",
        "models": [name or "not named" for name in models[:MOST_MODELS]],
        "more_models": max(len(models) - MOST_MODELS, 0),
        "draft": file.is_draft and not Batch.objects.filter(input_file=file).exists(),
        "form_address": _form_address(request.GET, file),
        "currency": settings.CURRENCY,
        "why_no_cost": next(_why_no_cost(found.estimate), ""),
    }
    return render(request, "console/check_input.html", context, status=refusal.status if refusal else 200)


def _findings(file: File, form: NewBatchForm, *, code: str) -> tuple[Findings, Provider | None]:
    """The findings about an input, by all checks of starting and validating a batch; and the provider of the batch.

    With a code, only problems with this code are kept.
    """
    asked, found = form.submission, Findings(code=code)
    rules, provider = _rules(form, note=found.add)
    found.estimate = Estimate(asked.endpoint, rules.model)
    try:
        check_file(file, rules=rules, findings=found)
    except Unavailable as error:
        found.add(Problem(error.code, error.message))
    found.estimate.price(provider)
    check_quotas(asked.project, found)
    return found, provider


def _rules(form: NewBatchForm, *, note: Callable[[Problem], None]) -> tuple[LineRules, Provider | None]:
    """The rules for the lines of the batch that the form describes, and its provider. Problems of the batch go to `note`."""
    asked = form.submission
    provider: Provider | None = None
    default_model = ""
    try:
        provider = route(asked.project, endpoint=asked.endpoint, name=asked.provider_name)
        default_model = usable_model(asked.model, endpoint=asked.endpoint, provider=provider)
        chosen_at_submit(asked.execution, project=asked.project, provider=provider, endpoint=asked.endpoint)
    except PortalError as error:
        note(Problem(error.code, error.message, error.param or ""))
    rules = input_rules(dialect=asked.dialect, endpoint=asked.endpoint, provider=provider, default_model=default_model)
    return rules, provider


def _shown(problem: Problem, found: Findings, *, with_bodies: bool) -> ShownProblem:
    text = found.texts.get(problem.line or 0, "") if with_bodies else ""
    return ShownProblem(problem.line, problem.code, problem.message, problem.param, text)


def _parameters(said: QueryDict) -> QueryDict:
    """The parameters of the batch, without the filter of the report."""
    query = said.copy()
    query.pop("code", None)
    return query


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
    query = _parameters(said)
    query["input_file"], query["project"] = str(file), file.project.slug
    return f"{reverse('console:new_batch')}?{query.urlencode()}"

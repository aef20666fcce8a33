"""Acting on one provider job: look now, take back, the decisions about a job in doubt, and resolving an incident."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from batches.console.drawing.provider_job import job_row
from batches.console.kit.access import SignedIn, actor, find, requires
from batches.models import ProviderJob, ProviderJobIncident
from batches.rules.actors import REASON_CHARS
from batches.rules.errors import Conflict, InvalidRequest
from batches.rules.execution import HELD, OPEN_JOBS, Execution, IncidentCode, JobState
from batches.services.core.access import Right
from batches.services.delegation import decide
from batches.services.delegation.decide import look_now
from batches.services.delegation.take_back import recall
from batches.services.insight.withheld import unquoting_incidents

NAMED = ("batch__project", "batch__provider", "batch__input_file", "provider")


def find_job(request: SignedIn, job_id: uuid.UUID) -> ProviderJob:
    """The provider job that the address names. Raises NotFound and NotPermitted."""
    jobs = ProviderJob.objects.select_related(*NAMED).defer("seen")
    return find(request, jobs, project="batch__project", pk=job_id)


class JobForm(forms.Form):
    """The reason of an act on a job."""

    def __init__(self, job: ProviderJob, data: Mapping[str, object] | None = None) -> None:
        super().__init__(data)
        self.job = job
        self.add_fields()
        why = forms.Textarea({"rows": 2})
        self.fields["reason"] = forms.CharField(
            label="Why?", required=False, max_length=REASON_CHARS, widget=why, help_text="Optional. The audit log shows it."
        )

    def add_fields(self) -> None:
        """The fields of the act."""


class AdoptForm(JobForm):
    """The form for the provider's id of a job. It offers the ids that the incident names."""

    def add_fields(self) -> None:
        held = self.job.incidents.filter(code__in=HELD, resolved_at=None)
        self.candidates = [name for incident in held for name in incident.candidates]
        named = f" The provider lists {', '.join(self.candidates)}." if self.candidates else ""
        widget = forms.TextInput({"list": "candidates", "autocomplete": "off", "spellcheck": "false"})
        self.fields["remote_id"] = forms.CharField(
            label="Job id at the provider",
            max_length=decide.ID_CHARS,
            widget=widget,
            help_text=f"As the provider's console or its list of batches shows it, such as batch_abc123.{named}",
        )


class ResolveForm(JobForm):
    """The form for the note with which an incident is resolved."""

    def __init__(self, job: ProviderJob, data: Mapping[str, object] | None = None) -> None:
        super().__init__(job, data)
        note = self.fields["reason"]
        note.required, note.label = True, "How was it resolved?"
        note.help_text = "The incident and the audit log show it."


@dataclass(frozen=True, slots=True)
class JobAct:
    """An act on a job: its words, its form, its service, and the condition that the job must meet.

    `{provider}` in `consequences` is the job's provider, and `{others}` whoever sends its requests otherwise.
    """

    label: str
    question: str
    consequences: tuple[str, ...]
    button: str
    done: str
    perform: Callable[[ProviderJob, Mapping[str, Any], Any], object]
    fits: Callable[[ProviderJob], bool]
    form: type[JobForm] = JobForm
    destroys: bool = False
    decides: bool = False  # whether it decides about a job in doubt


@dataclass(frozen=True, slots=True)
class Doer:
    """The actor of an act, and its time."""

    actor: Any
    now: Any


def _in_doubt(job: ProviderJob) -> bool:
    return job.state == JobState.UNCERTAIN


RECALLING = (
    "The job is cancelled at {provider}. A job that was not sent yet is not created.",
    "Results that {provider} finished until then are collected, and paid.",
    "The remaining requests are left to {others}.",
)
JOB_ACTS = {
    "recall": JobAct(
        label="Take back",
        question="Take this provider job back?",
        consequences=RECALLING,
        button="Take the job back",
        done="The job is being taken back. It is cancelled at its provider with the next look.",
        perform=lambda job, said, by: recall(job, actor=by.actor, now=by.now, reason=said["reason"]),
        fits=lambda job: job.state in OPEN_JOBS and not job.recall,
        destroys=True,
    ),
    "adopt": JobAct(
        label="It exists: adopt a job id",
        question="Which job at the provider is it?",
        consequences=(
            "The job with this id counts as created by Batchyard, and its results are collected.",
            "Batchyard looks at it next. If {provider} does not know the id, an incident says so.",
            "A wrong id changes no result: as soon as rows of others come, the job is ruled out, and in doubt again.",
        ),
        button="Adopt this job",
        done="Job adopted. Batchyard looks at it next.",
        perform=lambda job, said, by: decide.adopt(
            job, remote_id=said["remote_id"], actor=by.actor, now=by.now, reason=said["reason"]
        ),
        fits=_in_doubt,
        form=AdoptForm,
        decides=True,
    ),
    "recreate": JobAct(
        label="It does not exist: create it again",
        question="Create this job again?",
        consequences=(
            "Make sure that {provider} has no such job: if it has one, both run, and both are paid.",
            "The job is created under a new marker as soon as {provider} takes one.",
            "If the lost job appears after all, an incident names it.",
        ),
        button="Create the job again",
        done="The job is created again, unless its batch has ended or the job was taken back.",
        perform=lambda job, said, by: decide.recreate(job, actor=by.actor, now=by.now, reason=said["reason"]),
        fits=_in_doubt,
        destroys=True,
        decides=True,
    ),
    "leave": JobAct(
        label="Leave its requests to others",
        question="Leave the requests of this job to others?",
        consequences=(
            "The open requests are left to {others}.",
            "The job is not created again. If it appears at {provider}, it is cancelled.",
            "Rows that it finished until then are paid twice, and counted as duplicates.",
        ),
        button="Leave its requests to others",
        done="The requests of the job were left to others.",
        perform=lambda job, said, by: decide.leave(job, actor=by.actor, now=by.now, reason=said["reason"]),
        fits=lambda job: _in_doubt(job) and job.released_at is None,
        destroys=True,
        decides=True,
    ),
}


@dataclass(frozen=True, slots=True)
class JobOffer:
    """An act that fits a job now, and the address of the page that asks."""

    act: JobAct
    address: str


def job_offers(job: ProviderJob) -> list[JobOffer]:
    """The acts that fit a job in its present state. No query."""
    return [JobOffer(act, reverse(f"console:{word}_job", args=[job.pk])) for word, act in JOB_ACTS.items() if act.fits(job)]


def others(job: ProviderJob) -> str:
    """Whoever sends the requests of a job that does not bring them home."""
    if job.batch.execution == Execution.HYBRID:
        return "the executors, which send them directly"
    return f"the next job at the same provider, and fail after {settings.JOB_ATTEMPTS} jobs without a result"


@require_POST
@requires(Right.ACT)
def look_at_job(request: SignedIn, job_id: uuid.UUID) -> HttpResponseBase:
    """Let the job be looked at as soon as a worker is free."""
    job = find_job(request, job_id)
    if look_now(ProviderJob.objects.filter(pk=job.pk), actor=actor(request), now=timezone.now()):
        messages.success(request, "The job is looked at as soon as a worker is free.")
    else:
        messages.info(request, "This job has ended, and nothing of it is left at the provider: there is nothing to look at.")
    return redirect("console:provider_job", job.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.ACT)
def act_on_job(request: SignedIn, job_id: uuid.UUID, word: str) -> HttpResponseBase:
    """Ask about an act, and do it on POST. If the act is not possible any more, the job's page says so."""
    job, act = find_job(request, job_id), JOB_ACTS[word]
    if request.method != "POST" and not act.fits(job):
        messages.error(request, f"This job is “{JobState(job.state).label.lower()}”: this act does not fit it any more.")
        return redirect("console:provider_job", job.pk)
    return _ask(request, job, act, perform=act.perform)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.ACT)
def resolve_incident(request: SignedIn, job_id: uuid.UUID, code: str) -> HttpResponseBase:
    """Ask how an incident was resolved, and note it on POST."""
    job = find_job(request, job_id)
    incident = job.incidents.filter(code=code).first() if code in IncidentCode else None
    if incident is None:
        raise Http404("There is no such incident.")
    if request.method != "POST" and (incident.resolved_at is not None or incident.code in HELD):
        messages.error(request, "This incident is resolved by a decision about its job, or was resolved already.")
        return redirect("console:provider_job", job.pk)
    return _ask(request, job, _resolving(*unquoting_incidents([incident], request.access.readable)), perform=_resolve(incident))


def _resolve(incident: ProviderJobIncident) -> Callable[[ProviderJob, Mapping[str, Any], Doer], object]:
    return lambda _, said, by: decide.resolve(incident, note=said["reason"], actor=by.actor, now=by.now)


def _resolving(incident: ProviderJobIncident) -> JobAct:
    return JobAct(
        label="Resolve an incident",
        question="Resolve this incident?",
        consequences=(f"{IncidentCode(incident.code).label}: {incident.note}", "It opens again if something else is seen."),
        button="Resolve the incident",
        done="Incident resolved.",
        perform=_resolve(incident),
        fits=lambda _: True,
        form=ResolveForm,
    )


def _ask(
    request: SignedIn, job: ProviderJob, act: JobAct, *, perform: Callable[[ProviderJob, Mapping[str, Any], Doer], object]
) -> HttpResponseBase:
    form = act.form(job, request.POST if request.method == "POST" else None)
    problems: list[str] = []
    if request.method == "POST" and form.is_valid():
        try:
            perform(job, form.cleaned_data, Doer(actor(request), timezone.now()))
        except Conflict as error:
            messages.error(request, error.message)
            return redirect("console:provider_job", job.pk)
        except InvalidRequest as error:
            problems = [error.message]
        else:
            messages.success(request, act.done)
            return redirect("console:provider_job", job.pk)
    waiting = unquoting_incidents(job.incidents.filter(resolved_at=None), request.access.readable)
    words = {"provider": job.provider.name, "others": others(job)}
    context = {
        "job": job,
        "batch": job.batch,
        "act": act,
        "row": job_row(job, waiting),
        "waiting": waiting,
        "consequences": [_filled(sentence, words) for sentence in act.consequences],
        "form": form,
        "problems": problems,
    }
    return render(request, "console/job_act.html", context, status=422 if request.method == "POST" else 200)


def _filled(sentence: str, words: Mapping[str, str]) -> str:
    """A consequence with its names. A note of a provider may have braces of its own, so that nothing else is replaced."""
    for name, word in words.items():
        sentence = sentence.replace(f"{{{name}}}", word)
    return sentence

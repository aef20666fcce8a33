"""Acting on a batch that runs: pause, resume, priority, another provider, guards, cancel. Each is a question, then the act."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from batches.console.drawing.batch_state import badge, progress
from batches.console.kit.access import SignedIn, act_of, actor, find_batch, requires
from batches.console.kit.guards import chosen_guards
from batches.console.pages.acts.act_forms import ActForm, GuardsForm, PrecedenceForm, PriorityForm, RerouteForm
from batches.models import Batch
from batches.rules.actors import Actor
from batches.rules.errors import Conflict, InvalidRequest
from batches.services.control.cancel import CANCELLING, cancel
from batches.services.control.pause import PAUSING, RESUMING, pause, resume
from batches.services.control.prioritise import PRIORITISING, give_precedence, prioritise
from batches.services.control.reroute import reroute
from batches.services.core.access import Access, Right
from batches.services.core.amend import RUNNABLE
from batches.services.policy.guards import set_guards
from batches.services.standing.look import states_of_batches

Fields = Mapping[str, Any]  # the values of the act's form, by name


@dataclass(frozen=True, slots=True)
class Doer:
    """The actor of an act, its time and its reason."""

    actor: Actor
    now: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class BatchAct:
    """An act: its words, its form, its service, and the condition that a running batch must meet."""

    label: str
    question: str
    consequences: tuple[str, ...]
    button: str
    done: str
    perform: Callable[[Batch, Fields, Doer], object]
    form: type[ActForm] = ActForm
    icon: str = ""
    fits: Callable[[Batch], bool] = lambda _: True
    destroys: bool = False  # whether the act cannot be undone
    back: str = "Leave it as it is"
    least: Right = Right.ACT  # the right that the act needs; MANAGE: in the portal as a whole

    @property
    def is_of_portal(self) -> bool:
        """Whether only administrators of the portal may do the act, since it concerns other projects."""
        return self.least is Right.MANAGE


ACTS = {
    "pause": BatchAct(
        label="Pause",
        question="Pause this batch?",
        consequences=PAUSING,
        button="Pause the batch",
        done="The batch is paused. What is in flight may still settle.",
        perform=lambda batch, _, by: pause(batch, actor=by.actor, now=by.now, reason=by.reason),
        icon="pause",
        fits=lambda batch: batch.paused_at is None,
    ),
    "resume": BatchAct(
        label="Resume",
        question="Let this batch go on?",
        consequences=RESUMING,
        button="Resume the batch",
        done="The batch goes on.",
        perform=lambda batch, _, by: resume(batch, actor=by.actor, now=by.now, reason=by.reason),
        icon="play",
        fits=lambda batch: batch.paused_at is not None,
    ),
    "prioritise": BatchAct(
        label="Priority",
        question="Change its priority?",
        consequences=PRIORITISING,
        button="Change the priority",
        done="The priority is changed.",
        perform=lambda batch, said, by: prioritise(
            batch, priority=said["priority"], actor=by.actor, now=by.now, reason=by.reason
        ),
        form=PriorityForm,
    ),
    "precede": BatchAct(
        label="Precedence",
        question="Have it go before other projects?",
        consequences=(
            "Its next slices are taken up before those of all batches with a lower precedence, whatever their project is.",
            "The requests in flight are still divided among projects.",
        ),
        button="Change the precedence",
        done="The precedence is changed.",
        perform=lambda batch, said, by: give_precedence(
            batch, precedence=said["precedence"], actor=by.actor, now=by.now, reason=by.reason
        ),
        form=PrecedenceForm,
        least=Right.MANAGE,
    ),
    "reroute": BatchAct(
        label="Reroute",
        question="Have another provider carry out the rest?",
        consequences=(
            "What is not in flight yet is sent to the other provider, with its prices and limits.",
            "What is in flight may still settle where it is.",
            "A call that the old provider carried out without answering is carried out, and paid for, once more.",
        ),
        button="Reroute the batch",
        done="What is left is sent to the other provider.",
        perform=lambda batch, said, by: reroute(
            batch, provider_name=said["provider"], actor=by.actor, now=by.now, reason=by.reason
        ),
        form=RerouteForm,
    ),
    "guards": BatchAct(
        label="Guards",
        question="Change its guards?",
        consequences=("A batch that goes beyond a guard is paused, and stays so until somebody resumes it.",),
        button="Change the guards",
        done="The guards are changed.",
        perform=lambda batch, said, by: set_guards(
            batch, guards=chosen_guards(said), actor=by.actor, now=by.now, reason=by.reason
        ),
        form=GuardsForm,
    ),
    "cancel": BatchAct(
        label="Cancel",
        question="Cancel this batch?",
        consequences=CANCELLING,
        button="Cancel the batch",
        done="The batch is being cancelled. What is in flight may still settle.",
        perform=lambda batch, _, by: cancel(batch, note=by.reason, actor=by.actor, now=by.now),
        icon="stop",
        destroys=True,
        back="Let it run",
    ),
}


@dataclass(frozen=True, slots=True)
class Offer:
    """An act that a person may do to a batch in its present state, and the address of the page that asks."""

    act: BatchAct
    address: str


def offers(batch: Batch, access: Access) -> list[Offer]:
    """The acts that a person may do to a batch, as far as this is known without a query."""
    if not access.may(Right.ACT, batch.project_id) or batch.status not in RUNNABLE:
        return []
    fitting = [(word, act) for word, act in ACTS.items() if act.fits(batch) and (access.everywhere or not act.is_of_portal)]
    return [Offer(act, reverse(f"console:{word}_batch", args=[batch.id])) for word, act in fitting]


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.ACT)
def act_on_batch(request: SignedIn, batch_id: uuid.UUID, word: str) -> HttpResponseBase:
    """Ask about an act, and do it on POST. If the act is not possible any more, the batch's page says so.

    Mistakes in the form are shown on this page.
    """
    batch, act, now = find_batch(request, batch_id), ACTS[word], timezone.now()
    if act.is_of_portal:
        request.access.require(act.least, None, act=act_of(request), now=now, target=batch)
    form = act.form(batch, request.POST if request.method == "POST" else None)
    problems = [form.cannot] if form.cannot else []
    if request.method == "POST" and form.is_valid() and not problems:
        said = form.cleaned_data
        try:
            act.perform(batch, said, Doer(actor(request), now, reason=said.get("reason", "")))
        except Conflict as error:
            messages.error(request, error.message)
            return redirect("console:batch", batch.id)
        except InvalidRequest as error:
            problems = [error.message]
        else:
            messages.success(request, act.done)
            return redirect("console:batch", batch.id)
    if request.method != "POST" and batch.status not in RUNNABLE:
        messages.error(request, f"It cannot be changed any more: the batch is {batch.get_status_display().lower()}.")
        return redirect("console:batch", batch.id)
    context = {
        "batch": batch,
        "act": act,
        "form": form,
        "problems": problems,
        "standing": badge(states_of_batches([batch], now=now)[batch.pk]),
        "progress": progress(batch),
    }
    return render(request, "console/act.html", context, status=422 if request.method == "POST" else 200)

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
from batches.services.control.reroute import MOVING, moved, reroute
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
    """An act: its words, its form, its service, and the condition that a running batch must meet.

    `{provider}` in `consequences` is the batch's provider. `done` may name values of the form.
    """

    label: str
    question: str
    consequences: tuple[str, ...]
    button: str
    done: str | Callable[[Batch], str]
    perform: Callable[[Batch, Fields, Doer], object]
    form: type[ActForm] = ActForm
    icon: str = ""
    fits: Callable[[Batch], bool] = lambda _: True
    destroys: bool = False  # whether the act cannot be undone
    back: str = "Change nothing"
    least: Right = Right.ACT  # the right that the act needs; MANAGE: in the portal as a whole

    @property
    def is_of_portal(self) -> bool:
        """Whether only administrators of the portal may do the act, since it concerns other projects."""
        return self.least is Right.MANAGE

    def told_before(self, batch: Batch) -> list[str]:
        """The consequences for this batch."""
        return [words.format(provider=batch.provider.name) for words in self.consequences]

    def told_after(self, batch: Batch, said: Fields) -> str:
        """The message after the act."""
        return self.done.format(**said) if isinstance(self.done, str) else self.done(batch)


ACTS = {
    "pause": BatchAct(
        label="Pause",
        question="Pause this batch?",
        consequences=PAUSING,
        button="Pause the batch",
        done="Batch paused. Requests in flight may still finish.",
        perform=lambda batch, _, by: pause(batch, actor=by.actor, now=by.now, reason=by.reason),
        icon="pause",
        fits=lambda batch: batch.paused_at is None,
    ),
    "resume": BatchAct(
        label="Resume",
        question="Resume this batch?",
        consequences=RESUMING,
        button="Resume the batch",
        done="Batch resumed.",
        perform=lambda batch, _, by: resume(batch, actor=by.actor, now=by.now, reason=by.reason),
        icon="play",
        fits=lambda batch: batch.paused_at is not None,
    ),
    "prioritise": BatchAct(
        label="Priority",
        question="Change the priority of this batch?",
        consequences=PRIORITISING,
        button="Change the priority",
        done="Priority changed to {priority}.",
        perform=lambda batch, said, by: prioritise(
            batch, priority=said["priority"], actor=by.actor, now=by.now, reason=by.reason
        ),
        form=PriorityForm,
    ),
    "precede": BatchAct(
        label="Precedence",
        question="Change the precedence of this batch?",
        consequences=(
            "Workers take up its next slices before those of all batches with a lower precedence, in every project.",
            "Projects still share the requests in flight.",
        ),
        button="Change the precedence",
        done="Precedence changed to {precedence}.",
        perform=lambda batch, said, by: give_precedence(
            batch, precedence=said["precedence"], actor=by.actor, now=by.now, reason=by.reason
        ),
        form=PrecedenceForm,
        least=Right.MANAGE,
    ),
    "reroute": BatchAct(
        label="Move",
        question="Move the remaining requests to another provider?",
        consequences=MOVING,
        button="Move the batch",
        done=moved,
        perform=lambda batch, said, by: reroute(
            batch, provider_name=said["provider"], actor=by.actor, now=by.now, reason=by.reason
        ),
        form=RerouteForm,
    ),
    "guards": BatchAct(
        label="Guards",
        question="Change the guards of this batch?",
        consequences=("A batch that exceeds a guard is paused until an operator resumes it.",),
        button="Change the guards",
        done="Guards changed.",
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
        done="The batch is being cancelled. Requests in flight may still finish.",
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
            messages.success(request, act.told_after(batch, said))
            return redirect("console:batch", batch.id)
    if request.method != "POST" and batch.status not in RUNNABLE:
        messages.error(request, f"This batch is {batch.get_status_display().lower()} and can no longer be changed.")
        return redirect("console:batch", batch.id)
    context = {
        "batch": batch,
        "act": act,
        "consequences": act.told_before(batch),
        "form": form,
        "problems": problems,
        "standing": badge(states_of_batches([batch], now=now)[batch.pk]),
        "progress": progress(batch),
    }
    return render(request, "console/act.html", context, status=422 if request.method == "POST" else 200)

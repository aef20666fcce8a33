"""reroute: send the remaining requests of a batch to another provider."""

from datetime import datetime

from django.db import transaction

from batches.models import Batch, ProviderJob
from batches.rules.actors import Actor
from batches.rules.display.counted import counted
from batches.rules.execution import Execution, JobState, Recall
from batches.rules.states import Act, BatchStatus
from batches.services.core import wake
from batches.services.core.amend import Change, amend_running
from batches.services.core.conditions import NOT_BLOCKED, NOT_THROTTLED
from batches.services.core.route import route
from batches.services.policy.emergency_stop import require_intake
from batches.services.policy.execution import chosen_at_move

MOVING = (  # the effects of a move as pages describe them, for one batch and for many
    "Requests that are not in flight are sent to the other provider, with its prices and limits.",
    "Requests in flight may still settle at the old provider.",
    "Jobs at the old provider's batch API run on, and their results still come home. Jobs that were not sent are withdrawn.",
    "Requests that the old provider processed without replying may run, and be billed, twice.",
)


def moved(batch: Batch) -> str:
    """The outcome of a move in words: `Moved to up-standby: 800 remaining requests will be sent there.`"""
    if batch.status == BatchStatus.VALIDATING:
        return f"Moved to {batch.provider.name}: its requests will be sent there."
    left = batch.counts.pending
    return f"Moved to {batch.provider.name}: {counted(left, 'remaining request')} will be sent there."


@transaction.atomic
def reroute(batch: Batch, *, provider_name: str, actor: Actor, now: datetime, reason: str = "") -> Batch:
    """Send the requests that are not in flight to this provider. A batch that is there already is returned unchanged.

    Requests in flight may settle at the old provider. Idempotency keys stay as they are, but mean nothing to another upstream:
    a call that the old upstream processed without answering may run, and be billed, twice. Jobs at the old provider's batch API
    come home from there; those that were not sent are withdrawn. Raises NotRunning, IntakeStopped, and NoProvider when the
    project may not use the provider, or the provider is disabled or does not serve the endpoint.
    """

    def change() -> Change | None:
        before = batch.provider
        if before.name == provider_name:
            return None
        provider = route(batch.project, endpoint=batch.endpoint, name=provider_name)
        require_intake(batch.project, provider=provider)
        move = chosen_at_move(batch, provider=provider)
        told = f"Its requests are sent directly. {move.choice.reason}" if move.directly else ""
        note = " ".join(filter(None, (f"From {before.name} to {provider.name}.", told, reason)))
        carried_out = {
            "execution": move.choice.execution,
            "execution_reason": move.choice.reason[:300],
            "taken_back_at": now if move.directly else None,
        }
        return Change(
            {"provider": provider, **carried_out, **NOT_THROTTLED, **NOT_BLOCKED}, expected={"provider": before}, note=note
        )

    if amend_running(batch, Act.REROUTED, change, actor=actor, now=now):
        unsent = ProviderJob.objects.filter(batch=batch, state=JobState.PREPARING)
        unsent.take_back(Recall.MOVED, by=actor.name, now=now)
        wake.execute()
        if Execution(batch.execution).is_handed_over:
            wake.delegate()
    return batch

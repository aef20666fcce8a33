"""reroute: send the remaining requests of a batch to another provider."""

from datetime import datetime

from batches.models import Batch
from batches.rules.actors import Actor
from batches.rules.states import Act
from batches.services.core import wake
from batches.services.core.amend import Change, amend_running
from batches.services.core.conditions import NOT_BLOCKED, NOT_THROTTLED
from batches.services.core.route import route
from batches.services.policy.emergency_stop import require_intake


def reroute(batch: Batch, *, provider_name: str, actor: Actor, now: datetime, reason: str = "") -> Batch:
    """Send the requests that are not in flight to this provider. A batch that is there already is returned unchanged.

    Requests in flight may settle at the old provider. Idempotency keys stay as they are, but mean nothing to another upstream:
    a call that the old upstream carried out without answering is carried out, and paid for, once more. Raises NotRunning,
    IntakeStopped, and NoProvider when the project may not use the provider, or the provider is disabled or does not serve the
    endpoint.
    """

    def change() -> Change | None:
        before = batch.provider
        if before.name == provider_name:
            return None
        provider = route(batch.project, endpoint=batch.endpoint, name=provider_name)
        require_intake(batch.project, provider=provider)
        note = " ".join(filter(None, (f"From {before.name} to {provider.name}.", reason)))
        return Change({"provider": provider, **NOT_THROTTLED, **NOT_BLOCKED}, expected={"provider": before}, note=note)

    if amend_running(batch, Act.REROUTED, change, actor=actor, now=now):
        wake.execute()
    return batch

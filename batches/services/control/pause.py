"""pause, resume: let a batch wait, and go on. Requests in flight may settle, and the deadline does not change."""

from datetime import datetime

from batches.models import Batch
from batches.rules.actors import REASON_CHARS, Actor
from batches.rules.execution import Execution
from batches.rules.states import Act
from batches.services.core import wake
from batches.services.core.amend import Change, amend_running
from batches.services.core.conditions import NOT_PAUSED
from batches.services.policy.guards import require_within_budget

# The effects of both acts as pages describe them, for one batch and for many.
PAUSING = (
    "No further request is sent until an operator resumes the batch.",
    "Requests in flight may still finish.",
    "Jobs at a provider's batch API run on, and their results still come home; no further job is created.",
    "The deadline does not move.",
)
RESUMING = (
    "The remaining requests are sent again, in the usual order.",
    "Failures so far will no longer count towards the guard.",
)


def pause(batch: Batch, *, actor: Actor, now: datetime, reason: str = "", act: Act = Act.PAUSED) -> Batch:
    """Send nothing more of a batch until it is resumed. A batch that is still being validated starts paused.

    A paused batch is returned unchanged. `act` tells whether a person or a guard did it. Raises NotRunning.
    """

    def change() -> Change | None:
        if batch.paused_at is not None:
            return None
        paused = {"paused_at": now, "paused_by": actor.name[:200], "paused_reason": reason[:REASON_CHARS]}
        return Change(paused, expected={"paused_at": None}, note=reason)

    amend_running(batch, act, change, actor=actor, now=now)
    return batch


def resume(batch: Batch, *, actor: Actor, now: datetime, reason: str = "") -> Batch:
    """Let a paused batch go on. Failures that have settled until now no longer count for the guard of the error rate.

    A batch that is not paused is returned unchanged. Raises NotRunning, and OverBudget if a guard would pause it at once.
    """

    def change() -> Change | None:
        if batch.paused_at is None:
            return None
        batch.forget_counts()
        require_within_budget(batch)
        known = {"acknowledged_settled": batch.counts.settled, "acknowledged_failed": batch.counts.failed}
        return Change({**NOT_PAUSED, **known}, expected={"paused_at": batch.paused_at}, note=reason)

    if amend_running(batch, Act.RESUMED, change, actor=actor, now=now):
        wake.execute()
        if Execution(batch.execution).is_handed_over:
            wake.delegate()
    return batch

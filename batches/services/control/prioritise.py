"""prioritise: change a batch's priority inside its project, or its precedence among the batches of all projects."""

from datetime import datetime

from batches.models import Batch
from batches.rules.actors import Actor
from batches.rules.errors import InvalidRequest
from batches.rules.states import Act
from batches.services.core.amend import Change, amend_running

HIGHEST = 100
LOWEST = -HIGHEST
PRIORITISING = (  # the effects of a new priority as pages describe them, for one batch and for many
    "Within the project, the batch with the higher priority goes first, from its next slice on.",
    f"A priority is from {LOWEST} to {HIGHEST}, by default 0. Other projects are not affected.",
)


def prioritise(batch: Batch, *, priority: int, actor: Actor, now: datetime, reason: str = "") -> Batch:
    """Give a batch another priority, from LOWEST to HIGHEST: its place among the batches of its own project.

    A batch that has this priority already is returned unchanged. Raises InvalidRequest for a priority out of bounds, and
    NotRunning.
    """
    return _change(batch, "priority", priority, actor=actor, now=now, note="From {} to {}.", reason=reason)


def give_precedence(batch: Batch, *, precedence: int, actor: Actor, now: datetime, reason: str = "") -> Batch:
    """Give a batch another precedence, from LOWEST to HIGHEST: its place among the batches of all projects at its provider.

    Only administrators of the portal may do this, and the caller must have checked it. Raises the errors of `prioritise`.
    """
    note = "Among all projects from {} to {}."
    return _change(batch, "precedence", precedence, actor=actor, now=now, note=note, reason=reason)


def _change(batch: Batch, name: str, value: int, *, actor: Actor, now: datetime, note: str, reason: str) -> Batch:
    if not LOWEST <= value <= HIGHEST:
        raise InvalidRequest(f"A {name} is from {LOWEST} to {HIGHEST}.", param=name)

    def change() -> Change | None:
        before = getattr(batch, name)
        if before == value:
            return None
        return Change({name: value}, expected={name: before}, note=" ".join(filter(None, (note.format(before, value), reason))))

    amend_running(batch, Act.REPRIORITISED, change, actor=actor, now=now)
    return batch

"""prioritise: have a batch go before others, or after them."""

from datetime import datetime

from batches.actors import Actor
from batches.errors import InvalidRequest, LostRace
from batches.models import Batch
from batches.services.amend import amend, require_runnable
from batches.states import Act

HIGHEST = 100
LOWEST = -HIGHEST
PRIORITISING = (  # what people are told that it leads to, of one batch and of many
    f"A higher priority goes first, from the next slice on. It is from {LOWEST} to {HIGHEST}, and 0 unless it was changed.",
)


def prioritise(batch: Batch, *, priority: int, actor: Actor, now: datetime, reason: str = "") -> Batch:
    """Give a batch another priority, from LOWEST to HIGHEST; with the one it has, it is returned unchanged.

    Raises InvalidRequest for a priority out of bounds, and NotRunning.
    """
    if not LOWEST <= priority <= HIGHEST:
        raise InvalidRequest(f"A priority is from {LOWEST} to {HIGHEST}.", param="priority")
    while True:
        require_runnable(batch, act=Act.REPRIORITISED)
        before = batch.priority
        if before == priority:
            return batch
        note = " ".join(filter(None, (f"From {before} to {priority}.", reason)))
        expected = {"priority": before}
        try:
            amend(batch, Act.REPRIORITISED, actor=actor, now=now, note=note, expecting=expected, priority=priority)
        except LostRace:
            batch.refresh_from_db()
        else:
            return batch

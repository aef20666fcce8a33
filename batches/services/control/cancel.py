"""cancel: stop a batch. What is in flight may settle; what has settled is kept."""

from datetime import datetime

from batches.models import Batch
from batches.rules.actors import Actor
from batches.rules.errors import Conflict, LostRace
from batches.rules.states import MOVES, BatchStatus
from batches.services.core import wake
from batches.services.core.transition import transition

CANCELLABLE = frozenset(status for status in BatchStatus if BatchStatus.CANCELLING in MOVES[status])

CANCELLING = (  # the effects of a cancellation as pages describe them, for one batch and for many
    "Requests that have not run will not be sent.",
    "Requests in flight may still finish. Results so far are kept.",
    "Jobs at a provider's batch API are cancelled there; the results that they have still come home.",
    "This cannot be undone.",
)


class NotCancellable(Conflict):
    """A batch that is over, or whose files are being written, cannot be cancelled."""

    code = "not_cancellable"


def cancel(batch: Batch, *, actor: Actor, now: datetime, note: str = "") -> Batch:
    """Move the batch to cancelling, and wake a worker to wind it up. A batch that is cancelling already is returned unchanged.

    Raises NotCancellable, with the status in its message, when the lifecycle has no such edge.
    """
    while True:
        status = BatchStatus(batch.status)
        if status == BatchStatus.CANCELLING:
            return batch
        if status not in CANCELLABLE:
            raise NotCancellable(f"Cannot cancel a batch with status '{status}'.")
        try:
            batch = transition(batch, BatchStatus.CANCELLING, actor=actor, now=now, note=note)
        except LostRace:
            batch.refresh_from_db()
            continue
        wake.finalize(batch.id)
        return batch

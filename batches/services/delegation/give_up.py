"""give_up: let requests fail that no provider job can carry out."""

from collections.abc import Sequence
from datetime import datetime

from batches.models import Batch, BatchObject, Slice
from batches.rules.display.counted import counted
from batches.rules.states import ObjectStatus
from batches.services.lifecycle.settle import settle_fenced
from batches.services.tally.outcomes import Settled
from providers.base import Failure
from providers.failures import Kind

LOST = "lost_by_provider"


def fail_lost(batch: Batch, pieces: Sequence[Slice], *, attempts: int, now: datetime) -> None:
    """Fail the open requests of these slices: their provider took them in several jobs and gave no result."""
    message = f"The provider took this request in {counted(attempts, 'job')} and gave no result for it."
    fail_open(batch, pieces, Failure(Kind.SERVER_ERROR, message, code=LOST), attempts=attempts, now=now)


def fail_open(batch: Batch, pieces: Sequence[Slice], failure: Failure, *, attempts: int, now: datetime) -> None:
    """Fail the open requests of these slices with one failure. Must be called in a transaction that has locked them."""
    settled = [
        Settled(piece.pk, batch.pk, line, round_, attempts, None, failure)
        for piece in pieces
        for line, round_ in BatchObject.objects.filter(
            batch=batch, line__gte=piece.first_line, line__lte=piece.last_line, status=ObjectStatus.PENDING
        ).values_list("line", "round")
    ]
    settle_fenced(batch, pieces, settled, now=now)

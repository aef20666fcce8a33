"""give_up: let requests fail that no provider job can carry out."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import F

from batches.models import Batch, BatchObject, Slice
from batches.rules.states import ObjectStatus
from batches.services.core.lease import lease_end
from batches.services.lifecycle.settle import Report, settle
from batches.services.tally.outcomes import Settled
from providers.base import Failure
from providers.failures import Kind

LOST = "lost_by_provider"


def fail_lost(batch: Batch, pieces: Sequence[Slice], *, attempts: int, now: datetime) -> None:
    """Fail the open requests of these slices: their provider took them in several jobs and gave no result."""
    jobs = "job" if attempts == 1 else "jobs"
    message = f"The provider took this request in {attempts} {jobs} and gave no result for it."
    fail_open(batch, pieces, Failure(Kind.SERVER_ERROR, message, code=LOST), attempts=attempts, now=now)


def fail_open(batch: Batch, pieces: Sequence[Slice], failure: Failure, *, attempts: int, now: datetime) -> None:
    """Fail the open requests of these slices with one failure. Must be called in a transaction that has locked them."""
    keys = [piece.pk for piece in pieces]
    Slice.objects.filter(pk__in=keys).update(lease_epoch=F("lease_epoch") + 1, lease_owner=None, lease_expires_at=lease_end(now))
    epochs = dict(Slice.objects.filter(pk__in=keys).values_list("pk", "lease_epoch"))
    settled = [
        Settled(piece.pk, batch.pk, line, round_, attempts, None, failure)
        for piece in pieces
        for line, round_ in BatchObject.objects.filter(
            batch=batch, line__gte=piece.first_line, line__lte=piece.last_line, status=ObjectStatus.PENDING
        ).values_list("line", "round")
    ]
    settle(Report({batch.pk: batch}, epochs, settled, done=dict.fromkeys(keys)), now=now)

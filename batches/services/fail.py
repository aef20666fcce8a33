"""fail: end a batch that as a whole cannot run."""

from datetime import datetime

from django.db import transaction

from batches import wake
from batches.actors import Actor
from batches.fingerprints import fingerprint
from batches.models import Batch, BatchError
from batches.services.error_groups import record_errors
from batches.services.transition import transition
from batches.states import BatchStatus
from providers.failures import Kind


@transaction.atomic
def fail(batch: Batch, *, kind: Kind, message: str, actor: Actor, now: datetime) -> Batch:
    """Wind a running batch up as failed: what has not run will not, and fails with this reason.

    Raises LostRace when the batch moved meanwhile.
    """
    batch = transition(batch, BatchStatus.FINALIZING, actor=actor, now=now, note=message)
    source, code = kind.source.value, kind.value
    error = BatchError(
        batch=batch,
        code=code,
        message=message[:2000],
        kind=kind.value,
        source=source,
        fingerprint=fingerprint(source=source, provider=batch.provider.name, http_status=None, code=code, message=message),
        created_at=now,
    )
    record_errors([error], {batch.pk: batch})
    wake.finalize(batch.id)
    return batch

"""fail: end a batch that as a whole cannot run."""

from datetime import datetime

from django.db import transaction

from batches.models import Batch, BatchError
from batches.rules.actors import Actor
from batches.rules.fingerprints import fingerprint
from batches.rules.states import BatchStatus
from batches.services.core import wake
from batches.services.core.transition import transition
from batches.services.tally.error_groups import record_errors
from providers.failures import Kind


@transaction.atomic
def fail(batch: Batch, *, kind: Kind, message: str, actor: Actor, now: datetime) -> Batch:
    """Wind a running batch up as failed: its pending objects are not sent, and fail with this reason.

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

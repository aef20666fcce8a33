"""expire: end a batch whose deadline has passed."""

from datetime import datetime

from django.db import transaction

from batches.models import Batch, ProviderHealth
from batches.rules.actors import Actor
from batches.rules.states import BatchStatus
from batches.services.core import wake
from batches.services.core.transition import transition
from batches.services.lifecycle.layout import remove_objects
from providers.failures import Kind


@transaction.atomic
def expire(batch: Batch, *, actor: Actor, now: datetime) -> Batch:
    """Wind a running batch up. Raises LostRace when it moved meanwhile.

    A batch that was never validated expires at once. If its requests came with the create call, `finalize` first writes their
    lines in the error file.
    """
    note = "Its deadline passed."
    if batch.status == BatchStatus.VALIDATING and batch.announced:
        wake.finalize(batch.id)
        return batch
    if batch.status == BatchStatus.VALIDATING:
        batch = transition(batch, BatchStatus.EXPIRED, actor=actor, now=now, note=note)
        remove_objects(batch)  # the objects that its validation had laid out so far
        return batch
    held = _held(batch)
    if held is not None:
        note = f"{note} Its provider was held: {held.sentence}"
    held_at_deadline = held.value if held else ""
    batch = transition(batch, BatchStatus.FINALIZING, actor=actor, now=now, note=note, held_at_deadline=held_at_deadline)
    wake.finalize(batch.id)
    return batch


def _held(batch: Batch) -> Kind | None:
    """Why the batch's provider, or its model there, is under a hold; None if it is not."""
    rows = ProviderHealth.objects.about(batch.provider_id, model=batch.model).exclude(hold_kind="")
    return next((row.hold for row in rows), None)

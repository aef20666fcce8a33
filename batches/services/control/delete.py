"""delete: hide an ended batch from its clients."""

from datetime import datetime

from django.db import transaction
from django.db.models import F

from batches.models import Batch, File
from batches.models.batch import FROM_FILES
from batches.rules.actors import Actor
from batches.rules.errors import InvalidRequest
from batches.rules.states import BatchStatus
from batches.services.core.transition import record


class NotDeletable(InvalidRequest):
    """Only a batch that has ended can be deleted: cancel it first."""

    code = "not_deletable"


@transaction.atomic
def delete(batch: Batch, *, actor: Actor, now: datetime) -> None:
    """Hide an ended batch and the files that were made for it from its clients. Operators still see them.

    A second deletion changes nothing. Raises NotDeletable.
    """
    if not batch.is_terminal:
        raise NotDeletable
    seen = Batch.objects.filter(pk=batch.pk, deleted_at=None)
    if not seen.update(deleted_at=now, updated_at=now, version=F("version") + 1):
        return
    batch.refresh_from_db()
    record(batch, origin=BatchStatus(batch.status), actor=actor, now=now, note="It was deleted for its clients.")
    own = [batch.output_file_id, batch.error_file_id]
    if batch.dialect not in FROM_FILES:
        own.append(batch.input_file_id)  # the portal wrote this file from the create call
    File.objects.filter(pk__in=[pk for pk in own if pk], deleted_at=None).update(deleted_at=now)

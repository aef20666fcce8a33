"""drafts: inputs that were uploaded and checked, and that an operator has not yet started or discarded."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.files import File as Content
from django.db import transaction

from batches.models import Batch, File, Project, Purpose
from batches.rules.actors import Actor
from batches.rules.errors import NotFound
from batches.rules.lines.default_model import bare_model
from batches.services.core.audit import record_act
from batches.services.core.route import route
from batches.services.intake.submission import Submission, as_batch
from batches.services.intake.submit import submit
from batches.services.policy.guards import GUARDS
from batches.services.storage.store import store

LIFETIME = timedelta(hours=1)  # a draft that is neither started nor discarded expires after this time


def keep_draft(content: "Content[Any]", *, project: Project, filename: str, now: datetime) -> File:
    """Keep an input for LIFETIME. Raises the errors of `store`."""
    return store(content, project=project, purpose=Purpose.BATCH, filename=filename, now=now, lifetime=LIFETIME, is_draft=True)


@transaction.atomic
def start(file: File, submission: Submission, *, since: datetime, actor: Actor, now: datetime) -> Batch:
    """Submit a batch over a file, draft or not. A draft then lives as long as other input files.

    `since` is when the actor saw the form. If the actor sends the same form twice, the second call returns the batch of the
    first. Raises NotFound when the file is gone, and the errors of `submit`.
    """
    locked = File.objects.readable(now=now).select_for_update().filter(pk=file.pk).select_related(None).first()
    if locked is None:
        raise NotFound
    for earlier in Batch.objects.filter(input_file=locked, created_by=actor.name, created_at__gte=since):
        if _is_as_asked(earlier, submission):
            return earlier
    if locked.is_draft:
        lifetime = timedelta(seconds=settings.FILE_LIFETIME_SECONDS)
        File.objects.filter(pk=locked.pk).update(is_draft=False, expires_at=now + lifetime)
    return submit(submission, input_file=locked, actor=actor, now=now)


# The columns that a person chooses when they start a batch. The model is not one: validation may have found another model.
_CHOSEN = (
    *("dialect", "endpoint", "provider", "completion_window", "metadata", "extras", "default_model"),
    *("remark", "priority", "on_invalid", "execution_asked", "callback_url", *GUARDS),
)


def _is_as_asked(batch: Batch, submission: Submission) -> bool:
    """Whether the batch equals the one that `submit` would make of this submission."""
    provider = route(batch.project, endpoint=submission.endpoint, name=submission.provider_name)
    default_model = bare_model(submission.model, provider=provider.name)
    asked = as_batch(submission, provider=provider, default_model=default_model)
    return all((getattr(batch, name) or None) == (getattr(asked, name) or None) for name in _CHOSEN)


def discard(file: File, *, actor: Actor, now: datetime) -> bool:
    """Remove the row and bytes of a draft. False, and nothing is removed, if it is no draft or became a batch meanwhile."""
    with transaction.atomic():
        locked = File.objects.select_for_update().filter(pk=file.pk).first()
        if locked is None or not locked.is_draft or Batch.objects.filter(input_file=locked).exists():
            return False
        record_act("discard_input", actor=actor, now=now, target=locked, project=locked.project, reason=locked.filename)
        locked.delete()
    locked.content.storage.delete(str(locked.content.name))
    return True

"""draft: an input that was uploaded to be looked at, before anybody decides whether it becomes a batch."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.files import File as Content
from django.db import transaction

from batches.models import Batch, File, Project, Purpose
from batches.rules.actors import Actor
from batches.rules.default_model import bare_model
from batches.rules.errors import NotFound
from batches.services.core.route import route
from batches.services.intake.submission import Submission, as_batch
from batches.services.intake.submit import submit
from batches.services.policy.guards import GUARDS
from batches.services.storage.store import store

LIFETIME = timedelta(hours=1)  # of what nobody decides on; then it expires like any other file


def keep_draft(content: "Content[Any]", *, project: Project, filename: str, now: datetime) -> File:
    """Keep an input for LIFETIME. Raises what `store` raises."""
    return store(content, project=project, purpose=Purpose.BATCH, filename=filename, now=now, lifetime=LIFETIME, is_draft=True)


@transaction.atomic
def start(file: File, submission: Submission, *, since: datetime, actor: Actor, now: datetime) -> Batch:
    """Submit a batch over a file, draft or not; a draft then lives as long as other input files.

    `since` is when its actor was asked: whoever gives the same answer twice gets the batch of the first. Raises NotFound
    when the file is gone, and what `submit` raises.
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


# What somebody chooses who starts a batch over a file; its model may be another one by now, which validation found.
_CHOSEN = (
    *("dialect", "endpoint", "provider", "completion_window", "metadata", "extras", "default_model"),
    *("remark", "priority", "on_invalid", *GUARDS),
)


def _is_as_asked(batch: Batch, submission: Submission) -> bool:
    """Whether the batch is what `submit` would make of this."""
    provider = route(batch.project, endpoint=submission.endpoint, name=submission.provider_name)
    default_model = bare_model(submission.model, provider=provider.name)
    asked = as_batch(submission, provider=provider, default_model=default_model)
    return all((getattr(batch, name) or None) == (getattr(asked, name) or None) for name in _CHOSEN)


def discard(file: File) -> bool:
    """Remove a draft, row and bytes; False when it is none, or a batch was made of it meanwhile: then it stays."""
    with transaction.atomic():
        locked = File.objects.select_for_update().filter(pk=file.pk).first()
        if locked is None or not locked.is_draft or Batch.objects.filter(input_file=locked).exists():
            return False
        locked.delete()
    locked.content.storage.delete(str(locked.content.name))
    return True

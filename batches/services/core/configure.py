"""configure: save or remove a row that people edit (a project, a member, a user, a price), and record it."""

from datetime import datetime

from django.db import transaction
from django.db.models import Model

from batches.models import Project
from batches.rules.actors import Actor
from batches.services.core.audit import changed, record_act, stored


@transaction.atomic
def configure(row: Model, *, actor: Actor, now: datetime, project: Project | None = None) -> None:
    """Save a row that has been validated. The record has the old and new values, except those of secrets."""
    before = stored(row)
    row.save()
    project = row if isinstance(row, Project) else project
    act = f"{'change' if before else 'add'}_{row._meta.model_name}"
    record_act(act, actor=actor, now=now, target=row, project=project, changes=changed(before, row))


@transaction.atomic
def remove(row: Model, *, actor: Actor, now: datetime, project: Project | None = None) -> None:
    """Delete a row that no other row depends on. The record has its last values."""
    act = f"remove_{row._meta.model_name}"
    record_act(act, actor=actor, now=now, target=row, project=project, changes=changed(stored(row), None))
    row.delete()

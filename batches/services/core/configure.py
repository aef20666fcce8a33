"""configure: save or remove a row that people edit (a project, a member, a user, a price), and record it."""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.db.models import Model

from batches.models import Project
from batches.rules.actors import Actor
from batches.services.core.audit import record_act


@transaction.atomic
def configure(row: Model, *, changed: Collection[str], actor: Actor, now: datetime, project: Project | None = None) -> None:
    """Save a row that has been validated. The record names the columns that changed, never their values."""
    act = "add" if row._state.adding else "change"
    row.save()
    record_act(
        f"{act}_{row._meta.model_name}", actor=actor, now=now, target=row, project=project, reason=", ".join(sorted(changed))
    )


@transaction.atomic
def remove(row: Model, *, actor: Actor, now: datetime, project: Project | None = None) -> None:
    """Delete a row that no other row depends on."""
    record_act(f"remove_{row._meta.model_name}", actor=actor, now=now, target=row, project=project)
    row.delete()

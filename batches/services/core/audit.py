"""audit: record acts and refusals that are not in the timeline of a batch."""

from collections.abc import Mapping
from datetime import datetime

from django.db.models import Model

from batches.models import AuditEntry, Project
from batches.rules.actors import Actor

RECORDED_REASON_CHARS = 1000


def record_act(
    act: str, *, actor: Actor, now: datetime, target: Model | None = None, project: Project | None = None, reason: str = ""
) -> AuditEntry:
    """Record an act, such as `revoke_key`. Must be called in the transaction of the act."""
    return _record(act, AuditEntry.Outcome.DONE, actor=actor, now=now, target=target, project=project, reason=reason)


def record_refusal(
    act: str, *, actor: Actor, now: datetime, target: Model | None = None, project: Project | None = None, reason: str = ""
) -> AuditEntry:
    """Record an act that was refused. Must be called outside of a transaction that will be rolled back."""
    return _record(act, AuditEntry.Outcome.REFUSED, actor=actor, now=now, target=target, project=project, reason=reason)


def _record(
    act: str,
    outcome: AuditEntry.Outcome,
    *,
    actor: Actor,
    now: datetime,
    target: Model | None,
    project: Project | None,
    reason: str,
) -> AuditEntry:
    return AuditEntry.objects.create(
        act=act[:50],
        outcome=outcome,
        actor=actor.name[:200],
        source=actor.source,
        project=project,
        target_type=(target._meta.model_name or "") if target else "",
        target_id=str(target.pk) if target else "",
        target=str(target)[:200] if target else "",
        reason=reason[:RECORDED_REASON_CHARS],
        created_at=now,
    )


def old_and_new(changes: Mapping[str, tuple[object, object]]) -> str:
    """Old and new values for the reason of a record: `name: "web" is now "app"; expires: never is now 2027-01-01`."""
    return "; ".join(f"{name}: {old} is now {new}" for name, (old, new) in changes.items())

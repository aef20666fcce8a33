"""audit: record acts and refusals that are not in the timeline of a batch.

An act on one batch is an event of the batch's timeline (`transition.record`), and has no entry here besides. The audit log
(`insight.audit_log`) reads both.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import BinaryField, DateTimeField, ForeignKey, Model

from batches.models import AuditEntry, Project
from batches.rules.actors import Actor
from batches.rules.changes import Changes, differences

RECORDED_REASON_CHARS = 1000
# Besides columns of bytes, which hold encrypted values.
SECRET_FIELDS = frozenset({"password", "digest", "options.headers", "options.query", "options.client_key"})


def record_act(
    act: str,
    *,
    actor: Actor,
    now: datetime,
    target: Model | None = None,
    project: Project | None = None,
    reason: str = "",
    changes: Changes | None = None,
) -> AuditEntry:
    """Record an act, such as `revoke_key`, with the old and new values of what it changed (see `changed`).

    Must be called in the transaction of the act. A new act gets its words in `batches.rules.display.audit_words`.
    """
    outcome = AuditEntry.Outcome.DONE
    entry = _entry(act, outcome, actor=actor, now=now, target=target, project=project, reason=reason, changes=changes)
    entry.save(force_insert=True)
    return entry


def record_acts(
    act: str, targets: Iterable[tuple[Model, Project]], *, actor: Actor, now: datetime, reason: str = ""
) -> list[AuditEntry]:
    """Record one act on many rows, each with its project. Must be called in the transaction of the act."""
    done = AuditEntry.Outcome.DONE
    entries = (
        _entry(act, done, actor=actor, now=now, target=row, project=project, reason=reason, changes=None)
        for row, project in targets
    )
    return AuditEntry.objects.bulk_create(entries)


def record_refusal(
    act: str, *, actor: Actor, now: datetime, target: Model | None = None, project: Project | None = None, reason: str = ""
) -> AuditEntry:
    """Record an act that was refused. Must be called outside of a transaction that will be rolled back."""
    outcome = AuditEntry.Outcome.REFUSED
    entry = _entry(act, outcome, actor=actor, now=now, target=target, project=project, reason=reason, changes=None)
    entry.save(force_insert=True)
    return entry


def _entry(
    act: str,
    outcome: AuditEntry.Outcome,
    *,
    actor: Actor,
    now: datetime,
    target: Model | None,
    project: Project | None,
    reason: str,
    changes: Changes | None,
) -> AuditEntry:
    return AuditEntry(
        act=act[:50],
        outcome=outcome,
        actor=actor.name[:200],
        source=actor.source,
        project=project,
        target_type=(target._meta.model_name or "") if target else "",
        target_id=str(target.pk) if target else "",
        target=str(target)[:200] if target else "",
        reason=reason[:RECORDED_REASON_CHARS],
        changes=changes or None,
        created_at=now,
    )


def stored(row: Model) -> Model | None:
    """The row as it is in the database, before it is saved; None for a new one."""
    return type(row)._default_manager.filter(pk=row.pk).first() if row.pk else None


def changed(before: Model | None, after: Model | None) -> Changes:
    """The settings that differ between two states of a row; None stands for no row. Values of secrets are left out."""
    either = before or after
    if either is None:
        return {}
    secret = {field.name for field in either._meta.concrete_fields if isinstance(field, BinaryField)}
    return differences(_settings(before), _settings(after), secret=SECRET_FIELDS | secret)


def _settings(row: Model | None) -> Mapping[str, object]:
    """The values of a row that people set, by the names of its columns. A related row is told by its name."""
    if row is None:
        return {}
    return {field.name: _value(row, field) for field in row._meta.concrete_fields if not _is_kept_by_itself(field)}


def _value(row: Model, field: Any) -> object:
    if isinstance(field, ForeignKey):
        return None if getattr(row, field.attname) is None else str(getattr(row, field.name))
    value = getattr(row, field.attname)
    return bytes(value) if isinstance(field, BinaryField) else value


def _is_kept_by_itself(field: Any) -> bool:
    """Whether nobody sets a column: keys, and moments that the database or Django keeps."""
    return field.primary_key or (isinstance(field, DateTimeField) and (field.auto_now or field.auto_now_add))


def plainly(**settings: tuple[object, object]) -> Changes:
    """Old and new values of settings that are not the columns of one row."""
    return differences({name: old for name, (old, _) in settings.items()}, {name: new for name, (_, new) in settings.items()})


def hidden(names: Collection[str]) -> Changes:
    """Secrets that changed, by their names."""
    return dict.fromkeys(names)

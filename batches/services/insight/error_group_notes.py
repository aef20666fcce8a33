"""error_group_notes: what people make of an error group: a note beside it, and whether it is muted."""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from batches.models import ErrorGroup
from batches.rules.actors import Actor
from batches.services.core.audit import record_act


@transaction.atomic
def mute(groups: QuerySet[ErrorGroup], *, actor: Actor, now: datetime, reason: str = "") -> int:
    """Set groups aside that are known and need nobody's attention; how many were not so already."""
    found = _locked(groups.filter(muted_at=None))
    ErrorGroup.objects.filter(pk__in=[group.pk for group in found]).update(muted_at=now, muted_by=actor.name[:200])
    return _recorded(found, "mute_error_group", actor=actor, now=now, reason=reason)


@transaction.atomic
def unmute(groups: QuerySet[ErrorGroup], *, actor: Actor, now: datetime, reason: str = "") -> int:
    """Have groups want attention again; how many were muted."""
    found = _locked(groups.filter(muted_at__isnull=False))
    ErrorGroup.objects.filter(pk__in=[group.pk for group in found]).update(muted_at=None, muted_by="")
    return _recorded(found, "unmute_error_group", actor=actor, now=now, reason=reason)


@transaction.atomic
def annotate(groups: QuerySet[ErrorGroup], note: str, *, actor: Actor, now: datetime) -> int:
    """Put a note beside groups, in place of the one before; an empty one takes it away. How many changed."""
    found = _locked(groups.exclude(note=note))
    noted_by = actor.name[:200] if note else ""
    ErrorGroup.objects.filter(pk__in=[group.pk for group in found]).update(note=note, noted_by=noted_by)
    return _recorded(found, "note_error_group", actor=actor, now=now, reason=note)


def _locked(groups: QuerySet[ErrorGroup]) -> list[ErrorGroup]:
    """Lock these groups in the order of their ids; not FOR UPDATE, for which every insert that names a group would wait."""
    return list(groups.select_related("project").select_for_update(of=("self",), no_key=True).order_by("pk"))


def _recorded(groups: list[ErrorGroup], act: str, *, actor: Actor, now: datetime, reason: str) -> int:
    for group in groups:
        record_act(act, actor=actor, now=now, target=group, project=group.project, reason=reason)
    return len(groups)

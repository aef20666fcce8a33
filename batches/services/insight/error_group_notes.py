"""error_group_notes: operators' notes on error groups, and muting of groups."""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from batches.models import ErrorGroup
from batches.rules.actors import Actor
from batches.services.core.audit import plainly, record_act


@transaction.atomic
def mute(groups: QuerySet[ErrorGroup], *, actor: Actor, now: datetime, reason: str = "") -> int:
    """Mute groups that are known and need no attention. Return how many were not muted before."""
    found = _locked(groups.filter(muted_at=None))
    ErrorGroup.objects.filter(pk__in=[group.pk for group in found]).update(muted_at=now, muted_by=actor.name[:200])
    return _recorded(found, "mute_error_group", actor=actor, now=now, reason=reason)


@transaction.atomic
def unmute(groups: QuerySet[ErrorGroup], *, actor: Actor, now: datetime, reason: str = "") -> int:
    """Unmute groups. Return how many were muted."""
    found = _locked(groups.filter(muted_at__isnull=False))
    ErrorGroup.objects.filter(pk__in=[group.pk for group in found]).update(muted_at=None, muted_by="")
    return _recorded(found, "unmute_error_group", actor=actor, now=now, reason=reason)


@transaction.atomic
def annotate(groups: QuerySet[ErrorGroup], note: str, *, actor: Actor, now: datetime) -> int:
    """Set the note of groups. An empty note removes it. Return how many groups changed."""
    found = _locked(groups.exclude(note=note))
    noted_by = actor.name[:200] if note else ""
    ErrorGroup.objects.filter(pk__in=[group.pk for group in found]).update(note=note, noted_by=noted_by)
    for group in found:
        changes = plainly(note=(group.note, note))
        record_act("note_error_group", actor=actor, now=now, target=group, project=group.project, changes=changes)
    return len(found)


def _locked(groups: QuerySet[ErrorGroup]) -> list[ErrorGroup]:
    """Lock these groups in the order of their ids. FOR UPDATE is avoided: inserts with a key to a group would wait for it."""
    return list(groups.select_related("project").select_for_update(of=("self",), no_key=True).order_by("pk"))


def _recorded(groups: list[ErrorGroup], act: str, *, actor: Actor, now: datetime, reason: str) -> int:
    for group in groups:
        record_act(act, actor=actor, now=now, target=group, project=group.project, reason=reason)
    return len(groups)

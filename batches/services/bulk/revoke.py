"""revoke: refuse an API key from now on, and decide about its running batches."""

import uuid
from datetime import datetime

from django.db.models import TextChoices

from batches.models import ApiKey, Batch, BulkAct, BulkOperation
from batches.models.batch import BatchQuerySet
from batches.rules.actors import REASON_CHARS, Actor
from batches.rules.errors import Conflict
from batches.rules.states import OPEN
from batches.services.bulk.choice import matching
from batches.services.bulk.create import Order, create
from batches.services.bulk.question import Question
from batches.services.control.cancel import CANCELLABLE, cancel
from batches.services.control.pause import pause
from batches.services.core.access import Access
from batches.services.people.keys import KeyRevoked, revoke_key


class Fate(TextChoices):
    """The fate of the running batches of a revoked key."""

    RUN = "run", "Let them run"
    PAUSE = "pause", "Pause them"
    CANCEL = "cancel", "Cancel them"


_ACTS = {Fate.PAUSE: BulkAct.PAUSE, Fate.CANCEL: BulkAct.CANCEL}


def running_batches(key: ApiKey) -> BatchQuerySet:
    """The batches of a key that have not ended."""
    found = Batch.objects.filter(created_by_key=key, status__in=OPEN)
    assert isinstance(found, BatchQuerySet)
    return found


def revoke(key: ApiKey, *, fate: Fate, by: Access, now: datetime, reason: str = "") -> BulkOperation | None:
    """Revoke a key. If wanted, a bulk operation pauses or cancels its running batches.

    The key is refused first, so that it can make no batch after its batches were looked up. Raises KeyRevoked if the key was
    revoked before. Raises the errors of `bulk.create`, too; after these the key is revoked nevertheless.
    """
    _refuse(key, fate=fate, actor=by.actor, now=now, reason=reason)
    act = _ACTS.get(fate)
    if act is None:
        return None
    choice = matching(by, f"view=active&key={key.prefix}", now=now)
    count = Question(act, {}, by, now).eligible(choice.rows).order_by().count()
    if not count:
        return None
    about = " ".join(filter(None, (f"Key {key} was revoked.", reason)))
    order = Order(act=act, reason=about[:REASON_CHARS], token=uuid.uuid4(), created_before=now, shown=count, typed=count)
    return create(choice, order, by=by, now=now)


def revoke_at_once(key: ApiKey, *, fate: Fate, actor: Actor, now: datetime, reason: str = "") -> int:
    """Revoke a key for a command, which waits while the key's batches are paused or cancelled one by one.

    Return the number of these batches. Raises KeyRevoked.
    """
    _refuse(key, fate=fate, actor=actor, now=now, reason=reason)
    note = " ".join(filter(None, (f"Key {key} was revoked.", reason)))
    done = 0
    for batch in running_batches(key).order_by("created_at").iterator():
        try:
            if fate is Fate.PAUSE and batch.paused_at is None:
                pause(batch, actor=actor, now=now, reason=note)
                done += 1
            elif fate is Fate.CANCEL and batch.status in CANCELLABLE:
                cancel(batch, actor=actor, now=now, note=note)
                done += 1
        except Conflict:  # the batch ended just now
            continue
    return done


def _refuse(key: ApiKey, *, fate: Fate, actor: Actor, now: datetime, reason: str) -> None:
    told = "; ".join(filter(None, (f"running batches: {fate.label.lower()}", reason)))
    if not revoke_key(key, actor=actor, now=now, reason=told):
        raise KeyRevoked

"""transition: the one function that writes `Batch.status`."""

from datetime import datetime

from django.db import transaction
from django.db.models import F

from batches.models import NOTE_CHARS, Batch, Event
from batches.rules.actors import Actor
from batches.rules.errors import LostRace
from batches.rules.states import MOVES, OF_DELEGATION, STAMPS, TERMINAL, Act, BatchStatus
from batches.services.core.conditions import NOT_BLOCKED, NOT_PAUSED, NOT_THROTTLED
from batches.services.core.outbox import announce_entry
from batches.services.telemetry.catalogue import BATCHES_ENDED, BATCHES_SUBMITTED
from batches.services.telemetry.counts import count_on_commit


@transaction.atomic
def transition(batch: Batch, to: BatchStatus, *, actor: Actor, now: datetime, note: str = "", **changes: object) -> Batch:
    """Move a batch along one edge of the lifecycle, with its stamp, its event and further column `changes`.

    The write is a compare-and-set on the status that `batch` was read with. If another writer moved the batch meanwhile,
    LostRace is raised and nothing is written. Returns `batch` with its new values.
    """
    origin = BatchStatus(batch.status)
    if to not in MOVES[origin]:
        raise AssertionError(f"the lifecycle has no edge from {origin} to {to}")
    changes |= {"status": to, STAMPS[to]: now, "updated_at": now}
    if to in TERMINAL:
        # The counts in `changes` are final. Without counts the batch has no objects.
        changes = {"total": 0, "pending": 0} | changes
        changes |= {"ended_at": now, "at_risk_since": None, "put_off_reason": "", **NOT_PAUSED, **NOT_THROTTLED, **NOT_BLOCKED}
    moved = Batch.objects.filter(pk=batch.pk, status=origin).update(version=F("version") + 1, **changes)
    if not moved:
        raise LostRace(f"The batch was {origin.label.lower()} when this began, and is not any more.")
    batch.refresh_from_db()
    batch.forget_counts()
    record(batch, origin=origin, actor=actor, now=now, note=note)
    if to in TERMINAL:
        count_on_commit(BATCHES_ENDED, to)
    return batch


def record(
    batch: Batch, *, origin: BatchStatus | None, actor: Actor, now: datetime, note: str = "", act: Act | None = None
) -> Event:
    """Add an event to the batch's timeline. `origin` is the status before, or None for its creation.

    Must be called in the transaction of what it tells of, since receivers of the project's events may be told (see `outbox`).

    An act also belongs to the audit log of the batch's project. Moves, the creation, and what the engine does with the jobs of
    a batch do not.
    """
    if origin is None:
        count_on_commit(BATCHES_SUBMITTED)
    is_act = act not in OF_DELEGATION and (act is not None or batch.status in (BatchStatus.CANCELLING, origin))
    event = Event.objects.create(
        batch=batch,
        project_id=batch.project_id if is_act else None,
        from_status=origin or "",
        to_status=batch.status,
        act=act or "",
        version=batch.version,
        actor=actor.name[:200],
        source=actor.source,
        note=note[:NOTE_CHARS],
        operation_id=actor.operation,
        created_at=now,
    )
    announce_entry(batch, entry=event.pk, origin=origin, act=act, now=now)
    return event

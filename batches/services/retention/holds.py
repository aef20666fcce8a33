"""holds: legal holds. As long as one is on a project or a batch, nothing of it is removed or erased."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from batches.models import Batch, LegalHold, Project
from batches.models.retention import LegalHoldQuerySet
from batches.rules.actors import REASON_CHARS, Actor
from batches.rules.errors import Conflict, InvalidRequest
from batches.services.core.audit import record_act


class UnderHold(Conflict):
    """This is under legal hold: nothing of it may be removed."""

    code = "legal_hold"


class AlreadyHeld(Conflict):
    """This is under legal hold already."""

    code = "already_held"


class AlreadyReleased(Conflict):
    """This hold was released already."""

    code = "already_released"


@dataclass(frozen=True, slots=True)
class Held:
    """The projects and the batches under hold, read once for a run of the beat."""

    projects: frozenset[UUID]
    batches: frozenset[UUID]

    def has(self, batch: Batch) -> bool:
        """Whether a batch or its project is under hold."""
        return batch.project_id in self.projects or batch.pk in self.batches

    @property
    def files(self) -> frozenset[UUID]:
        """The files of the batches under hold."""
        if not self.batches:
            return frozenset()
        batches = Batch.objects.filter(pk__in=self.batches).only("input_file", "output_file", "error_file")
        keys = (key for batch in batches for key in (batch.input_file_id, batch.output_file_id, batch.error_file_id))
        return frozenset(key for key in keys if key is not None)


def held() -> Held:
    """Everything that is under hold. One query."""
    holds = list(LegalHold.objects.active().order_by())
    return Held(
        projects=frozenset(hold.project_id for hold in holds if hold.batch_id is None),
        batches=frozenset(hold.batch_id for hold in holds if hold.batch_id is not None),
    )


def require_not_held(project: Project, *, batches: Iterable[UUID]) -> None:
    """Raise UnderHold if the project or one of these of its batches is under hold."""
    hold = LegalHold.objects.on(project, batches=batches).select_related("project").first()
    if hold is not None:
        raise UnderHold(f"{hold.place[0].upper()}{hold.place[1:]} is under legal hold: {hold.reason}")


@transaction.atomic
def place_hold(project: Project, *, batch: Batch | None = None, reason: str, actor: Actor, now: datetime) -> LegalHold:
    """Put a project, or one of its batches, under hold. What has begun to be removed at this moment is removed.

    Raises InvalidRequest without a reason, and AlreadyHeld.
    """
    about = {"reason": checked_reason(reason), "placed_by": actor.name[:200], "placed_at": now}
    try:
        with transaction.atomic():
            hold = LegalHold.objects.create(project=project, batch=batch, **about)
    except IntegrityError:
        raise AlreadyHeld from None
    record_act("place_hold", actor=actor, now=now, target=hold, project=project, reason=hold.reason)
    return hold


@transaction.atomic
def release_hold(hold: LegalHold, *, reason: str, actor: Actor, now: datetime) -> LegalHold:
    """End a hold. Retention goes on with what it kept. Raises InvalidRequest without a reason, and AlreadyReleased."""
    about = {"release_reason": checked_reason(reason), "released_by": actor.name[:200], "released_at": now}
    if not LegalHold.objects.active().filter(pk=hold.pk).update(**about):
        raise AlreadyReleased
    hold.refresh_from_db()
    record_act("release_hold", actor=actor, now=now, target=hold, project=hold.project, reason=hold.release_reason)
    return hold


def checked_reason(text: str) -> str:
    """The reason of an act on kept data. Raises InvalidRequest if it is empty or too long."""
    reason = " ".join(text.split())
    if not reason:
        raise InvalidRequest("Give a reason.", param="reason")
    if len(reason) > REASON_CHARS:
        raise InvalidRequest(f"The reason has {len(reason)} characters; it may have {REASON_CHARS}.", param="reason")
    if not reason.isprintable():
        raise InvalidRequest("The reason has characters that cannot be shown.", param="reason")
    return reason


def holds_of(project: Project) -> LegalHoldQuerySet:
    """The holds of a project and of its batches, the active ones first."""
    return LegalHold.objects.filter(project=project).select_related("project").order_by("released_at", "-placed_at")

"""emergency_stop: stop all sending or all intake, for a provider, a project or the whole portal; and end it again."""

import uuid
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db import IntegrityError, transaction

from batches.models import EmergencyStop, Project, Stopped
from batches.models.emergency_stop import STOP_REASON_CHARS
from batches.rules.actors import Actor
from batches.rules.errors import Conflict, InvalidRequest, Unavailable
from batches.services.core import wake
from batches.services.core.access import Access, Right
from batches.services.core.audit import record_act
from providers.models import Provider

AGAIN_SECONDS = 60  # the Retry-After during a stop, whose end is unknown; a call each minute does no harm


class AlreadyStopped(Conflict):
    """This is stopped already."""

    code = "already_stopped"


class IntakeStopped(Unavailable):
    """Nothing new is taken in at present."""

    code = "intake_stopped"
    retry_after = AGAIN_SECONDS


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a stop: a provider or a project, or the whole portal if both are None."""

    provider: Provider | None = None
    project: Project | None = None


def begin_stop(what: Stopped, place: Place, *, reason: str, actor: Actor, now: datetime) -> EmergencyStop:
    """Stop sending or intake from now on. Raises InvalidRequest for an unusable reason, and AlreadyStopped."""
    sentence = checked_reason(reason)
    require_free(what, place)
    stop = EmergencyStop(
        what=what, provider=place.provider, project=place.project, reason=sentence, began_at=now, began_by=actor.name[:200]
    )
    try:
        with transaction.atomic():
            stop.save(force_insert=True)
            record_act(f"stop_{what}", actor=actor, now=now, target=stop, project=place.project, reason=sentence)
    except IntegrityError:
        raise AlreadyStopped(f"{stop.get_what_display()} is stopped already for {stop.place}.") from None
    return stop


@transaction.atomic
def end_stop(stop: EmergencyStop, *, actor: Actor, now: datetime) -> bool:
    """End a stop, so that sending or intake goes on. False if the stop had ended before."""
    active = EmergencyStop.objects.active().filter(pk=stop.pk)
    if not active.update(ended_at=now, ended_by=actor.name[:200]):
        return False
    reason = f"It began at {stop.began_at:%Y-%m-%d %H:%M %Z}, by {stop.began_by}: {stop.reason}"
    record_act(f"end_stop_of_{stop.what}", actor=actor, now=now, target=stop, project=stop.project, reason=reason)
    if stop.what == Stopped.SENDING:
        wake.execute()
    return True


def require_may_stop(access: Access, place: Place, *, act: str, now: datetime, target: EmergencyStop | None = None) -> None:
    """Raise NotPermitted, and record it, unless the person administers the place: its project, or else the portal."""
    access.require(Right.MANAGE, place.project, act=act, now=now, target=target)


def require_intake(project: Project, *, provider: Provider | None = None) -> None:
    """Raise IntakeStopped, with the reason, while a stop of intake holds for the project, or for the provider."""
    stops = EmergencyStop.objects.active().filter(what=Stopped.INTAKE).select_related("provider", "project")
    stop = stops.concerning(project=project.pk, provider=provider.pk if provider else None).order_by("began_at").first()
    if stop is not None:
        raise IntakeStopped(f"{stop.sentence} {stop.reason}")


def stops_in_force() -> list[EmergencyStop]:
    """All stops that have not ended, the oldest first."""
    return list(EmergencyStop.objects.active().select_related("provider", "project").order_by("began_at"))


def seen_by(access: Access, stops: Iterable[EmergencyStop]) -> list[EmergencyStop]:
    """The stops that concern a person: of the portal, of projects that they see, and of providers that they may know of."""
    found = list(stops)
    if access.everywhere or not found:
        return found
    named = any(stop.provider_id for stop in found)
    providers = set(access.providers().values_list("pk", flat=True)) if named else set()
    return [stop for stop in found if _concerns(stop, sees=partial(access.may, Right.READ), providers=providers)]


def seen_in(project: Project, stops: Iterable[EmergencyStop], *, providers: Iterable[Provider]) -> list[EmergencyStop]:
    """The stops that concern a project that may use these providers."""
    known = {provider.pk for provider in providers}
    return [stop for stop in stops if _concerns(stop, sees=project.pk.__eq__, providers=known)]


def _concerns(stop: EmergencyStop, *, sees: Callable[[uuid.UUID], bool], providers: Container[uuid.UUID]) -> bool:
    if stop.project_id is not None:
        return sees(stop.project_id)
    return stop.provider_id is None or stop.provider_id in providers


def require_free(what: Stopped, place: Place) -> None:
    """Raise AlreadyStopped if there is such a stop."""
    same = EmergencyStop.objects.active().filter(what=what, provider=place.provider, project=place.project)
    if known := same.select_related("provider", "project").first():
        raise AlreadyStopped(f"{known.get_what_display()} is stopped already for {known.place}.")


def checked_reason(text: str) -> str:
    """The reason on one line, as it is stored. Raises InvalidRequest."""
    sentence = " ".join(text.split())
    if not 1 <= len(sentence) <= STOP_REASON_CHARS - 1 or not sentence.isprintable():
        raise InvalidRequest(f"Give a reason of 1 to {STOP_REASON_CHARS - 1} printable characters.", param="reason")
    return sentence if sentence[-1] in ".!?" else f"{sentence}."

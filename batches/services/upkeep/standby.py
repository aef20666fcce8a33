"""standby: move the running batches of a provider that is down for too long to its standby. The beat runs it.

The rule moves a batch once at most, so that no batch goes to and fro between two providers in trouble. It leaves alone what
waits for a decision of a person: paused batches, disabled providers, and what an emergency stop concerns.
"""

import logging
from datetime import datetime, timedelta
from itertools import groupby, islice

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from batches.models import Batch, EmergencyStop, Event, ProviderHealth, Slice, Stopped
from batches.models.batch import BatchQuerySet
from batches.rules.actors import ENGINE
from batches.rules.display.counted import counted
from batches.rules.errors import PortalError
from batches.rules.states import Act, BatchStatus, Source
from batches.services.control.reroute import reroute
from batches.services.core.audit import record_act
from batches.services.core.direct import sent_directly
from batches.services.insight.standby_moves import MOVE_TO_STANDBY
from batches.services.policy.serving import foreign_to, listed_models, unserved_by
from batches.services.standing.downtime import is_down, note_downtime
from providers.models import Provider

logger = logging.getLogger(__name__)

AT_ONCE = 50  # how many batches of one provider a run moves; the next run is a second later
MOST_TRIED = 500  # how many it tries for that: some cannot be moved, and must not keep the others from their turn


def let_standbys_take_over(*, now: datetime) -> None:
    """Move batches of each provider that has been down for STANDBY_AFTER_SECONDS, if its standby can take them."""
    since = now - timedelta(seconds=settings.STANDBY_AFTER_SECONDS)
    for health in note_downtime(now=now):
        provider, standby = health.provider, health.provider.standby
        if standby is None or not provider.enabled or health.down_since is None or health.down_since > since:
            continue
        try:
            if _can_take_over(standby, provider, now=now):
                _take_over(provider, standby, since=health.down_since, now=now)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("%s could not take over from %s", standby, provider)  # the other providers still get their turn


def _can_take_over(standby: Provider, provider: Provider, *, now: datetime) -> bool:
    """Whether the standby is enabled, not down itself, and not stopped by an operator, and neither is sending to the provider."""
    if not standby.enabled or standby.is_switched_off:
        return False
    health = ProviderHealth.objects.filter(provider=standby, model="").select_related("provider").first()
    if health is not None and is_down(health, now=now):
        return False
    stops = EmergencyStop.objects.active().filter(project=None)
    return not any(stop.is_about(standby) or (stop.what == Stopped.SENDING and stop.is_about(provider)) for stop in stops)


def _take_over(provider: Provider, standby: Provider, *, since: datetime, now: datetime) -> None:
    rows = _to_move(provider, standby).select_related("project", "provider").order_by("project", "created_at")[:MOST_TRIED]
    reason = f"{provider} has been down since {_clock(since)}, and its standby takes over."
    left = AT_ONCE
    for project, batches in groupby(rows, key=lambda batch: batch.project):
        if not left:
            return
        with transaction.atomic():
            tried = (_is_moved(batch, standby, reason=reason, now=now) for batch in batches)
            moved = len(list(islice(filter(None, tried), left)))
            left -= moved
            if moved:
                about = f"{counted(moved, 'batch', 'batches')} moved to {standby}: {reason}"
                record_act(MOVE_TO_STANDBY, actor=ENGINE, now=now, target=provider, project=project, reason=about)


def _to_move(provider: Provider, standby: Provider) -> BatchQuerySet:
    """The running batches with requests left that the standby can carry out, and that the rule has not moved before.

    What is at the provider's batch API comes home from there, or is taken back before the deadline; only then is it moved.
    """
    moved_before = Event.objects.filter(batch=OuterRef("pk"), act=Act.REROUTED, source=Source.ENGINE)
    stopped = EmergencyStop.objects.active().filter(project__isnull=False).order_by().values("project")
    found = Batch.objects.filter(
        Exists(Slice.objects.filter(batch=OuterRef("pk"), pending__gt=0, provider_job=None)),
        ~Exists(moved_before),
        sent_directly(),
        ended_at=None,
        status=BatchStatus.IN_PROGRESS,
        provider=provider,
        paused_at=None,
    )
    found = found.exclude(project__in=stopped).exclude(foreign_to(standby)).exclude(unserved_by(standby))
    listed = listed_models(standby)
    assert isinstance(found, BatchQuerySet)
    return found.filter(model__in=listed) if listed else found  # one that asks for several models is left to a person


def _is_moved(batch: Batch, standby: Provider, *, reason: str, now: datetime) -> bool:
    try:
        reroute(batch, provider_name=standby.name, actor=ENGINE, now=now, reason=reason)
    except PortalError:
        return False  # it ended just now, or an operator was faster
    return True


def _clock(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M %Z}"

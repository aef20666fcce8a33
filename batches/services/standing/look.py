"""look: find what the states of providers and batches are decided from, with as many queries for many as for one."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db.models import Q

from batches.models import Batch, EmergencyStop, ProviderHealth, Stopped
from batches.models.provider_health import model_key
from batches.rules.states import BatchStatus
from batches.services.core.direct import carried_directly
from batches.services.standing.batch_state import BatchFacts, BatchState, batch_state
from batches.services.standing.no_progress import idle_since, last_failure
from batches.services.standing.provider_jobs import job_facts
from batches.services.standing.provider_state import SUSPECT, ProviderCode, ProviderState, provider_state
from providers.models import Provider


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of providers at one moment: the stops of sending in force, and what the executors noted."""

    now: datetime
    stops: Sequence[EmergencyStop] = ()
    health: Mapping[tuple[uuid.UUID, str], ProviderHealth] = field(default_factory=dict)  # by provider, and model or ""

    @classmethod
    def at(cls, providers: Iterable[uuid.UUID], *, now: datetime) -> "Look":
        """Look at these providers, with two queries; with none if there are no providers."""
        wanted = set(providers)
        if not wanted:
            return cls(now)
        rows = ProviderHealth.objects.filter(provider__in=wanted)
        stops = EmergencyStop.objects.active().filter(what=Stopped.SENDING).select_related("provider", "project")
        return cls(now, list(stops), {(row.provider_id, row.model): row for row in rows})

    def provider(self, provider: Provider) -> ProviderState:
        """The state of a provider, with what is noted of its models."""
        return self._provider(provider, [row for (key, model), row in self.health.items() if key == provider.pk and model])

    def _provider(self, provider: Provider, models: Sequence[ProviderHealth] = ()) -> ProviderState:
        stopped = any(stop.project_id is None and stop.is_about(provider) for stop in self.stops)
        return provider_state(provider, self.health.get((provider.pk, "")), models=models, stopped=stopped, now=self.now)

    def for_batch(self, batch: Batch) -> ProviderState:
        """The state of a batch's provider; of its model there, if that alone is held or limited."""
        whole = self._provider(batch.provider)
        if whole.is_closed or not batch.model:
            return whole
        keys = (batch.model, model_key(batch.model))
        row = next((row for key in keys if (row := self.health.get((batch.provider_id, key)))), None)
        if row is None or (row.hold is None and not row.is_limited(now=self.now)):
            return whole
        return provider_state(batch.provider, row, now=self.now)

    def stop_of(self, batch: Batch) -> EmergencyStop | None:
        """The stop of sending that holds for a batch: of several the one of the widest place. None if there is none."""
        places = (None, batch.project_id), (None, batch.provider_id)
        found = [stop for stop in self.stops if stop.project_id in places[0] and stop.provider_id in places[1]]
        return min(found, key=lambda stop: (stop.project_id is not None, stop.provider_id is not None), default=None)


def states_of_providers(providers: Iterable[Provider], *, now: datetime) -> dict[uuid.UUID, ProviderState]:
    """The state of each provider. Two queries."""
    providers = list(providers)
    look = Look.at((provider.pk for provider in providers), now=now)
    return {provider.pk: look.provider(provider) for provider in providers}


def states_of_batches(batches: Iterable[Batch], *, now: datetime, look: Look | None = None) -> dict[uuid.UUID, BatchState]:
    """The state of each batch. Three queries at most, whatever their number; counts and providers must have been loaded.

    Batches that were handed over to a provider's batch API take four more at most.

    It is the state that `facts_of` leads to, without the words about the last failure. A caller that has looked at the providers
    already passes its `look`; then it takes two queries less.
    """
    batches = list(batches)
    look = look or Look.at((batch.provider_id for batch in batches if batch.status == BatchStatus.IN_PROGRESS), now=now)
    idle, jobs = idle_since(batches, now=now), job_facts(batches)
    found = {}
    for batch in batches:
        since = idle.get(batch.pk)
        facts = BatchFacts(idle_for=None if since is None else now - since, jobs=jobs.get(batch.pk))
        if batch.status == BatchStatus.IN_PROGRESS:
            facts = replace(facts, provider=look.for_batch(batch), stop=look.stop_of(batch))
        found[batch.pk] = batch_state(batch, facts, now=now)
    return found


def facts_of(batch: Batch, *, now: datetime, worked_on: bool = False) -> BatchFacts:
    """What the state of one batch is decided from, with its last failure if it makes no progress."""
    look = Look.at([batch.provider_id], now=now)
    since = idle_since([batch], now=now).get(batch.pk)
    return BatchFacts(
        look.for_batch(batch),
        stop=look.stop_of(batch),
        worked_on=worked_on,
        idle_for=None if since is None else now - since,
        last_failure=None if since is None else last_failure(batch),
        jobs=job_facts([batch]).get(batch.pk),
    )


def at_providers(*codes: ProviderCode, now: datetime) -> Q:
    """Running batches at providers, or at models of these, that are in one of these states and have no success at present.

    The providers and the held models, which are few, are decided about first, so that a filter finds just what pages show.
    Batches whose open requests are all in provider jobs are not among them.
    """
    suspects = list(ProviderHealth.objects.filter(SUSPECT, Q(model="") | ~Q(hold_kind="")).select_related("provider"))
    states = {(row.provider_id, row.model): provider_state(row.provider, row, now=now) for row in suspects}
    closed = {provider_id for (provider_id, model), state in states.items() if not model and state.is_closed}
    in_one = {key for key, state in states.items() if state.code in codes and state.is_closed}
    found = Q(provider__in=[provider_id for provider_id, model in in_one if not model])
    for provider_id, model in in_one:
        if model and provider_id not in closed:  # the state of a provider that is closed as a whole comes first
            found |= Q(provider=provider_id, model=model)
    return Q(status=BatchStatus.IN_PROGRESS) & found & carried_directly()

"""Upstreams: the settings, prices and shared limits of each provider, as the executor's database thread knows them."""

import logging
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
import redis
from django.conf import settings

from batches.engine.executor.lanes.health_rows import health_rows, hold_of, with_hold
from batches.engine.limits import keeping
from batches.engine.limits.asks import Ask, Bid, Calls, Caps, Grant, Want
from batches.engine.limits.hold import AccountHeld, Orders
from batches.engine.limits.state import WHOLE
from batches.models import ProviderHealth
from batches.services.core.route import count_of_users
from batches.services.tally.provider_health import note_health, note_opening, worked_since
from providers import registry
from providers.base import Adapter
from providers.failures import Kind
from providers.models import CredentialUnavailable, Provider, ProviderModel

logger = logging.getLogger(__name__)

HEALTH_SECONDS = 2.0  # how often the health of a provider is noted
QUIET_SECONDS = 5.0  # how long the database thread may call a provider quiet: after that somebody may have sent something
MARGIN_SECONDS = 5.0  # by how much the noted health may lag behind, or clocks may differ


class CannotRun(Exception):
    """This worker cannot speak to a provider; the message says why."""


@dataclass(frozen=True, slots=True)
class Need:
    """The requests of a project that an executor has in flight, those that it could have in flight, and its share."""

    in_flight: int = 0
    wanted: int = 0
    share: int = 0


@dataclass(frozen=True, slots=True)
class Demand:
    """The needs of an executor at one provider, by project, and its ask for the limiter if it is time for one.

    `calls` are its calls to the provider that are in flight.
    """

    needs: Mapping[str, Need] = field(default_factory=dict)
    ask: Ask | None = None
    calls: Calls = field(default_factory=Calls)

    @property
    def in_flight(self) -> int:
        return sum(need.in_flight for need in self.needs.values())


@dataclass(frozen=True, slots=True)
class Opened:
    """A provider that is new to the executor, or whose settings have changed.

    `adapter` is None if the old adapter still serves. `models` are the models with prices or limits of their own, by name.
    `held_models` are the models that were under a hold when the provider was looked up.
    """

    provider_id: uuid.UUID
    adapter: Adapter | None
    caps: Caps
    models: Mapping[str, ProviderModel]
    held_models: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Granted:
    """A grant of the limiter, and when the limiter was asked on the event loop's clock."""

    asked_at: float
    grant: Grant


@dataclass(slots=True)
class _Upstream:
    provider: Provider
    models: Mapping[str, ProviderModel]
    quiet: bool  # nobody had sent anything for a full window when the provider was opened; the limiter is told once
    projects: int  # how many projects may use the provider
    opened_at: float = field(default_factory=time.monotonic)
    held: AccountHeld | None = None
    orders: Orders = field(default_factory=Orders)
    grant: Grant | None = None
    noted_at: float = 0.0


def caps_of(row: Provider | ProviderModel) -> Caps:
    """The limits that an operator has set."""
    return Caps(row.max_concurrency, row.requests_per_minute, row.tokens_per_minute)


class Upstreams:
    """The providers that one executor speaks to."""

    def __init__(self, executor_id: uuid.UUID) -> None:
        self.unsure: frozenset[uuid.UUID] = frozenset()  # see `ask`
        self._executor_id = executor_id
        self._known: dict[uuid.UUID, _Upstream] = {}

    def __contains__(self, provider_id: uuid.UUID) -> bool:
        return provider_id in self._known

    def has_models(self, provider_id: uuid.UUID) -> bool:
        """Whether it matters which model a request names."""
        return bool(self._known[provider_id].models)

    def open(self, provider: Provider, *, now: datetime) -> Opened:
        """Connect to a provider for the first time. Raises CredentialUnavailable or CannotRun."""
        adapter = _connect(provider)
        since = now - timedelta(seconds=keeping.WINDOW_SECONDS + MARGIN_SECONDS)
        quiet = not worked_since(provider.pk, since)
        models = {model.name: model for model in ProviderModel.objects.filter(provider=provider)}
        known = self._known[provider.pk] = _Upstream(provider, models, quiet, count_of_users(provider))
        health = {row.model: row for row in ProviderHealth.objects.filter(provider=provider)}
        known.held, known.orders = hold_of(health.get(WHOLE), now=now), _orders(provider, health.get(WHOLE))
        row = ProviderHealth(provider=provider, concurrency=provider.max_concurrency)
        note_opening(with_hold(row, known.held, now=now), now=now)
        held_models = frozenset(name for name, row in health.items() if name != WHOLE and row.hold_kind)
        return Opened(provider.pk, adapter, caps_of(provider), models, held_models)

    def changed(self) -> list[Opened]:
        """The providers whose settings, limits or prices have changed since the last look."""
        found = []
        models: dict[uuid.UUID, dict[str, ProviderModel]] = {}
        for model in ProviderModel.objects.filter(provider__in=self._known):
            models.setdefault(model.provider_id, {})[model.name] = model
        health = {row.provider_id: row for row in ProviderHealth.objects.filter(provider__in=self._known, model=WHOLE)}
        for provider in Provider.objects.filter(pk__in=self._known):
            known, named = self._known[provider.pk], models.get(provider.pk, {})
            known.orders, known.projects = _orders(provider, health.get(provider.pk)), count_of_users(provider)
            moved = provider.updated_at != known.provider.updated_at
            if not moved and caps_of(provider) == caps_of(known.provider) and _terms(named) == _terms(known.models):
                continue
            adapter = None
            if moved:
                with suppress(CredentialUnavailable, CannotRun):  # the old settings go on serving the requests under way
                    adapter = _connect(provider)
            known.provider, known.models = provider, named
            found.append(Opened(provider.pk, adapter, caps_of(provider), named))
        return found

    def ask(self, demands: Mapping[uuid.UUID, Demand], taken: Mapping[uuid.UUID, Mapping[str, int]]) -> dict[uuid.UUID, Granted]:
        """Ask the limiter for each provider with a demand. `taken` counts the objects just taken up, by project.

        If the limiter does not answer, the last shares stay in force, and permits run out. The remaining providers are then
        skipped, because waiting for each of them could outlast the leases. `unsure` names the provider whose ask it may have
        heard.
        """
        found: dict[uuid.UUID, Granted] = {}
        self.unsure = frozenset()
        for provider_id, known in self._known.items():
            demand = demands.get(provider_id, Demand())
            ask = _asked(demand, caps_of(known.provider), taken=taken.get(provider_id, {}))
            if ask is None:
                continue
            ask = msgspec.structs.replace(ask, calls=demand.calls)
            try:
                found[provider_id] = self._ask(provider_id, known, ask)
            except redis.RedisError as error:
                logger.warning("the shared limits did not answer (%s); keeping the last share", type(error).__name__)
                self.unsure = frozenset({provider_id} if isinstance(error, keeping.MayHaveHeard) else ())
                break
            except Exception:
                logger.exception("the limits of provider %s could not be asked; keeping the last share", known.provider.name)
        return found

    def _ask(self, provider_id: uuid.UUID, known: _Upstream, ask: Ask) -> Granted:
        asked_at = time.monotonic()
        if known.quiet and asked_at < known.opened_at + QUIET_SECONDS:
            ask = msgspec.structs.replace(ask, quiet=True)
        ask = msgspec.structs.replace(ask, projects=known.projects, held=known.held, orders=known.orders)
        grant = keeping.limits().ask(provider_id, self._executor_id, ask)
        known.quiet = False
        if known.grant is None or _state(grant) != _state(known.grant):
            known.noted_at = 0.0  # a breaker has opened or closed, or a hold begun or ended: note it at once
        known.grant, known.held = grant, _held_now(known, grant)
        return Granted(asked_at, grant)

    def note_health(self, demands: Mapping[uuid.UUID, Demand], *, now: datetime) -> None:
        """Note the health of the providers that there is work for, so that everybody can see it."""
        found = []
        for provider_id, known in self._known.items():
            demand = demands.get(provider_id, Demand())
            if known.grant is not None and demand.needs and time.monotonic() - known.noted_at > HEALTH_SECONDS:
                known.noted_at = time.monotonic()
                found += health_rows(known.provider, known.models, known.grant, now=now)
        if found:
            note_health(found, now=now)

    def leave(self) -> None:
        """Give all shares back. Raises redis.RedisError."""
        for provider_id in self._known:
            keeping.limits().ask(provider_id, self._executor_id, Ask({}, settings.EXECUTOR_CONCURRENCY))


def _connect(provider: Provider) -> Adapter:
    upstream = provider.connection()
    try:
        return registry.connect(provider.adapter, upstream)
    except Exception as error:  # an adapter may raise anything when settings are odd
        detail = error if isinstance(error, KeyError | ValueError) else type(error).__name__
        raise CannotRun(f"The settings of provider {provider.name} cannot be used: {detail}") from error


def _terms(models: Mapping[str, ProviderModel]) -> dict[str, tuple[object, ...]]:
    """The limits and prices of a provider's models, to be compared."""
    return {name: (caps_of(model), model.input_price, model.cached_price, model.output_price) for name, model in models.items()}


def _asked(demand: Demand, caps: Caps, *, taken: Mapping[str, int]) -> Ask | None:
    """The executor's ask with the objects just taken up added. A new ask if these need more than the share; else None."""
    wanted = {project: _need(demand, project).wanted + count for project, count in taken.items()}
    if demand.ask is None and all(count <= _need(demand, project).share for project, count in wanted.items()):
        return None
    bids = dict(demand.ask.bids) if demand.ask else {project: _bid(need, caps) for project, need in demand.needs.items()}
    for project, count in wanted.items():
        bid = bids.get(project) or _bid(Need(), caps)
        whole = msgspec.structs.replace(bid.wants[WHOLE], wanted=min(count, settings.EXECUTOR_CONCURRENCY))
        bids[project] = msgspec.structs.replace(bid, wants={**bid.wants, WHOLE: whole})
    return msgspec.structs.replace(demand.ask or Ask({}, settings.EXECUTOR_CONCURRENCY), bids=bids)


def _need(demand: Demand, project: str) -> Need:
    return demand.needs.get(project, Need())


def _bid(need: Need, caps: Caps) -> Bid:
    """A bid made from a lane's need alone: without a report, and for as many requests as the need says."""
    wanted = min(need.wanted, settings.EXECUTOR_CONCURRENCY)
    return Bid({WHOLE: Want(caps, in_flight=max(need.in_flight, need.share), wanted=wanted)})


def _orders(provider: Provider, health: ProviderHealth | None) -> Orders:
    """The last orders of operators. A change of a provider's settings, such as its credential, also orders a probe."""
    asked = [provider.updated_at, health and health.probe_asked_at]
    resumed = health.resumed_at if health else None
    return Orders(max(at.timestamp() for at in asked if at), resumed.timestamp() if resumed else 0.0)


def _held_now(known: _Upstream, grant: Grant) -> AccountHeld | None:
    """The hold of the provider: from the grant, or the known one if the grant does not speak of the whole provider."""
    return grant.conditions[WHOLE].held if WHOLE in grant.conditions else known.held


def _state(grant: Grant) -> tuple[bool, list[tuple[str, Kind | None]]]:
    """Breaker and holds of a grant: a change of these is noted at once."""
    holds = [(name, condition.held.kind if condition.held else None) for name, condition in grant.conditions.items()]
    return grant.broken is None, sorted(holds, key=lambda found: found[0])

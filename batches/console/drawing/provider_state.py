"""The states of providers in words: from the notes of the engine, and from the recent outcomes of their requests."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from batches.console.drawing.batch_state import BatchState, Tone
from batches.models import EmergencyStop, ProviderHealth, Stopped
from batches.models.worker import ALIVE_FOR
from batches.services.insight.throughput import Flow
from providers.models import Provider

FAILING = 0.5  # a provider with a lower share of successes is called failing, ...
SAMPLE = 20  # ... if at least so many objects have settled


@dataclass(frozen=True, slots=True)
class ProviderState:
    """A provider with its state, and the outcomes of its requests in a span of time.

    `in_use` is the part of the `allowed` concurrency that is taken at present. An operator may have allowed more.
    """

    provider: Provider
    standing: BatchState
    flow: Flow
    health: ProviderHealth | None
    in_use: int
    allowed: int

    @property
    def success(self) -> str:
        """The share of successes, rounded down: 100 % means that all requests succeeded."""
        rate = self.flow.success_rate
        return "—" if rate is None else f"{int(rate * 1000) / 10:g} %"

    @property
    def success_tone(self) -> str:
        return "bad" if is_failing(self.flow) else ""


def is_failing(flow: Flow) -> bool:
    """Whether most of the settled objects have failed."""
    return flow.settled >= SAMPLE and flow.succeeded < FAILING * flow.settled


def provider_states(
    providers: Iterable[Provider], flows: Mapping[uuid.UUID, Flow], *, stops: Sequence[EmergencyStop], now: datetime
) -> list[ProviderState]:
    """The state of each provider, found with one query. Providers in trouble come first, then the busiest.

    `stops` are the emergency stops in force.
    """
    providers = list(providers)
    noted = {row.provider_id: row for row in ProviderHealth.objects.filter(provider__in=providers, model="")}
    states = [
        state_of_provider(
            provider,
            noted.get(provider.pk),
            flows.get(provider.pk, Flow()),
            stops=stops,
            now=now,
        )
        for provider in providers
    ]
    return sorted(states, key=lambda state: (_TROUBLE.index(state.standing.tone), -state.flow.settled, state.provider.name))


_TROUBLE = (Tone.BAD, Tone.WARN, Tone.GOOD, Tone.RUN, Tone.WAIT, Tone.MUTE)


def state_of_provider(
    provider: Provider, health: ProviderHealth | None, flow: Flow, *, stops: Sequence[EmergencyStop] = (), now: datetime
) -> ProviderState:
    """The state of one provider. The engine's notes count only while an executor works: an idle engine notes nothing."""
    stopped = any(stop.what == Stopped.SENDING and stop.project_id is None and stop.is_about(provider) for stop in stops)
    at_work = health is not None and health.updated_at > now - ALIVE_FOR
    return ProviderState(
        provider,
        STOPPED if stopped else _standing(provider, health, flow, at_work=at_work, now=now),
        flow,
        health,
        in_use=health.in_use if health and at_work else 0,
        allowed=health.concurrency if health and at_work else provider.max_concurrency,
    )


STOPPED = BatchState("Sending stopped", Tone.BAD, "An emergency stop lets nothing be sent to it; its batches wait.")


def _standing(provider: Provider, health: ProviderHealth | None, flow: Flow, *, at_work: bool, now: datetime) -> BatchState:
    if not provider.enabled:
        return BatchState("Disabled", Tone.MUTE, "It is sent nothing; its batches wait.")
    if provider.is_switched_off:
        return BatchState("Switched off", Tone.MUTE, "The portal's settings take the simulator away; its batches wait.")
    if health is not None and health.has_account_problem and health.hold is not None:
        return BatchState(
            "Account problem", Tone.BAD, f"{health.hold.sentence} It gets one request now and then until one succeeds."
        )
    if health is not None and health.breaker_until is not None and health.breaker_until > now:
        return BatchState("Breaker open", Tone.BAD, "It kept failing: for a while only a probe is sent to it.")
    if at_work and health is not None and health.breaker != ProviderHealth.Breaker.CLOSED:
        return BatchState("Probing", Tone.WARN, "It kept failing; a single request finds out whether it works again.")
    if health is not None and health.hold is not None:
        sentence = "It asks to wait for long: it gets one request now and then until it takes more."
        return BatchState("Rate-limiting", Tone.WARN, sentence)
    if health is not None and health.is_limited(now=now):
        return BatchState("Throttled", Tone.WARN, "Its rate limits hold everything back for a moment.")
    if is_failing(flow):
        return BatchState("Failing", Tone.BAD, "It answers, but most of what it was sent lately failed.")
    if at_work and health is not None and health.concurrency < provider.max_concurrency:
        return BatchState("Slowed down", Tone.WARN, "It turned requests away, so fewer are sent at a time until it takes more.")
    if at_work:
        return BatchState("Working", Tone.GOOD, "Requests are being sent to it.")
    return BatchState("Idle", Tone.MUTE, "Nothing is sent to it at present.")

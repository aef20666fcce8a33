"""The states of providers as pages draw them, with the outcomes of their calls. `services.standing` decides about the states."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from batches.console.drawing.batch_state import Badge, Tone
from batches.models import ProviderHealth
from batches.services.insight.throughput import Flow
from batches.services.standing.look import Look
from batches.services.standing.provider_state import FAILING, SAMPLE, ProviderCode, ProviderState
from providers.models import Provider

TONES: dict[ProviderCode, Tone] = {
    ProviderCode.DISABLED: Tone.MUTE,
    ProviderCode.SWITCHED_OFF: Tone.MUTE,
    ProviderCode.SENDING_STOPPED: Tone.BAD,
    ProviderCode.ACCOUNT_PROBLEM: Tone.BAD,
    ProviderCode.DOWN: Tone.BAD,
    ProviderCode.NOT_ANSWERING: Tone.BAD,
    ProviderCode.RATE_LIMITING: Tone.WARN,
    ProviderCode.FAILING: Tone.BAD,
    ProviderCode.AT_LIMIT: Tone.RUN,
    ProviderCode.WORKING: Tone.GOOD,
    ProviderCode.IDLE: Tone.MUTE,
}


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """A provider with its state, and the outcomes of its calls in a span of time."""

    provider: Provider
    state: ProviderState
    flow: Flow
    health: ProviderHealth | None

    @property
    def standing(self) -> Badge:
        return Badge(self.state.word, TONES[self.state.code], self.state.sentence, self.state.until)

    @property
    def success(self) -> str:
        """The share of attempts that succeeded, rounded down: 100 % means that all of them did."""
        rate = self.flow.success_rate
        return "—" if rate is None else f"{int(rate * 1000) / 10:g} %"

    @property
    def success_tone(self) -> str:
        return "bad" if is_failing(self.flow) else ""


def is_failing(flow: Flow) -> bool:
    """Whether most attempts have failed."""
    return flow.attempts >= SAMPLE and flow.succeeded < FAILING * flow.attempts


def provider_rows(providers: Iterable[Provider], flows: Mapping[uuid.UUID, Flow], *, now: datetime) -> list[ProviderRow]:
    """Each provider with its state, found with two queries. Providers in trouble come first, then the busiest."""
    providers = list(providers)
    look = Look.at((provider.pk for provider in providers), now=now)
    rows = [provider_row(provider, flows.get(provider.pk, Flow()), look=look) for provider in providers]
    return sorted(rows, key=lambda row: (_TROUBLE.index(row.standing.tone), -row.flow.attempts, row.provider.name))


_TROUBLE = (Tone.BAD, Tone.WARN, Tone.GOOD, Tone.RUN, Tone.WAIT, Tone.MUTE)


def provider_row(provider: Provider, flow: Flow, *, look: Look) -> ProviderRow:
    """One provider with its state."""
    return ProviderRow(provider, look.provider(provider), flow, look.health.get((provider.pk, "")))

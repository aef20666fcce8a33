"""The state of a provider: one decision, from its settings and from what the executors last noted of it.

`provider_state` is pure. Everybody may read its sentences, so they have kinds and numbers, and no text of a call.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.db.models import Q

from batches.models import ProviderHealth
from batches.models.worker import ALIVE_FOR
from batches.rules.display.counted import counted
from providers.failures import Kind
from providers.models import Provider

TOLERATED = 0.1  # a provider that turns away a larger part of the latest calls is rate-limiting
FAILING = 0.5  # a provider with a smaller part of successes is failing, ...
SAMPLE = 20  # ... if so many calls have come to an outcome
FEW = 3  # so many calls without an answer, and none with one, show that a provider does not answer


class ProviderCode(StrEnum):
    """The state of a provider. The first that applies is the one that counts."""

    DISABLED = "disabled"
    SWITCHED_OFF = "switched_off"
    SENDING_STOPPED = "sending_stopped"
    ACCOUNT_PROBLEM = "account_problem"
    DOWN = "down"
    NOT_ANSWERING = "not_answering"
    RATE_LIMITING = "rate_limiting"
    FAILING = "failing"
    AT_LIMIT = "at_limit"
    WORKING = "working"
    IDLE = "idle"

    @property
    def word(self) -> str:
        """The state in a badge."""
        return self.value.replace("_", " ").replace("rate limiting", "rate-limiting").capitalize()

    @property
    def meaning(self) -> str:
        """The meaning of this state for any provider."""
        return _MEANINGS[self]


_MEANINGS = {
    ProviderCode.DISABLED: "An administrator has disabled the provider; its batches wait.",
    ProviderCode.SWITCHED_OFF: "The portal's settings switch simulators off; its batches wait.",
    ProviderCode.SENDING_STOPPED: "An emergency stop keeps everything from being sent to the provider.",
    ProviderCode.ACCOUNT_PROBLEM: "The provider's account is empty or its credential is refused.",
    ProviderCode.DOWN: "One call after the other failed, so that only test calls are sent.",
    ProviderCode.NOT_ANSWERING: "Calls are sent and get no answer.",
    ProviderCode.RATE_LIMITING: "The provider turns calls away because there are too many.",
    ProviderCode.FAILING: "The provider answers, and most of the latest calls failed.",
    ProviderCode.AT_LIMIT: "A limit per minute is used up for the moment.",
    ProviderCode.WORKING: "Calls are sent and answered.",
    ProviderCode.IDLE: "Nothing is sent to the provider at present.",
}


@dataclass(frozen=True, slots=True)
class ProviderState:
    """The state of a provider, or of one of its models: a code, and a sentence with numbers.

    With `is_closed` no call succeeds at present. `until` is when the next test call or request may be sent, where that is known.
    `allowed` is how many calls may be in flight at present, and `limit` how many an operator allows.
    """

    code: ProviderCode
    sentence: str
    is_closed: bool = False
    until: datetime | None = None
    since: datetime | None = None
    kind: Kind | None = None
    failed_in_a_row: int = 0
    in_flight: int = 0
    oldest_sent_at: datetime | None = None
    allowed: int = 0
    limit: int = 0
    recent_calls: int = 0
    recent_succeeded: int = 0
    recent_refused: int = 0

    @property
    def word(self) -> str:
        return self.code.word

    @property
    def is_trouble(self) -> bool:
        """Whether an operator should know: calls are sent, and hardly any succeeds."""
        mostly_refused = self.code is ProviderCode.RATE_LIMITING and 2 * self.recent_refused >= self.recent_calls
        return self.code in TROUBLES and (self.is_closed or mostly_refused)

    @property
    def is_down(self) -> bool:
        """Whether the provider carries nothing out, so that its batches are better sent elsewhere."""
        return self.is_closed and self.code in TROUBLES - {ProviderCode.RATE_LIMITING}


TROUBLES = frozenset({ProviderCode.ACCOUNT_PROBLEM, ProviderCode.DOWN, ProviderCode.NOT_ANSWERING, ProviderCode.RATE_LIMITING})

# The notes about a provider that may be in trouble. Those of the others need no decision.
SUSPECT = ~Q(hold_kind="") | ~Q(breaker=ProviderHealth.Breaker.CLOSED) | Q(in_flight__gt=0) | Q(recent_calls__gt=0)


def provider_state(
    provider: Provider,
    health: ProviderHealth | None,
    *,
    models: Iterable[ProviderHealth] = (),
    stopped: bool = False,
    now: datetime,
) -> ProviderState:
    """The state of a provider, or of the model that the health is about.

    `stopped` tells whether an emergency stop holds all sending to the provider back. What the executors noted of calls counts
    only while they work: an idle engine notes nothing. A hold, and a breaker's wait, last without them. `models` is what was
    noted of the provider's models: if one is held and no call to another succeeds, the provider is what its model is.
    """
    name = provider.name
    if not provider.enabled:
        return _state(ProviderCode.DISABLED, f"{name} is disabled. Its batches wait until it is enabled.", provider)
    if provider.is_switched_off:
        sentence = f"{name} is a simulator, and simulators are switched off in this portal (SIMULATOR)."
        return _state(ProviderCode.SWITCHED_OFF, sentence, provider)
    if stopped:
        return _state(
            ProviderCode.SENDING_STOPPED, f"An emergency stop keeps everything from being sent to {name}.", provider, health
        )
    if health is None:
        return _state(ProviderCode.IDLE, f"Nothing has been sent to {name} yet.", provider)
    held = [row for row in models if row.hold is not None]
    return _held(provider, health) or _broken(provider, health, now=now) or _noted(provider, health, held=held, now=now)


def _state(
    code: ProviderCode, sentence: str, provider: Provider, health: ProviderHealth | None = None, **more: object
) -> ProviderState:
    found = {"allowed": provider.max_concurrency, "limit": provider.max_concurrency}
    return ProviderState(code, sentence, **(found | _figures(health) | more))  # type: ignore[arg-type]


def _figures(health: ProviderHealth | None) -> dict[str, object]:
    if health is None:
        return {}
    return {
        "allowed": health.concurrency,
        "failed_in_a_row": health.failed_in_a_row,
        "in_flight": health.in_flight,
        "oldest_sent_at": health.oldest_sent_at,
        "recent_calls": health.recent_calls,
        "recent_succeeded": health.recent_succeeded,
        "recent_refused": health.recent_refused,
    }


def _held(provider: Provider, health: ProviderHealth) -> ProviderState | None:
    if health.hold is None:
        return None
    more: dict[str, object] = {"is_closed": True, "until": health.probe_at, "since": health.held_since, "kind": health.hold}
    more["failed_in_a_row"] = health.hold_strikes
    in_a_row = f"{counted(health.hold_strikes, 'call')} in a row failed"
    if health.hold.is_of_account:
        sentence = f"{provider.name} has an account problem ({in_a_row}): {health.hold.sentence}"
        return _state(ProviderCode.ACCOUNT_PROBLEM, sentence, provider, health, **more)
    sentence = (
        f"{provider.name} asks to wait for more than a minute ({in_a_row}). One call now and then tests whether it takes more."
    )
    return _state(ProviderCode.RATE_LIMITING, sentence, provider, health, **more)


_UNABLE = {Kind.CONNECT: "is not reachable", Kind.TIMEOUT: "does not answer", Kind.CONNECTION_LOST: "breaks connections off"}


def _broken(provider: Provider, health: ProviderHealth, *, now: datetime) -> ProviderState | None:
    waits = health.breaker_until is not None and health.breaker_until > now
    if health.breaker == ProviderHealth.Breaker.CLOSED or not (waits or _is_at_work(health, now=now)):
        return None
    kind = Kind.known(health.breaker_kind)
    unable = "fails" if kind is None else _UNABLE.get(kind, "answers with errors")
    sentence = (
        f"{provider.name} {unable} ({counted(health.failed_in_a_row, 'call')} in a row failed). One call at a time tests it."
    )
    until = health.breaker_until if waits else None
    return _state(ProviderCode.DOWN, sentence, provider, health, is_closed=True, until=until, kind=kind)


def _noted(provider: Provider, health: ProviderHealth, *, held: Sequence[ProviderHealth], now: datetime) -> ProviderState:
    """The state as the outcomes of calls, and the holds of models, tell it."""
    name, calls = provider.name, health.recent_calls
    if not _is_at_work(health, now=now):
        return _state(ProviderCode.IDLE, f"Nothing is sent to {name} at present.", provider)
    if silent := _silence(health, now=now):
        sentence = f"{name} does not answer: {silent}."
        return _state(ProviderCode.NOT_ANSWERING, sentence, provider, health, is_closed=True, since=health.oldest_sent_at)
    if health.recent_refused > max(TOLERATED * calls, 1):
        slower = f"sending {health.concurrency:,} at a time instead of {provider.max_concurrency:,}"
        turned_away = f"{health.recent_refused:,} of the last {counted(calls, 'call')} turned away"
        about = f"{slower}, {turned_away}" if health.concurrency < provider.max_concurrency else turned_away
        closed = not health.recent_succeeded
        return _state(ProviderCode.RATE_LIMITING, f"Rate-limited by {name}: {about}.", provider, health, is_closed=closed)
    if calls >= SAMPLE and health.recent_succeeded < FAILING * calls:
        sentence = f"{name} answers, but {calls - health.recent_succeeded:,} of the last {counted(calls, 'call')} failed."
        return _state(ProviderCode.FAILING, sentence, provider, health)
    if held and not health.recent_succeeded and (state := _held(provider, held[0])):
        return replace(state, allowed=health.concurrency, in_flight=health.in_flight, oldest_sent_at=health.oldest_sent_at)
    if health.is_limited(now=now):
        sentence = f"A limit of {name} is used up for the moment: {health.limited_reason}."
        return _state(ProviderCode.AT_LIMIT, sentence, provider, health, until=health.limited_until)
    sentence = _at_work(provider, health)
    if held:
        sentence += f" {counted(len(held), 'of its models is', 'of its models are')} held: only test calls are sent there."
    return _state(ProviderCode.WORKING, sentence, provider, health)


def _at_work(provider: Provider, health: ProviderHealth) -> str:
    flying = f"{counted(health.in_flight, 'call is', 'calls are')} in flight to {provider.name}"
    limit = f"the limit is {provider.max_concurrency:,}"
    if health.concurrency < provider.max_concurrency:
        limit += f", and {health.concurrency:,} at present after calls were turned away or not answered"
    return f"{flying}; {limit}."


def _silence(health: ProviderHealth, *, now: datetime) -> str:
    """How a provider does not answer, in numbers; empty if it does, or nobody knows yet."""
    silent_since = now - timedelta(seconds=settings.NOT_ANSWERING_SECONDS)
    oldest = health.oldest_sent_at
    if oldest is not None and oldest <= silent_since and (health.answered_at is None or health.answered_at <= silent_since):
        count = f"1 call is in flight, for {spell(now - oldest)}"
        if health.in_flight > 1:
            count = f"{health.in_flight:,} calls are in flight, the oldest for {spell(now - oldest)}"
        return f"{count}, and no answer has come for as long" if health.answered_at else count
    if health.recent_calls >= FEW and health.recent_unanswered == health.recent_calls:
        return f"none of the last {counted(health.recent_calls, 'call')} was answered"
    return ""


def _is_at_work(health: ProviderHealth, *, now: datetime) -> bool:
    return health.updated_at > now - ALIVE_FOR


def spell(length: timedelta) -> str:
    """A length of time in its largest unit, rounded down: 45 s, 12 min, 3 h, 2 days."""
    seconds = max(int(length.total_seconds()), 0)
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 172_800 else f"{seconds // 86_400} days"

"""Health rows: what a grant of the limiter tells about a provider, as rows that everybody can see."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from batches.engine.limits.asks import Condition, Grant, Vitals
from batches.engine.limits.hold import AccountHeld
from batches.engine.limits.state import WHOLE
from batches.models import ProviderHealth
from providers.models import Provider, ProviderModel


def health_rows(provider: Provider, models: Mapping[str, ProviderModel], grant: Grant, *, now: datetime) -> list[ProviderHealth]:
    """The rows to note: one for the provider as a whole, and one for each model with limits."""
    breaker, breaker_until = ProviderHealth.Breaker.CLOSED, None
    if grant.broken is not None:
        breaker = ProviderHealth.Breaker.OPEN if grant.broken.open_for else ProviderHealth.Breaker.HALF_OPEN
        breaker_until = now + timedelta(seconds=grant.broken.open_for)
    found = []
    for name, condition in grant.conditions.items():
        limited = bool(condition.reason) and grant.broken is None and not _is_of_account(condition)
        own = models[name].max_concurrency if name in models else None
        row = ProviderHealth(
            provider=provider,
            model=name,
            concurrency=min(grant.concurrency, own or grant.concurrency),
            limited_until=now + timedelta(seconds=condition.shut_for) if limited else None,
            limited_reason=condition.reason if limited else "",
            breaker=breaker,
            breaker_until=breaker_until,
            breaker_reason=grant.broken.reason if grant.broken else "",
            breaker_kind=grant.broken.kind if grant.broken else "",
        )
        if name == WHOLE:
            row.in_use = grant.in_use
            _add_vitals(row, grant.vitals, now=now)
        found.append(with_hold(row, condition.held, now=now))
    return found


def _add_vitals(row: ProviderHealth, vitals: Vitals, *, now: datetime) -> None:
    row.in_flight = vitals.in_flight
    row.oldest_sent_at = now - timedelta(seconds=vitals.oldest_for) if vitals.in_flight else None
    row.answered_at = now - timedelta(seconds=vitals.answered_for) if vitals.answered_for < LONG_AGO else None
    row.recent_calls, row.recent_succeeded = vitals.calls, vitals.succeeded
    row.recent_refused, row.recent_unanswered = vitals.refused, vitals.unanswered
    row.failed_in_a_row = vitals.failed_in_a_row


LONG_AGO = 10 * 365 * 86_400.0  # no answer was heard of


def _is_of_account(condition: Condition) -> bool:
    return condition.held is not None and condition.held.kind.is_of_account


def with_hold(row: ProviderHealth, held: AccountHeld | None, *, now: datetime) -> ProviderHealth:
    """The row with a hold, if there is one."""
    if held is not None:
        row.hold_kind, row.hold_strikes = held.kind.value, held.strikes
        row.held_since = now - timedelta(seconds=held.held_for)
        row.probe_at = now + timedelta(seconds=held.probe_in)
    return row


def hold_of(row: ProviderHealth | None, *, now: datetime) -> AccountHeld | None:
    """The hold of a noted row; None if it has none."""
    if row is None or row.hold is None or row.held_since is None:
        return None
    return AccountHeld(row.hold, row.hold_strikes, (now - row.held_since).total_seconds())

"""Conditions of a batch besides its status. Each is one condition of a database query."""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, TextChoices

from batches.models import Batch, ProviderHealth, Slice
from batches.models.recovered import has_unresolved, is_recovered
from batches.rules.states import BatchStatus
from batches.services.policy.stops_in_force import sending_is_stopped
from providers.failures import Kind

STUCK_AFTER = timedelta(minutes=10)


class Condition(TextChoices):
    """The conditions that a batch may be in."""

    PAUSED = "paused"
    ACCOUNT_PROBLEM = "account_problem", "account problem"
    THROTTLED = "throttled"
    BLOCKED = "blocked"
    PUT_OFF = "put_off", "input out of reach"
    OVERDUE = "overdue"
    LATE = "late", "late at its pace"
    STUCK = "stuck"
    PARTIAL = "partial", "completed with failures"
    UNRESOLVED = "unresolved", "unresolved failures"
    STOPPED = "stopped", "sending stopped"


def in_condition(condition: str, *, now: datetime) -> Q:
    """Batches in this condition."""
    if condition == Condition.STOPPED:
        return is_stopped()
    if condition == Condition.PAUSED:
        return Q(status=BatchStatus.IN_PROGRESS, paused_at__isnull=False)
    if condition == Condition.ACCOUNT_PROBLEM:
        return has_account_problem()
    if condition == Condition.THROTTLED:
        return is_throttled(now=now)
    if condition == Condition.BLOCKED:
        return is_blocked(now=now)
    if condition == Condition.PUT_OFF:
        return is_put_off()
    if condition == Condition.OVERDUE:
        return Q(ended_at=None, expires_at__lte=now)
    if condition == Condition.LATE:
        return is_late(now=now)
    if condition == Condition.STUCK:
        return is_stuck(now=now)
    if condition == Condition.UNRESOLVED:
        return has_unresolved()
    return Q(status=BatchStatus.COMPLETED, failed__gt=0)


def is_stopped() -> Q:
    """Running batches whose sending an emergency stop holds back."""
    return Q(status=BatchStatus.IN_PROGRESS) & sending_is_stopped()


def has_account_problem() -> Q:
    """Running batches whose provider is held because of its account. The held providers, which are few, are looked up first."""
    held = ProviderHealth.objects.with_account_problem().order_by().values("provider")
    return Q(status=BatchStatus.IN_PROGRESS, provider__in=held)


def is_throttled(*, now: datetime) -> Q:
    """Running batches whose open objects all wait because of limits, or whose provider asks for a long wait."""
    held = ProviderHealth.objects.filter(model="", hold_kind=Kind.RATE_LIMITED.value).order_by().values("provider")
    return Q(status=BatchStatus.IN_PROGRESS) & (Q(throttled_until__gt=now) | Q(provider__in=held))


def is_put_off() -> Q:
    """Batches that wait for a worker that can read their input."""
    return Q(ended_at=None, status=BatchStatus.VALIDATING) & ~Q(put_off_reason="")


def is_late(*, now: datetime) -> Q:
    """Open batches that have missed their deadline, or will miss it at their present pace."""
    return Q(ended_at=None) & (Q(expires_at__lte=now) | Q(at_risk_since__isnull=False))


def is_blocked(*, now: datetime) -> Q:
    """Open batches that no worker which saw them could carry out, and that no worker works on."""
    return Q(ended_at=None, blocked_until__gt=now)


def is_stuck(*, now: datetime) -> Q:
    """Open batches that were begun, that no worker works on, and that have had no event for a while.

    Paused, stopped, throttled and blocked batches, and those at a provider with an account problem, are not stuck: they wait
    for a known reason. Batches that were not begun wait for their turn.
    """
    alive = Slice.objects.filter(batch=OuterRef("pk")).filter(
        Q(lease_expires_at__gt=now) | Q(last_settled_at__gt=now - STUCK_AFTER)
    )
    begun = Slice.objects.filter(batch=OuterRef("pk"), last_settled_at__isnull=False)
    paused = Q(status=BatchStatus.IN_PROGRESS, paused_at__isnull=False)
    unbegun = Q(status=BatchStatus.IN_PROGRESS) & ~Q(Exists(begun))
    blocked = Q(status=BatchStatus.IN_PROGRESS) & is_blocked(now=now)
    waits = unbegun | paused | is_stopped() | has_account_problem() | is_throttled(now=now) | blocked
    quiet = Q(ended_at=None, updated_at__lte=now - STUCK_AFTER) & (Q(lease_expires_at=None) | Q(lease_expires_at__lte=now))
    return quiet & ~waits & ~Q(Exists(alive))


def stuck_among(batches: Iterable[Batch], *, now: datetime) -> set[uuid.UUID]:
    """The ids of the stuck batches among these. If none of them can be stuck, there is no query."""
    quiet = [batch.pk for batch in batches if not batch.is_terminal and batch.updated_at <= now - STUCK_AFTER]
    return set(Batch.objects.filter(is_stuck(now=now), pk__in=quiet).values_list("pk", flat=True)) if quiet else set()


def stopped_among(batches: Iterable[Batch]) -> set[uuid.UUID]:
    """The ids of those batches whose sending an emergency stop holds back. If none of them runs, there is no query."""
    running = [batch.pk for batch in batches if batch.status == BatchStatus.IN_PROGRESS]
    return set(Batch.objects.filter(sending_is_stopped(), pk__in=running).values_list("pk", flat=True)) if running else set()


def holds_of(batches: Iterable[Batch]) -> dict[uuid.UUID, Kind]:
    """The held providers of these batches, with the kind of failure. If none of the batches runs, there is no query."""
    wanted = {batch.provider_id for batch in batches if batch.status == BatchStatus.IN_PROGRESS}
    rows = ProviderHealth.objects.filter(provider__in=wanted, model="").exclude(hold_kind="") if wanted else ()
    return {row.provider_id: row.hold for row in rows if row.hold is not None}


def has_errors() -> Q:
    """Batches with validation errors or failed objects, also while they run."""
    failing = Slice.objects.filter(failed__gt=0, batch__ended_at=None).order_by().values("batch")  # such batches are few
    return Q(error_count__gt=0) | Q(failed__gt=0) | Q(pk__in=failing)


def ended_badly() -> Q:
    """Batches that failed, expired, or ended with failures, unless retries have recovered all of these. They are in an index."""
    badly = Q(status__in=[BatchStatus.FAILED, BatchStatus.EXPIRED]) | Q(status=BatchStatus.COMPLETED, failed__gt=0)
    return badly & ~is_recovered()


def needs_attention(*, now: datetime) -> Q:
    """Batches that ended badly, or that are late, held back, blocked, paused, stopped or stuck."""
    held_back = is_late(now=now) | is_throttled(now=now) | has_account_problem() | is_put_off() | is_blocked(now=now)
    held_back |= Q(paused_at__isnull=False) | is_stopped() | is_stuck(now=now)
    # The stuck batches, which are few, are found by a query of their own. As a condition of each batch, PostgreSQL would read
    # all slices to find them.
    return ended_badly() | Q(pk__in=Batch.objects.filter(held_back, ended_at=None).order_by().values("pk"))

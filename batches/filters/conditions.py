"""Conditions that a batch may be in besides its status, each as one question to the database."""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, TextChoices

from batches.models import Batch, ProviderHealth, Slice
from batches.rules.states import BatchStatus
from batches.services.policy.stops_in_force import sending_is_stopped
from providers.failures import Kind

STUCK_AFTER = timedelta(minutes=10)


class Condition(TextChoices):
    """What may be the matter with a batch."""

    PAUSED = "paused"
    ACCOUNT_PROBLEM = "account_problem", "account problem"
    THROTTLED = "throttled"
    BLOCKED = "blocked"
    PUT_OFF = "put_off", "input out of reach"
    OVERDUE = "overdue"
    LATE = "late", "late at its pace"
    STUCK = "stuck"
    PARTIAL = "partial", "completed with failures"
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
    return Q(status=BatchStatus.COMPLETED, failed__gt=0)


def is_stopped() -> Q:
    """Running batches of which an emergency stop lets nothing be sent."""
    return Q(status=BatchStatus.IN_PROGRESS) & sending_is_stopped()


def has_account_problem() -> Q:
    """Running batches whose provider is held for its account. The providers are looked up first: they are few."""
    held = ProviderHealth.objects.with_account_problem().order_by().values("provider")
    return Q(status=BatchStatus.IN_PROGRESS, provider__in=held)


def is_throttled(*, now: datetime) -> Q:
    """Running batches whose open objects all wait because of limits, and those whose provider asks to wait for long."""
    held = ProviderHealth.objects.filter(model="", hold_kind=Kind.RATE_LIMITED.value).order_by().values("provider")
    return Q(status=BatchStatus.IN_PROGRESS) & (Q(throttled_until__gt=now) | Q(provider__in=held))


def is_put_off() -> Q:
    """Batches that wait for a worker that can read their input."""
    return Q(ended_at=None, status=BatchStatus.VALIDATING) & ~Q(put_off_reason="")


def is_late(*, now: datetime) -> Q:
    """Open batches past their deadline, or that will miss it at their present pace."""
    return Q(ended_at=None) & (Q(expires_at__lte=now) | Q(at_risk_since__isnull=False))


def is_blocked(*, now: datetime) -> Q:
    """Open batches that a worker found it cannot carry out, and that no other works on."""
    return Q(ended_at=None, blocked_until__gt=now)


def is_stuck(*, now: datetime) -> Q:
    """Open batches that were begun, that nobody works on, and on which nothing has happened for a while.

    Those that are paused, stopped, throttled, blocked or at a provider with an account problem wait for a reason that is told;
    those not begun wait for their turn.
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
    """Which of these are stuck; without a query when none of them can be."""
    quiet = [batch.pk for batch in batches if not batch.is_terminal and batch.updated_at <= now - STUCK_AFTER]
    return set(Batch.objects.filter(is_stuck(now=now), pk__in=quiet).values_list("pk", flat=True)) if quiet else set()


def stopped_among(batches: Iterable[Batch]) -> set[uuid.UUID]:
    """Of which of these nothing is sent because of an emergency stop; without a query when none of them runs."""
    running = [batch.pk for batch in batches if batch.status == BatchStatus.IN_PROGRESS]
    return set(Batch.objects.filter(sending_is_stopped(), pk__in=running).values_list("pk", flat=True)) if running else set()


def holds_of(batches: Iterable[Batch]) -> dict[uuid.UUID, Kind]:
    """Which of the providers that these wait for are held, and why; without a query when none of the batches runs."""
    wanted = {batch.provider_id for batch in batches if batch.status == BatchStatus.IN_PROGRESS}
    rows = ProviderHealth.objects.filter(provider__in=wanted, model="").exclude(hold_kind="") if wanted else ()
    return {row.provider_id: row.hold for row in rows if row.hold is not None}


def has_errors() -> Q:
    """Batches with validation errors or failed objects, also those that still run."""
    failing = Slice.objects.filter(failed__gt=0, batch__ended_at=None).order_by().values("batch")  # few: asked for once
    return Q(error_count__gt=0) | Q(failed__gt=0) | Q(pk__in=failing)


def ended_badly() -> Q:
    """Batches that failed, expired, or ended with failures. An index holds just these."""
    return Q(status__in=[BatchStatus.FAILED, BatchStatus.EXPIRED]) | Q(status=BatchStatus.COMPLETED, failed__gt=0)


def needs_attention(*, now: datetime) -> Q:
    """Batches that ended badly, or that are late, held back, blocked, paused, stopped or stuck."""
    held_back = is_late(now=now) | is_throttled(now=now) | has_account_problem() | is_put_off() | is_blocked(now=now)
    held_back |= Q(paused_at__isnull=False) | is_stopped() | is_stuck(now=now)
    # Found by themselves, for they are few: asked of each batch, PostgreSQL reads all slices to know which are stuck.
    return ended_badly() | Q(pk__in=Batch.objects.filter(held_back, ended_at=None).order_by().values("pk"))

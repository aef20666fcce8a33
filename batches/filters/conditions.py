"""Conditions of a batch besides its status. Each is one condition of a database query."""

from datetime import datetime

from django.db.models import Q, TextChoices

from batches.models import Batch, Slice, ThrottledBy
from batches.models.recovered import has_unresolved, is_recovered
from batches.rules.states import BatchStatus
from batches.services.policy.stops_in_force import sending_is_stopped
from batches.services.standing.look import at_providers
from batches.services.standing.no_progress import without_progress
from batches.services.standing.provider_state import TROUBLES, ProviderCode


class Condition(TextChoices):
    """The conditions that a batch may be in."""

    PAUSED = "paused"
    ACCOUNT_PROBLEM = "account_problem", "account problem"
    PROVIDER_DOWN = "provider_down", "provider down"
    NOT_ANSWERING = "not_answering", "provider not answering"
    THROTTLED = "throttled", "throttled or rate-limited"
    BLOCKED = "blocked"
    PUT_OFF = "put_off", "input out of reach"
    OVERDUE = "overdue"
    LATE = "late", "late at its pace"
    NO_PROGRESS = "no_progress", "no progress"
    STUCK = "stuck", "stuck (no progress)"
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
        return at_providers(ProviderCode.ACCOUNT_PROBLEM, now=now)
    if condition == Condition.PROVIDER_DOWN:
        return is_provider_down(now=now)
    if condition == Condition.NOT_ANSWERING:
        return at_providers(ProviderCode.NOT_ANSWERING, now=now)
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
    if condition in (Condition.NO_PROGRESS, Condition.STUCK):
        return without_progress(now=now)
    if condition == Condition.UNRESOLVED:
        return has_unresolved()
    return Q(status=BatchStatus.COMPLETED, failed__gt=0)


def is_stopped() -> Q:
    """Running batches whose sending an emergency stop holds back."""
    return Q(status=BatchStatus.IN_PROGRESS) & sending_is_stopped()


def is_throttled(*, now: datetime) -> Q:
    """Running batches whose open objects all wait because of limits, or whose provider turns everything away."""
    throttled = Q(status=BatchStatus.IN_PROGRESS, throttled_until__gt=now)
    return throttled | at_providers(ProviderCode.RATE_LIMITING, now=now)


def is_provider_down(*, now: datetime) -> Q:
    """Running batches whose provider is down, or fails their project's calls one after the other."""
    broken = Q(status=BatchStatus.IN_PROGRESS, throttled_until__gt=now, throttled_by=ThrottledBy.BREAKER)
    return broken | at_providers(ProviderCode.DOWN, now=now)


def is_put_off() -> Q:
    """Batches that wait for a worker that can read their input."""
    return Q(ended_at=None, status=BatchStatus.VALIDATING) & ~Q(put_off_reason="")


def is_late(*, now: datetime) -> Q:
    """Open batches that have missed their deadline, or will miss it at their present pace."""
    return Q(ended_at=None) & (Q(expires_at__lte=now) | Q(at_risk_since__isnull=False))


def is_blocked(*, now: datetime) -> Q:
    """Open batches that no worker which saw them could carry out, and that no worker works on."""
    return Q(ended_at=None, blocked_until__gt=now)


def has_errors() -> Q:
    """Batches with validation errors or failed objects, also while they run."""
    failing = Slice.objects.filter(failed__gt=0, batch__ended_at=None).order_by().values("batch")  # such batches are few
    return Q(error_count__gt=0) | Q(failed__gt=0) | Q(pk__in=failing)


def ended_badly() -> Q:
    """Batches that failed, expired, or ended with failures, unless retries have recovered all of these. They are in an index."""
    badly = Q(status__in=[BatchStatus.FAILED, BatchStatus.EXPIRED]) | Q(status=BatchStatus.COMPLETED, failed__gt=0)
    return badly & ~is_recovered()


def needs_attention(*, now: datetime) -> Q:
    """Batches that ended badly, or that are late, held back, blocked, paused, stopped or without progress."""
    held_back = is_late(now=now) | is_put_off() | is_blocked(now=now) | is_stopped() | Q(paused_at__isnull=False)
    held_back |= Q(throttled_until__gt=now) | at_providers(*TROUBLES, now=now) | without_progress(now=now)
    # The open batches in question, which are few, are found by a query of their own. As a condition of each batch, PostgreSQL
    # would read all slices to find those without progress.
    return ended_badly() | Q(pk__in=Batch.objects.filter(held_back, ended_at=None).order_by().values("pk"))

"""Waiting: the reason why a batch waits, decided from the database, for people and for programs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.db.models import Count, Min, Q

from batches.models import Batch, EmergencyStop, ProviderHealth, ThrottledBy, Worker
from batches.rules.states import BatchStatus
from batches.services.lifecycle.turns import candidates, rank
from batches.services.policy.stops_in_force import stop_of_sending

TAKEN_UP_WITHIN = timedelta(seconds=5)  # executors start when there is work; a lack of executors counts only after this time


class Cause(StrEnum):
    """The cause of a batch's waiting."""

    NOT_VALIDATED = "not_validated"
    INPUT_OUT_OF_REACH = "input_out_of_reach"
    SENDING_STOPPED = "sending_stopped"
    PAUSED = "paused"
    PROVIDER_DISABLED = "provider_disabled"
    BLOCKED = "blocked"
    ACCOUNT_PROBLEM = "account_problem"
    BREAKER_OPEN = "breaker_open"
    RATE_LIMITED = "rate_limited"
    THROTTLED = "throttled"
    OTHERS_USE_IT = "others_use_it"
    BACKOFF = "backoff"
    NO_WORKER = "no_worker"
    QUEUE_POSITION = "queue_position"
    WINDING_UP = "winding_up"

    @property
    def sentence(self) -> str:
        """The meaning of this cause for any batch."""
        return _SENTENCES[self]


_SENTENCES = {
    Cause.NOT_VALIDATED: "Its input has not been checked to the end yet.",
    Cause.INPUT_OUT_OF_REACH: "The worker that was to check its input could not read it; it is tried again.",
    Cause.SENDING_STOPPED: "An operator has stopped all sending, for its project, its provider or the whole portal.",
    Cause.PAUSED: "Somebody, or a guard, has it wait until it is resumed.",
    Cause.PROVIDER_DISABLED: "Its provider is disabled: nothing is sent to it.",
    Cause.BLOCKED: "A worker cannot carry it out as that worker is set up, and no other works on it.",
    Cause.ACCOUNT_PROBLEM: "The provider's account is empty or its credential is refused: it gets one request now and then.",
    Cause.BREAKER_OPEN: "Its provider kept failing: for a while only a probe is sent to it.",
    Cause.RATE_LIMITED: "The rate limits of its provider are used up for the moment.",
    Cause.THROTTLED: "The provider turned its requests away, and named a time to come back.",
    Cause.OTHERS_USE_IT: "Other projects use all requests that its provider may get at a time.",
    Cause.BACKOFF: "Each of its open objects failed a moment ago, and waits for its next attempt.",
    Cause.NO_WORKER: "No worker is running that could take it up.",
    Cause.QUEUE_POSITION: "Other batches are served before it.",
    Cause.WINDING_UP: "Nothing more is sent; what is in flight may settle, then its files are written.",
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a batch waits, until when if that is known, and details."""

    cause: Cause
    sentence: str
    until: datetime | None = None
    details: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of the decision besides the batch itself.

    `unfinished` is the number of the batch's slices with open objects. `leased` of them are leased, and `held_back` of them
    wait until `not_before` or later. `stop` is the emergency stop of sending that holds for the batch. `ahead` is the number
    of batches that are served before it; with `beyond` there may be more of them.
    """

    unfinished: int = 0
    leased: int = 0
    held_back: int = 0
    not_before: datetime | None = None
    stop: EmergencyStop | None = None
    health: tuple[ProviderHealth, ...] = ()
    control_workers: int = 1
    executors: int = 1
    ahead: int = 0
    beyond: bool = False


def waiting(batch: Batch, *, now: datetime) -> Waiting | None:
    """Why the batch waits; None if it does not. A handful of queries, whatever the size of the database."""
    return None if batch.is_terminal else decide(batch, _facts(batch, now=now), now=now)


def decide(batch: Batch, facts: Facts, *, now: datetime) -> Waiting | None:
    """The first cause that keeps an open batch from going on. Causes that a person can remove come before those that pass."""
    if batch.status == BatchStatus.VALIDATING:
        return _without(facts.control_workers, "control") or _unchecked(batch)
    over = not facts.unfinished or batch.expires_at <= now
    if batch.status != BatchStatus.IN_PROGRESS or (over and not batch.is_paused):
        return _without(facts.control_workers, "control") or _winding_up(batch, facts)
    return (
        _stopped(facts)
        or _kept(batch)
        or _blocked(batch, facts, now=now)
        or _held_back(batch, facts, now=now)
        or _queued(batch, facts, now=now)
    )


def _because(cause: Cause, *, until: datetime | None = None, **details: str | int) -> Waiting:
    return Waiting(cause, cause.sentence, until, details)


def _without(workers: int, role: str) -> Waiting | None:
    """The batch waits for a worker: none with this role is alive."""
    if workers:
        return None
    return Waiting(Cause.NO_WORKER, f"No {role} worker is running.", details={"role": role})


def _unchecked(batch: Batch) -> Waiting:
    if batch.put_off_reason:
        return _because(Cause.INPUT_OUT_OF_REACH, reason=batch.put_off_reason)
    return _because(Cause.NOT_VALIDATED)


def _winding_up(batch: Batch, facts: Facts) -> Waiting:
    since = batch.cancelling_at or batch.finalizing_at
    if not facts.leased or since is None:
        return Waiting(Cause.WINDING_UP, "Nothing more is sent; its result files are about to be written.")
    return _because(Cause.WINDING_UP, until=since + timedelta(seconds=settings.CANCEL_GRACE_SECONDS))


def _stopped(facts: Facts) -> Waiting | None:
    """The batch waits for the end of an emergency stop. This cause comes before those of the batch alone."""
    stop = facts.stop
    if stop is None:
        return None
    details: dict[str, str | int] = {"reason": stop.reason, "since": stop.began_at.isoformat()}
    if stop.provider is not None:
        details["provider"] = stop.provider.name
    return Waiting(Cause.SENDING_STOPPED, f"{stop.sentence} {stop.reason} Its deadline goes on.", details=details)


def _kept(batch: Batch) -> Waiting | None:
    """The batch waits for the decision of a person: it is paused, or its provider is disabled."""
    if batch.is_paused:
        reason = f" {batch.paused_reason}" if batch.paused_reason else ""
        by = batch.paused_by or "somebody"
        assert batch.paused_at is not None
        details: dict[str, str | int] = {"by": by, "reason": batch.paused_reason, "since": batch.paused_at.isoformat()}
        return Waiting(Cause.PAUSED, f"It was paused by {by}.{reason}", details=details)
    if not batch.provider.enabled:
        name = batch.provider.name
        return Waiting(
            Cause.PROVIDER_DISABLED, f"Provider {name} is disabled: nothing is sent to it.", details={"provider": name}
        )
    if batch.provider.is_switched_off:
        name = batch.provider.name
        sentence = f"Provider {name} is a simulator, and these are switched off in this portal (SIMULATOR)."
        return Waiting(Cause.PROVIDER_DISABLED, sentence, details={"provider": name})
    return None


def _blocked(batch: Batch, facts: Facts, *, now: datetime) -> Waiting | None:
    """The batch waits for a worker that can carry it out."""
    if facts.leased or not batch.is_blocked(now=now):
        return None
    sentence = f"A worker cannot carry it out as that worker is set up. {batch.blocked_reason}".strip()
    return Waiting(Cause.BLOCKED, sentence, details={"reason": batch.blocked_reason})


def _held_back(batch: Batch, facts: Facts, *, now: datetime) -> Waiting | None:
    """The batch waits for its provider, or for the next attempts of its objects."""
    name = batch.provider.name
    for row in facts.health:
        if row.has_account_problem:
            return _account_problem(name, row)
    for row in facts.health:
        if row.breaker != ProviderHealth.Breaker.CLOSED and row.breaker_until is not None and row.breaker_until > now:
            return _because(Cause.BREAKER_OPEN, until=row.breaker_until, provider=name, reason=row.breaker_reason)
    for row in facts.health:
        if row.hold is not None:
            sentence = f"Provider {name} asks to wait for long: it gets one request now and then until it takes more."
            return Waiting(Cause.RATE_LIMITED, sentence, row.probe_at, {"provider": name})
        if row.is_limited(now=now):
            return _because(Cause.RATE_LIMITED, until=row.limited_until, provider=name, reason=row.limited_reason)
    if batch.is_throttled(now=now):
        return _throttled(batch)
    if facts.held_back == facts.unfinished:
        return _because(Cause.BACKOFF, until=facts.not_before)
    return None


_THROTTLED = {
    ThrottledBy.LIMIT: Cause.RATE_LIMITED,
    ThrottledBy.UPSTREAM: Cause.THROTTLED,
    ThrottledBy.BREAKER: Cause.BREAKER_OPEN,
    ThrottledBy.OTHERS: Cause.OTHERS_USE_IT,
}


def _throttled(batch: Batch) -> Waiting:
    """The batch waits for limits that hold its own project's requests back."""
    cause = _THROTTLED[ThrottledBy(batch.throttled_by or ThrottledBy.UPSTREAM)]
    until = None if cause is Cause.OTHERS_USE_IT else batch.throttled_until
    return _because(cause, until=until, provider=batch.provider.name, reason=batch.throttled_reason)


def _account_problem(name: str, row: ProviderHealth) -> Waiting:
    """The batch waits until the provider's account is mended, or until its deadline."""
    assert row.hold is not None
    assert row.held_since is not None
    calls = "1 call" if row.hold_strikes == 1 else f"{row.hold_strikes:,} calls"
    sentence = f"Provider {name} has an account problem: {row.hold.sentence} {calls} in a row failed this way."
    details: dict[str, str | int] = {
        "provider": name,
        "kind": row.hold.value,
        "failures": row.hold_strikes,
        "since": row.held_since.isoformat(),
    }
    return Waiting(Cause.ACCOUNT_PROBLEM, sentence, row.probe_at, details)


def _queued(batch: Batch, facts: Facts, *, now: datetime) -> Waiting | None:
    """The batch waits for other batches, or for an executor."""
    if facts.leased:
        return None
    ready_since = max(batch.in_progress_at or batch.created_at, batch.updated_at)
    if now > ready_since + TAKEN_UP_WITHIN and (missing := _without(facts.executors, "execute")):
        return missing
    number = f"{'At least ' if facts.beyond else ''}{facts.ahead:,}"
    others = "batch is" if facts.ahead == 1 else "batches are"
    sentence = f"{number} {others} served before it." if facts.ahead else "It is the next to be taken up."
    return Waiting(Cause.QUEUE_POSITION, sentence, details={"ahead": facts.ahead})


def _facts(batch: Batch, *, now: datetime) -> Facts:
    workers = dict(Worker.objects.alive(now=now).order_by().values_list("role").annotate(Count("pk")))
    there = {"control_workers": workers.get(Worker.Role.CONTROL, 0), "executors": workers.get(Worker.Role.EXECUTE, 0)}
    later = Q(not_before__gt=now)
    slices = batch.slices.filter(pending__gt=0).aggregate(
        unfinished=Count("pk"),
        leased=Count("pk", filter=Q(lease_expires_at__gt=now)),
        held_back=Count("pk", filter=later),
        not_before=Min("not_before", filter=later),
    )
    if batch.status != BatchStatus.IN_PROGRESS:
        return Facts(**slices, **there)
    health = ProviderHealth.objects.about(batch.provider_id, model=batch.model)
    ahead, beyond = (0, False) if slices["leased"] else _place(batch, now=now)
    return Facts(**slices, **there, stop=stop_of_sending(batch), health=tuple(health), ahead=ahead, beyond=beyond)


def _place(batch: Batch, *, now: datetime) -> tuple[int, bool]:
    """How many batches of the same provider are served before this one, and whether there may be more than were looked at."""
    rivals = sorted((found for found in candidates(now=now, most=1) if found.provider_id == batch.provider_id), key=rank)
    places = [rival.batch_id for rival in rivals]
    return (places.index(batch.pk), False) if batch.pk in places else (len(places), True)

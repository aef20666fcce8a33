"""Waiting: the reason why a batch waits, decided from the database, for people and for programs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.db.models import Count, Min, Q

from batches.models import Batch, ThrottledBy, Worker
from batches.rules.execution import AT_PROVIDER
from batches.rules.states import BatchStatus
from batches.services.lifecycle.turns import candidates, rank
from batches.services.standing.batch_state import BatchCode, BatchFacts, BatchState, batch_state
from batches.services.standing.look import facts_of, states_of_batches
from batches.services.standing.provider_state import ProviderCode

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
    NOT_ANSWERING = "not_answering"
    RATE_LIMITED = "rate_limited"
    THROTTLED = "throttled"
    OTHERS_USE_IT = "others_use_it"
    BACKOFF = "backoff"
    HANDING_OVER = "handing_over"
    WAITING_FOR_ROOM = "waiting_for_room"
    AT_PROVIDER = "at_provider"
    UNCERTAIN = "uncertain"
    COLLECTING = "collecting"
    NO_PROGRESS = "no_progress"
    NO_WORKER = "no_worker"
    QUEUE_POSITION = "queue_position"
    WINDING_UP = "winding_up"

    @property
    def sentence(self) -> str:
        """The meaning of this cause for any batch."""
        return _SENTENCES[self]


_SENTENCES = {
    Cause.NOT_VALIDATED: "The input has not been checked to its end yet.",
    Cause.INPUT_OUT_OF_REACH: "The worker that was to check the input could not read it; it is tried again.",
    Cause.SENDING_STOPPED: "An operator has stopped all sending, for the project, the provider or the whole portal.",
    Cause.PAUSED: "A person or a guard has paused the batch until it is resumed.",
    Cause.PROVIDER_DISABLED: "The provider is disabled: nothing is sent there.",
    Cause.BLOCKED: "No worker that looked at the batch can carry it out as that worker is set up.",
    Cause.ACCOUNT_PROBLEM: "The provider's account is empty or its credential is refused; one request now and then tests it.",
    Cause.BREAKER_OPEN: "The provider is down: requests wait until it answers again, and one at a time tests it.",
    Cause.NOT_ANSWERING: "The provider does not answer the calls that are sent.",
    Cause.RATE_LIMITED: "A rate limit is used up for the moment.",
    Cause.THROTTLED: "The provider turns requests away because there are too many.",
    Cause.OTHERS_USE_IT: "Other projects use all requests that the provider may get at a time.",
    Cause.BACKOFF: "Each open request failed a moment ago, and waits for its next attempt.",
    Cause.HANDING_OVER: "Its requests are about to be sent to the provider's own batch API.",
    Cause.WAITING_FOR_ROOM: "The provider's own batch API takes no further job at the moment.",
    Cause.AT_PROVIDER: "Its requests are in jobs at the provider's own batch API, whose results come when a job ends.",
    Cause.UNCERTAIN: "A create call was not answered: it is being found out whether the provider has the job.",
    Cause.COLLECTING: "Its jobs have ended at the provider; their results are being brought home.",
    Cause.NO_PROGRESS: "The batch was begun, and nothing of it has finished for a while.",
    Cause.NO_WORKER: "No worker is running that could take the batch up.",
    Cause.QUEUE_POSITION: "Other batches are served first.",
    Cause.WINDING_UP: "Nothing more is sent; calls in flight may finish, then the result files are written.",
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
    """The facts of the decision besides the batch and its state.

    `unfinished` is the number of slices with open objects that no provider job has. `leased` of them are leased, and `held_back`
    of them wait until `not_before` or later. `ahead` is the number of batches that are served before it; with `beyond` there may
    be more of them. `about` is what its state was decided from.
    """

    unfinished: int = 0
    leased: int = 0
    held_back: int = 0
    not_before: datetime | None = None
    control_workers: int = 1
    executors: int = 1
    ahead: int = 0
    beyond: bool = False
    about: BatchFacts | None = None


@dataclass(frozen=True, slots=True)
class Stand:
    """How a batch stands: its state, and why it waits, if it does."""

    state: BatchState
    waiting: Waiting | None


def stand(batch: Batch, *, now: datetime) -> Stand:
    """How a batch stands. A handful of queries, whatever the size of the database."""
    if batch.is_terminal:
        return Stand(states_of_batches([batch], now=now)[batch.pk], None)
    facts = _facts(batch, now=now)
    about = facts_of(batch, now=now, worked_on=bool(facts.leased))
    state = batch_state(batch, about, now=now)
    return Stand(state, decide(batch, state, replace(facts, about=about), now=now))


def waiting(batch: Batch, *, now: datetime) -> Waiting | None:
    """Why the batch waits; None if it does not."""
    return None if batch.is_terminal else stand(batch, now=now).waiting


def decide(batch: Batch, state: BatchState, facts: Facts, *, now: datetime) -> Waiting | None:
    """The first cause that keeps an open batch from going on: the one of its state, else its turn."""
    if batch.status == BatchStatus.VALIDATING:
        return _without(facts.control_workers, "control") or _unchecked(batch)
    if batch.status != BatchStatus.IN_PROGRESS or state.code is BatchCode.DEADLINE_PASSED:
        return _without(facts.control_workers, "control") or _winding_up(batch, state, facts)
    if state.code in _BY_CODE:
        return _of_state(batch, state, facts)
    if not facts.unfinished:
        return _without(facts.control_workers, "control") or _winding_up(batch, state, facts)
    limited = facts.about.provider if facts.about else None
    if limited is not None and limited.code is ProviderCode.AT_LIMIT:
        return Waiting(Cause.RATE_LIMITED, limited.sentence, limited.until, {"provider": batch.provider.name})
    if facts.held_back == facts.unfinished:
        return _because(Cause.BACKOFF, until=facts.not_before)
    queued = _queued(batch, facts, now=now)
    if state.code is BatchCode.NO_PROGRESS and (queued is None or queued.cause is not Cause.NO_WORKER):
        return Waiting(Cause.NO_PROGRESS, state.sentence)
    return queued


_BY_CODE = {
    BatchCode.SENDING_STOPPED: Cause.SENDING_STOPPED,
    BatchCode.PAUSED: Cause.PAUSED,
    BatchCode.PROVIDER_DISABLED: Cause.PROVIDER_DISABLED,
    BatchCode.BLOCKED: Cause.BLOCKED,
    BatchCode.ACCOUNT_PROBLEM: Cause.ACCOUNT_PROBLEM,
    BatchCode.PROVIDER_DOWN: Cause.BREAKER_OPEN,
    BatchCode.NOT_ANSWERING: Cause.NOT_ANSWERING,
    BatchCode.RATE_LIMITED: Cause.THROTTLED,
    BatchCode.THROTTLED: Cause.RATE_LIMITED,
    BatchCode.HANDING_OVER: Cause.HANDING_OVER,
    BatchCode.WAITING_FOR_ROOM: Cause.WAITING_FOR_ROOM,
    BatchCode.AT_PROVIDER: Cause.AT_PROVIDER,
    BatchCode.UNCERTAIN: Cause.UNCERTAIN,
    BatchCode.COLLECTING: Cause.COLLECTING,
}
_OF_JOBS = frozenset({Cause.HANDING_OVER, Cause.WAITING_FOR_ROOM, Cause.AT_PROVIDER, Cause.UNCERTAIN, Cause.COLLECTING})


def _of_state(batch: Batch, state: BatchState, facts: Facts) -> Waiting:
    """The batch waits for what its state is about: the decision of a person, its provider, or a limit."""
    cause, sentence = _BY_CODE[state.code], state.sentence
    if state.code is BatchCode.THROTTLED and batch.throttled_by == ThrottledBy.OTHERS:
        cause = Cause.OTHERS_USE_IT
    return Waiting(cause, sentence, state.until, _details(cause, batch, facts.about))


def _details(cause: Cause, batch: Batch, about: BatchFacts | None) -> dict[str, str | int]:
    """What more is known of a cause, for programs."""
    if cause is Cause.SENDING_STOPPED and about is not None and about.stop is not None:
        place = {"provider": about.stop.provider.name} if about.stop.provider else {}
        return {"reason": about.stop.reason, "since": about.stop.began_at.isoformat(), **place}
    if cause is Cause.PAUSED and batch.paused_at is not None:
        by = batch.paused_by or "an operator"
        return {"by": by, "reason": batch.paused_reason, "since": batch.paused_at.isoformat()}
    if cause is Cause.BLOCKED:
        return {"reason": batch.blocked_reason}
    if cause in _OF_JOBS and about is not None and about.jobs is not None:
        jobs = {f"jobs_{state.value}": count for state, count in about.jobs.jobs.items()}
        return {"provider": batch.provider.name, **jobs, "held": about.jobs.held, "recalled": about.jobs.recalled}
    provider = None if about is None else about.provider
    details: dict[str, str | int] = {"provider": batch.provider.name}
    if provider is None or not provider.is_closed:
        return details
    if provider.kind is not None:
        details["kind"] = provider.kind.value
    if provider.since is not None:
        details["since"] = provider.since.isoformat()
    return {**details, "failures": provider.failed_in_a_row, "in_flight": provider.in_flight}


def _because(cause: Cause, *, until: datetime | None = None, **details: str | int) -> Waiting:
    return Waiting(cause, cause.sentence, until, details)


def _without(workers: int, role: str) -> Waiting | None:
    """The batch waits for a worker: none with this role is alive."""
    if workers:
        return None
    return Waiting(Cause.NO_WORKER, f"No {role} worker is running.", details={"role": role})


def _unchecked(batch: Batch) -> Waiting:
    """The batch waits for its check: another worker's, if the one that began could not read the input."""
    if batch.put_off_reason:
        return _because(Cause.INPUT_OUT_OF_REACH, reason=batch.put_off_reason)
    return _because(Cause.NOT_VALIDATED)


def _winding_up(batch: Batch, state: BatchState, facts: Facts) -> Waiting:
    since = batch.cancelling_at or batch.finalizing_at
    until = since + timedelta(seconds=settings.CANCEL_GRACE_SECONDS) if facts.leased and since else None
    jobs = facts.about.jobs if facts.about is not None else None
    if since and jobs is not None and jobs.count(*AT_PROVIDER):
        until = since + timedelta(seconds=settings.JOB_CANCEL_SECONDS)
    is_passing = state.code in (BatchCode.FINALIZING, BatchCode.CANCELLING, BatchCode.DEADLINE_PASSED)
    sentence = state.sentence if is_passing else "Every request has an outcome; the result files are about to be written."
    return Waiting(Cause.WINDING_UP, sentence, until)


def _queued(batch: Batch, facts: Facts, *, now: datetime) -> Waiting | None:
    """The batch waits for other batches, or for an executor."""
    if facts.leased:
        return None
    ready_since = max(batch.in_progress_at or batch.created_at, batch.updated_at)
    if now > ready_since + TAKEN_UP_WITHIN and (missing := _without(facts.executors, "execute")):
        return missing
    number = f"{'At least ' if facts.beyond else ''}{facts.ahead:,}"
    others = "batch is" if facts.ahead == 1 else "batches are"
    sentence = f"{number} {others} served before this one." if facts.ahead else "This batch is the next to be taken up."
    return Waiting(Cause.QUEUE_POSITION, sentence, details={"ahead": facts.ahead})


def _facts(batch: Batch, *, now: datetime) -> Facts:
    workers = dict(Worker.objects.alive(now=now).order_by().values_list("role").annotate(Count("pk")))
    there = {"control_workers": workers.get(Worker.Role.CONTROL, 0), "executors": workers.get(Worker.Role.EXECUTE, 0)}
    later = Q(not_before__gt=now)
    slices = batch.slices.filter(pending__gt=0, provider_job=None).aggregate(
        unfinished=Count("pk"),
        leased=Count("pk", filter=Q(lease_expires_at__gt=now)),
        held_back=Count("pk", filter=later),
        not_before=Min("not_before", filter=later),
    )
    if batch.status != BatchStatus.IN_PROGRESS:
        return Facts(**slices, **there)
    ahead, beyond = (0, False) if slices["leased"] else _place(batch, now=now)
    return Facts(**slices, **there, ahead=ahead, beyond=beyond)


def _place(batch: Batch, *, now: datetime) -> tuple[int, bool]:
    """How many batches of the same provider are served before this one, and whether there may be more than were looked at."""
    rivals = sorted((found for found in candidates(now=now, most=1) if found.provider_id == batch.provider_id), key=rank)
    places = [rival.batch_id for rival in rivals]
    return (places.index(batch.pk), False) if batch.pk in places else (len(places), True)

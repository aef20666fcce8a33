"""The state of a batch: one decision, from its row, its counts, its provider's state, and the acts of operators.

`batch_state` is pure. The first thing that keeps a batch from going on is its state: acts of people come before troubles of the
provider, and these before limits that pass by themselves.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from batches.models import Batch, EmergencyStop, ThrottledBy
from batches.rules.display.counted import counted
from batches.rules.execution import JobState
from batches.rules.states import BatchStatus
from batches.services.standing.provider_jobs import JobFacts
from batches.services.standing.provider_state import ProviderCode, ProviderState, spell
from providers.failures import Kind


class BatchCode(StrEnum):
    """The state of a batch: its status, or what keeps it from going on."""

    VALIDATING = "validating"
    INPUT_OUT_OF_REACH = "input_out_of_reach"
    SENDING_STOPPED = "sending_stopped"
    PAUSED = "paused"
    PROVIDER_DISABLED = "provider_disabled"
    BLOCKED = "blocked"
    ACCOUNT_PROBLEM = "account_problem"
    PROVIDER_DOWN = "provider_down"
    NOT_ANSWERING = "not_answering"
    RATE_LIMITED = "rate_limited"
    THROTTLED = "throttled"
    HANDING_OVER = "handing_over"
    WAITING_FOR_ROOM = "waiting_for_room"
    AT_PROVIDER = "at_provider"
    UNCERTAIN = "uncertain"
    COLLECTING = "collecting"
    NO_PROGRESS = "no_progress"
    IN_PROGRESS = "in_progress"
    DEADLINE_PASSED = "deadline_passed"
    FINALIZING = "finalizing"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    RECOVERED = "recovered"
    PARTLY_FAILED = "partly_failed"
    ALL_FAILED = "all_failed"
    INPUT_INVALID = "input_invalid"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def moves(self) -> bool:
        """Whether requests of the batch finish at present, so that its end can be estimated."""
        return self in (BatchCode.IN_PROGRESS, BatchCode.THROTTLED)


@dataclass(frozen=True, slots=True)
class BatchState:
    """The state of a batch: a code, a word for a badge, and a sentence with numbers.

    `until` is when the batch may go on, where that is known.
    """

    code: BatchCode
    word: str
    sentence: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """What a batch's state is decided from, besides the batch and its counts.

    `provider` is the state of its provider, or of its model there if that alone is held or limited. `stop` is the emergency stop
    of sending that holds for it. Both are of running batches only. `worked_on`: an executor holds some of it.
    `idle_for`: for how long nothing of it has finished, if that is so long that it makes no progress. `last_failure` is the kind
    of one of the latest failed attempts. `jobs` is what is known of the provider jobs of a batch that was handed over.
    """

    provider: ProviderState | None = None
    stop: EmergencyStop | None = None
    worked_on: bool = False
    idle_for: timedelta | None = None
    last_failure: Kind | None = None
    jobs: JobFacts | None = None


def batch_state(batch: Batch, facts: BatchFacts, *, now: datetime) -> BatchState:
    """The state of a batch. Its counts must have been loaded (see `load_counts`), or it takes a query."""
    status = BatchStatus(batch.status)
    if status == BatchStatus.IN_PROGRESS:
        return _running(batch, facts, now=now)
    if status in (BatchStatus.VALIDATING, BatchStatus.FINALIZING, BatchStatus.CANCELLING):
        return _passing(batch, facts)
    return _ended(batch)


# --- Running ---------------------------------------------------------------------------------------------------


def _running(batch: Batch, facts: BatchFacts, *, now: datetime) -> BatchState:
    if facts.stop is not None:
        sentence = f"{facts.stop.sentence} {facts.stop.reason} The deadline does not move.{_beside(batch, facts)}"
        return BatchState(BatchCode.SENDING_STOPPED, "Stopped", sentence)
    if batch.is_paused:
        return BatchState(BatchCode.PAUSED, "Paused", f"{_paused(batch)}{_beside(batch, facts)}")
    if facts.provider is not None and facts.provider.code in (ProviderCode.DISABLED, ProviderCode.SWITCHED_OFF):
        return BatchState(BatchCode.PROVIDER_DISABLED, "Provider disabled", facts.provider.sentence)
    if batch.expires_at <= now:
        return _past_deadline(batch)
    if facts.jobs is not None and facts.jobs.carries(batch) and batch.counts.pending:
        return _delegated(batch, facts.jobs)
    if batch.is_blocked(now=now) and not facts.worked_on:
        sentence = f"No worker that looked at this batch can carry it out. {batch.blocked_reason}".strip()
        return BatchState(BatchCode.BLOCKED, "Blocked", sentence)
    return _held_up(batch, facts, now=now) or _moving(batch, facts)


def _delegated(batch: Batch, jobs: JobFacts) -> BatchState:
    """A batch whose open requests are all in provider jobs: the furthest that one of these has come is its state."""
    sentence = f"{jobs.told(batch)} {_finished(batch)}"
    if jobs.count(JobState.RUNNING, JobState.SENDING):
        return BatchState(BatchCode.AT_PROVIDER, "At provider", sentence)
    if jobs.count(JobState.COLLECTING):
        return BatchState(BatchCode.COLLECTING, "Collecting", sentence)
    if jobs.count(JobState.UNCERTAIN):
        return BatchState(BatchCode.UNCERTAIN, "Uncertain", sentence)
    if jobs.count(JobState.PREPARING) and (jobs.note or jobs.at_provider >= batch.provider.max_open_jobs):
        return BatchState(BatchCode.WAITING_FOR_ROOM, "Waiting for room", sentence, jobs.next_look_at)
    return BatchState(BatchCode.HANDING_OVER, "Handing over", sentence)


def _finished(batch: Batch) -> str:
    return f"{batch.counts.settled:,} of {counted(batch.counts.total, 'request')} have finished."


def _paused(batch: Batch) -> str:
    reason = f" {batch.paused_reason}" if batch.paused_reason else ""
    return f"Paused by {batch.paused_by or 'an operator'}.{reason}"


def _past_deadline(batch: Batch) -> BatchState:
    left = batch.counts.pending
    about = f"{counted(left, 'request')} without an outcome will be marked as expired" if left else "every request has an outcome"
    return BatchState(BatchCode.DEADLINE_PASSED, "Deadline passed", f"The deadline has passed: {about}. Nothing more is sent.")


_BY_PROVIDER = {
    ProviderCode.ACCOUNT_PROBLEM: (BatchCode.ACCOUNT_PROBLEM, "Account problem"),
    ProviderCode.DOWN: (BatchCode.PROVIDER_DOWN, "Provider down"),
    ProviderCode.NOT_ANSWERING: (BatchCode.NOT_ANSWERING, "Not answering"),
    ProviderCode.RATE_LIMITING: (BatchCode.RATE_LIMITED, "Rate-limited"),
}


def _held_up(batch: Batch, facts: BatchFacts, *, now: datetime) -> BatchState | None:
    """The batch waits for its provider, or for a limit. None if nothing of the kind is known."""
    provider = facts.provider
    if provider is not None and provider.is_closed and (found := _BY_PROVIDER.get(provider.code)):
        code, word = found
        return BatchState(code, word, f"{provider.sentence}{_waiting(batch)}{_idle(facts)}", provider.until)
    if not batch.is_throttled(now=now):
        return None
    by = ThrottledBy(batch.throttled_by or ThrottledBy.UPSTREAM)
    if by is ThrottledBy.BREAKER:
        sentence = f"Calls of this project fail one after the other, so that one at a time tests the provider.{_idle(facts)}"
        return BatchState(BatchCode.PROVIDER_DOWN, "Provider down", sentence, batch.throttled_until)
    if by is ThrottledBy.UPSTREAM:
        sentence = f"The provider turned requests of this batch away{_why(batch)}.{_waiting(batch)}{_idle(facts)}"
        return BatchState(BatchCode.RATE_LIMITED, "Rate-limited", sentence, batch.throttled_until)
    if by is ThrottledBy.OTHERS:
        sentence = f"Other projects use all requests that the provider may get at a time.{_waiting(batch)}"
        return BatchState(BatchCode.THROTTLED, "Throttled", sentence)
    sentence = f"A limit per minute, or of calls at a time, is used up for the moment{_why(batch)}.{_waiting(batch)}"
    return BatchState(BatchCode.THROTTLED, "Throttled", sentence, batch.throttled_until)


def _why(batch: Batch) -> str:
    return f": {batch.throttled_reason.rstrip('.')}" if batch.throttled_reason else ""


def _waiting(batch: Batch) -> str:
    left = batch.counts.pending
    return f" {counted(left, 'request waits', 'requests wait')}." if left else ""


def _idle(facts: BatchFacts) -> str:
    return "" if facts.idle_for is None else f" Nothing has finished for {spell(facts.idle_for)}."


def _moving(batch: Batch, facts: BatchFacts) -> BatchState:
    counts = batch.counts
    if facts.idle_for is not None:
        failure = f" Last failure: {facts.last_failure.sentence}" if facts.last_failure else ""
        sentence = f"Nothing has finished for {spell(facts.idle_for)}; {counted(counts.pending, 'request')} left.{failure}"
        return BatchState(BatchCode.NO_PROGRESS, "No progress", sentence)
    return BatchState(BatchCode.IN_PROGRESS, "In progress", f"{_finished(batch)}{_beside(batch, facts)}")


def _beside(batch: Batch, facts: BatchFacts) -> str:
    """What provider jobs do meanwhile: what is at a provider goes on there, and is paid."""
    return f" {facts.jobs.told(batch)}" if facts.jobs is not None and facts.jobs.open else ""


# --- Before and after ------------------------------------------------------------------------------------------


def _passing(batch: Batch, facts: BatchFacts) -> BatchState:
    """A batch that is checked, or that winds up."""
    code, word = BatchCode(batch.status), BatchStatus(batch.status).label.capitalize()
    if facts.idle_for is not None:
        sentence = f"{word} has made no progress for {spell(facts.idle_for)}: no worker works on this batch."
        return BatchState(BatchCode.NO_PROGRESS, f"{word}, no progress", sentence)
    if batch.put_off_reason and code is BatchCode.VALIDATING:
        sentence = "The worker that was to check the input could not read it; it is tried again."
        return BatchState(BatchCode.INPUT_OUT_OF_REACH, "Input out of reach", sentence)
    left = 0 if code is BatchCode.VALIDATING else batch.counts.pending
    if code is BatchCode.FINALIZING and left:
        marked = counted(left, "request without an outcome is", "requests without an outcome are")
        sentence = f"The deadline has passed: {marked} marked as expired. Then the result files are written."
        return BatchState(code, word, sentence)
    if code is BatchCode.CANCELLING and left:
        if facts.jobs is not None and facts.jobs.open:
            rest = f". {facts.jobs.told(batch)} Requests done by then count; the others are cancelled."
        else:
            rest = ": calls in flight may finish, the others are cancelled. Then the result files are written."
        return BatchState(code, word, f"{counted(left, 'request')} left{rest}")
    return BatchState(code, word, BatchStatus(batch.status).sentence)


def _ended(batch: Batch) -> BatchState:
    counts, total = batch.counts, counted(batch.counts.total, "request")
    if batch.recovered and not batch.net_counts.unsuccessful:
        sentence = f"All {total} succeeded, {batch.recovered:,} of them in a retry."
        return BatchState(BatchCode.RECOVERED, "Succeeded after retries", sentence)
    if batch.status == BatchStatus.COMPLETED:
        if not counts.failed:
            return BatchState(
                BatchCode.COMPLETED, "Completed", f"All {total} succeeded." if counts.total != 1 else "The request succeeded."
            )
        if counts.failed == counts.total:
            return BatchState(BatchCode.ALL_FAILED, f"All {counts.total:,} failed", f"None of the {total} succeeded.")
        sentence = f"{counts.succeeded:,} of {total} succeeded; {counts.failed:,} failed."
        return BatchState(BatchCode.PARTLY_FAILED, f"Completed with {counts.failed:,} failed", sentence)
    if batch.status == BatchStatus.FAILED and batch.error_count:
        return BatchState(BatchCode.INPUT_INVALID, "Failed", "The input was not valid. Nothing was sent to the provider.")
    word = BatchStatus(batch.status).label.capitalize()
    if batch.status == BatchStatus.EXPIRED and counts.expired:
        return BatchState(BatchCode.EXPIRED, word, f"The deadline passed before {counts.expired:,} of {total} had an outcome.")
    if batch.status == BatchStatus.CANCELLED and counts.cancelled:
        return BatchState(BatchCode.CANCELLED, word, f"Cancelled before {counts.cancelled:,} of {total} had an outcome.")
    return BatchState(BatchCode(batch.status), word, BatchStatus(batch.status).sentence)

"""Why a batch is waiting."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from batches.models import Batch, Counts, EmergencyStop, ProviderHealth
from batches.rules.execution import JobState
from batches.services.insight.waiting import Cause, Facts, Waiting, decide
from batches.services.standing.batch_state import BatchFacts, batch_state
from batches.services.standing.provider_jobs import JobFacts
from batches.services.standing.provider_state import provider_state
from providers.models import Provider

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SOON = NOW + timedelta(minutes=1)
GONE = NOW - timedelta(minutes=1)


def running(**changes: Any) -> Batch:
    """A batch that has run for an hour."""
    fields = {
        "status": "in_progress",
        "provider": Provider(name="upstream"),
        "created_at": NOW - timedelta(hours=1),
        "updated_at": NOW - timedelta(hours=1),
        "in_progress_at": NOW - timedelta(hours=1),
        "expires_at": NOW + timedelta(hours=23),
    }
    batch = Batch(**(fields | changes))
    batch._counts = Counts(total=10, pending=4, succeeded=6)
    return batch


def health(**fields: Any) -> ProviderHealth:
    return ProviderHealth(**{"concurrency": 10, "updated_at": NOW} | fields)


def facts(
    batch: Batch, unfinished: int = 0, *, health: ProviderHealth | None = None, stop: EmergencyStop | None = None, **more: Any
) -> Facts:
    provider = provider_state(batch.provider, health, now=NOW)
    about = BatchFacts(provider, stop, worked_on=bool(more.get("leased")), jobs=more.pop("jobs", None))
    return Facts(unfinished, about=about, **more)


def decided(batch: Batch, unfinished: int = 0, **known: Any) -> Waiting | None:
    found = facts(batch, unfinished, **known)
    assert found.about is not None
    return decide(batch, batch_state(batch, found.about, now=NOW), found, now=NOW)


OPEN = {"breaker": "open", "breaker_until": SOON, "breaker_reason": "10 failures in a row"}
EMPTY = {"hold_kind": "quota_exhausted", "held_since": GONE, "hold_strikes": 7, "probe_at": SOON}
STOP = EmergencyStop(what="sending", provider=Provider(name="upstream"), reason="It is on fire.", began_at=GONE)
LIMITED = {"limited_until": SOON, "limited_reason": "60 requests per minute"}


@pytest.mark.parametrize(
    ("batch", "known", "cause", "until"),
    [
        (running(status="validating"), {}, Cause.NOT_VALIDATED, None),
        (running(status="validating"), {"control_workers": 0}, Cause.NO_WORKER, None),
        # What somebody decided comes first ...
        (running(paused_at=GONE), {"unfinished": 4, "health": health(**OPEN)}, Cause.PAUSED, None),
        (running(paused_at=GONE), {"unfinished": 4, "leased": 4}, Cause.PAUSED, None),
        (running(paused_at=GONE), {"unfinished": 4, "stop": STOP}, Cause.SENDING_STOPPED, None),
        (running(), {"unfinished": 4, "leased": 4, "stop": STOP, "health": health(**EMPTY)}, Cause.SENDING_STOPPED, None),
        (running(provider=Provider(enabled=False)), {"unfinished": 4, "leased": 4}, Cause.PROVIDER_DISABLED, None),
        # ... then what the workers that saw it lack ...
        (running(blocked_until=SOON), {"unfinished": 4, "executors": 0}, Cause.BLOCKED, None),
        (running(blocked_until=SOON, throttled_until=SOON), {"unfinished": 4, "health": health(**OPEN)}, Cause.BLOCKED, None),
        (running(blocked_until=GONE), {"unfinished": 4, "ahead": 3}, Cause.QUEUE_POSITION, None),
        # ... then what the provider does, first what somebody has to mend ...
        (running(), {"unfinished": 4, "health": health(**EMPTY, **OPEN)}, Cause.ACCOUNT_PROBLEM, SOON),
        (running(throttled_until=SOON), {"unfinished": 4, "leased": 4, "health": health(**EMPTY)}, Cause.ACCOUNT_PROBLEM, SOON),
        (running(), {"unfinished": 4, "health": health(**EMPTY | {"hold_kind": "rate_limited"})}, Cause.THROTTLED, SOON),
        (running(paused_at=GONE), {"unfinished": 4, "health": health(**EMPTY)}, Cause.PAUSED, None),
        (running(), {"unfinished": 4, "health": health(**OPEN, **LIMITED)}, Cause.BREAKER_OPEN, SOON),
        (running(), {"unfinished": 4, "health": health(**OPEN | {"breaker": "half_open"})}, Cause.BREAKER_OPEN, SOON),
        (running(), {"unfinished": 4, "leased": 4, "health": health(**LIMITED)}, Cause.RATE_LIMITED, SOON),
        (running(throttled_until=SOON), {"unfinished": 4, "leased": 4}, Cause.THROTTLED, SOON),
        (running(throttled_until=SOON, throttled_by="upstream"), {"unfinished": 4, "leased": 4}, Cause.THROTTLED, SOON),
        (running(throttled_until=SOON, throttled_by="limit"), {"unfinished": 4, "leased": 4}, Cause.RATE_LIMITED, SOON),
        (running(throttled_until=SOON, throttled_by="breaker"), {"unfinished": 4, "leased": 4}, Cause.BREAKER_OPEN, SOON),
        (running(throttled_until=SOON, throttled_by="others"), {"unfinished": 4, "leased": 4}, Cause.OTHERS_USE_IT, None),
        (running(), {"unfinished": 4, "held_back": 4, "not_before": SOON}, Cause.BACKOFF, SOON),
        # ... and then whether anybody is there.
        (running(), {"unfinished": 4, "executors": 0}, Cause.NO_WORKER, None),
        (running(), {"unfinished": 4, "ahead": 3}, Cause.QUEUE_POSITION, None),
        (running(in_progress_at=NOW, updated_at=NOW), {"unfinished": 4, "executors": 0}, Cause.QUEUE_POSITION, None),
        (running(), {"unfinished": 0}, Cause.WINDING_UP, None),
        (running(expires_at=GONE), {"unfinished": 4, "leased": 2}, Cause.WINDING_UP, None),
        (running(status="finalizing", finalizing_at=NOW), {}, Cause.WINDING_UP, None),
        (
            running(status="cancelling", cancelling_at=NOW),
            {"unfinished": 4, "leased": 1},
            Cause.WINDING_UP,
            NOW + timedelta(seconds=30),
        ),
        (running(status="cancelling", cancelling_at=NOW), {"unfinished": 4, "control_workers": 0}, Cause.NO_WORKER, None),
    ],
)
def test_a_batch_waits_for_the_first_thing_that_keeps_it(
    batch: Batch, known: dict[str, Any], cause: Cause, until: datetime | None
) -> None:
    found = decided(batch, **known)
    assert found is not None
    assert (found.cause, found.until) == (cause, until)
    assert found.sentence.endswith(".")


@pytest.mark.parametrize(
    ("batch", "known"),
    [
        (running(), {"unfinished": 4, "leased": 1}),
        (running(), {"unfinished": 4, "leased": 1, "held_back": 3, "not_before": SOON}),
        (running(throttled_until=GONE), {"unfinished": 4, "leased": 1}),
        (running(blocked_until=SOON), {"unfinished": 4, "leased": 1}),  # another worker can carry it out
        (running(), {"unfinished": 4, "leased": 1, "health": health(limited_until=GONE)}),
        (running(), {"unfinished": 4, "leased": 1, "health": health(breaker="closed", breaker_until=SOON)}),
    ],
)
def test_a_batch_that_somebody_works_on_does_not_wait(batch: Batch, known: dict[str, Any]) -> None:
    assert decided(batch, **known) is None


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        ({"unfinished": 4}, "This batch is the next to be taken up."),
        ({"unfinished": 4, "ahead": 1}, "1 batch is served before this one."),
        ({"unfinished": 4, "ahead": 1200, "beyond": True}, "At least 1,200 batches are served before this one."),
    ],
)
def test_its_place_is_told_in_words(known: dict[str, Any], sentence: str) -> None:
    found = decided(running(), **known)
    assert found is not None
    assert found.sentence == sentence


def jobs(*states: str, **more: Any) -> JobFacts:
    """Jobs of 2 requests each in these states."""
    counts = Counter(map(JobState, states))
    return JobFacts(counts, {state: 2 * count for state, count in counts.items()}, next_look_at=SOON, **more)


@pytest.mark.parametrize(
    ("known", "cause", "until"),
    [
        ({"jobs": jobs(direct=4)}, Cause.HANDING_OVER, None),
        ({"jobs": jobs("preparing", note="The queue is full.")}, Cause.WAITING_FOR_ROOM, SOON),
        ({"jobs": jobs("preparing", at_provider=100)}, Cause.WAITING_FOR_ROOM, SOON),
        ({"jobs": jobs("running", "preparing", "uncertain")}, Cause.AT_PROVIDER, None),
        ({"jobs": jobs("running"), "executors": 0, "control_workers": 0}, Cause.AT_PROVIDER, None),
        ({"jobs": jobs("running"), "health": health(**OPEN)}, Cause.AT_PROVIDER, None),
        ({"jobs": jobs("uncertain", held=1)}, Cause.UNCERTAIN, None),
        ({"jobs": jobs("collecting", "uncertain")}, Cause.COLLECTING, None),
        ({"jobs": jobs("running"), "stop": STOP}, Cause.SENDING_STOPPED, None),
    ],
)
def test_a_delegated_batch_waits_for_its_jobs(known: dict[str, Any], cause: Cause, until: datetime | None) -> None:
    found = decided(running(execution="delegated"), 0, **known)
    assert found is not None
    assert (found.cause, found.until) == (cause, until)


def test_where_jobs_are_is_told_with_numbers() -> None:
    found = decided(running(execution="delegated"), 0, jobs=jobs("running", "running", "preparing", recalled=1))
    assert found is not None
    assert found.sentence == (
        "2 jobs with 4 requests are at upstream; 1 job with 2 requests waits to be sent to upstream. 1 job is being taken back. "
        "6 of 10 requests have finished."
    )
    assert found.details == {"provider": "upstream", "jobs_running": 2, "jobs_preparing": 1, "held": 0, "recalled": 1}


def test_what_a_hybrid_batch_has_taken_back_waits_as_the_requests_of_any_batch() -> None:
    hybrid = running(execution="hybrid", taken_back_at=GONE)
    found = decided(hybrid, 1, jobs=jobs("running", direct=2), ahead=3)
    assert found is not None
    assert found.cause is Cause.QUEUE_POSITION


def test_a_cancelled_batch_waits_for_its_jobs_as_long_as_they_are_waited_for(settings: Settings) -> None:
    settings.JOB_CANCEL_SECONDS = 900
    found = decided(running(execution="delegated", status="cancelling", cancelling_at=NOW), 0, jobs=jobs("running"))
    assert found is not None
    assert (found.cause, found.until) == (Cause.WINDING_UP, NOW + timedelta(minutes=15))


def test_who_is_stopped_reads_for_what_and_why_and_that_the_deadline_goes_on() -> None:
    found = decided(running(), 4, stop=STOP)
    assert found is not None
    assert found.sentence == "Sending is stopped for provider upstream. It is on fire. The deadline does not move."
    assert found.details == {"reason": "It is on fire.", "since": GONE.isoformat(), "provider": "upstream"}


def test_who_paused_it_and_why_is_told() -> None:
    found = decided(running(paused_at=GONE, paused_by="user ops", paused_reason="Looks odd."), 4)
    assert found is not None
    assert found.sentence == "Paused by user ops. Looks odd."
    assert found.details == {"by": "user ops", "reason": "Looks odd.", "since": GONE.isoformat()}


def test_a_simulator_that_is_switched_off_keeps_its_batches(settings: Settings) -> None:
    """E11"""
    settings.SIMULATOR = False
    found = decided(running(provider=Provider(name="simulator", adapter="simulator")), 4)
    assert found is not None
    assert found.cause == Cause.PROVIDER_DISABLED
    assert "SIMULATOR" in found.sentence


def test_every_cause_has_a_sentence() -> None:
    assert all(cause.sentence.endswith(".") for cause in Cause)

"""The state of a batch, as a table of what is known and what is said."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from batches.models import Batch, Counts, EmergencyStop, ProviderHealth
from batches.rules.execution import JobState
from batches.rules.states import BatchStatus
from batches.services.standing.batch_state import BatchCode, BatchFacts, batch_state
from batches.services.standing.provider_jobs import JobFacts
from batches.services.standing.provider_state import provider_state
from providers.failures import Kind
from providers.models import Provider

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SOON, AGO = NOW + timedelta(seconds=30), NOW - timedelta(minutes=25)
UP = Provider(name="up", max_concurrency=10)
DOWN = {"breaker": "open", "breaker_until": SOON, "breaker_kind": "connect_error", "failed_in_a_row": 515}
EMPTY = {"hold_kind": "quota_exhausted", "held_since": AGO, "hold_strikes": 5, "probe_at": SOON}
REFUSING = {"recent_calls": 50, "recent_refused": 50}
HANGING = {"in_flight": 10, "oldest_sent_at": AGO, "answered_at": AGO}
STOP = EmergencyStop(what="sending", provider=UP, reason="It is on fire.", began_at=AGO)
IDLE = timedelta(minutes=25)


def batch(status: BatchStatus = BatchStatus.IN_PROGRESS, *, left: int = 0, **changes: Any) -> Batch:
    """A batch of 800 requests, of which so many are left and 5 have failed."""
    found = Batch(**{"status": status, "provider": UP, "expires_at": NOW + timedelta(hours=1)} | changes)
    found._counts = Counts(total=800, pending=left, failed=5, succeeded=795 - left)
    return found


def known(noted: dict[str, Any] | None = None, **more: Any) -> BatchFacts:
    health = ProviderHealth(**{"concurrency": 10, "updated_at": NOW} | (noted or {}))
    return BatchFacts(provider_state(UP, health, now=NOW), **more)


def delegated(*states: str, **more: Any) -> BatchFacts:
    """What is known of a batch with jobs of 10 requests each in these states, at a provider whose calls fail."""
    jobs = Counter(map(JobState, states))
    known_of_jobs = JobFacts(jobs, {state: 10 * count for state, count in jobs.items()}, **more)
    return known(DOWN, jobs=known_of_jobs)


DELEGATED: dict[str, Any] = {"execution": "delegated"}
TAKEN_BACK: dict[str, Any] = {"execution": "hybrid", "taken_back_at": AGO}


@pytest.mark.parametrize(
    ("changes", "facts", "code", "sentence"),
    [
        (
            DELEGATED,
            delegated(direct=100),
            "handing_over",
            "100 requests wait to be handed over to the batch API of up. 700 of 800",
        ),
        (DELEGATED, delegated("preparing"), "handing_over", "1 job with 10 requests waits to be sent to up."),
        (DELEGATED, delegated("preparing", note="Queue full."), "waiting_for_room", "1 job with 10 requests waits (Queue full)."),
        (
            DELEGATED,
            delegated("preparing", "preparing", at_provider=100),
            "waiting_for_room",
            "2 jobs with 20 requests wait for room at up, which has 100 of 100 jobs at most.",
        ),
        (DELEGATED, delegated("sending"), "at_provider", "1 job with 10 requests is at up."),
        (
            DELEGATED,
            delegated("running", "running", "collecting", "uncertain", "preparing"),
            "at_provider",
            (
                "2 jobs with 20 requests are at up; the results of 1 job with 10 requests are being collected from up; nobody "
                "knows yet whether up has 1 job with 10 requests; 1 job with 10 requests waits to be sent to up. 700 of 800"
            ),
        ),
        (DELEGATED, delegated("collecting", "uncertain"), "collecting", "The results of 1 job with 10 requests are being"),
        (
            DELEGATED,
            delegated("uncertain", "preparing", held=1),
            "uncertain",
            (
                "Nobody knows yet whether up has 1 job with 10 requests; 1 job with 10 requests waits to be sent to up. 1 job "
                "waits for the decision of a person."
            ),
        ),
        (DELEGATED, delegated("running", recalled=1), "at_provider", "is at up. 1 job is being taken back."),
        # What somebody decided comes first, and tells that the provider goes on.
        (
            DELEGATED | {"paused_at": AGO},
            delegated("running"),
            "paused",
            "Paused by an operator. 1 job with 10 requests is at up.",
        ),
        (DELEGATED | {"expires_at": AGO}, delegated("running"), "deadline_passed", "The deadline has passed"),
        # The requests that a hybrid batch took back stand as those of any batch.
        ({"execution": "hybrid"}, delegated("running"), "at_provider", "is at up"),
        (TAKEN_BACK, delegated("running"), "at_provider", "is at up"),
        (TAKEN_BACK, delegated("running", direct=5), "provider_down", "up is not reachable"),
    ],
)
def test_a_batch_with_jobs_at_its_provider_says_how_many_and_what_they_do(
    changes: dict[str, Any], facts: BatchFacts, code: str, sentence: str
) -> None:
    found = batch_state(batch(left=100, **changes), facts, now=NOW)
    assert (found.code, sentence in found.sentence) == (code, True), found.sentence


def test_a_hybrid_batch_that_is_finished_directly_tells_what_its_jobs_do_meanwhile() -> None:
    jobs = JobFacts({JobState.RUNNING: 1}, {JobState.RUNNING: 10}, recalled=1, direct=90)
    found = batch_state(batch(left=100, **TAKEN_BACK), known(jobs=jobs), now=NOW)
    assert found.code is BatchCode.IN_PROGRESS
    assert found.sentence == "700 of 800 requests have finished. 1 job with 10 requests is at up. 1 job is being taken back."


def test_a_cancelled_batch_tells_that_its_jobs_come_home() -> None:
    jobs = JobFacts({JobState.RUNNING: 2}, {JobState.RUNNING: 20}, recalled=2)
    found = batch_state(batch(BatchStatus.CANCELLING, left=20, **DELEGATED), known(jobs=jobs), now=NOW)
    assert "20 requests left. 2 jobs with 20 requests are at up. 2 jobs are being taken back." in found.sentence


def throttled(by: str) -> dict[str, Any]:
    return {"throttled_until": SOON, "throttled_by": by}


@pytest.mark.parametrize(
    ("changes", "facts", "code", "sentence"),
    [
        ({}, known(), BatchCode.IN_PROGRESS, "700 of 800 requests have finished."),
        # What somebody decided ...
        (
            {"paused_at": AGO},
            known(DOWN, stop=STOP),
            BatchCode.SENDING_STOPPED,
            "provider up. It is on fire. The deadline does not move.",
        ),
        ({"paused_at": AGO, "paused_by": "ops", "paused_reason": "Odd."}, known(DOWN), BatchCode.PAUSED, "Paused by ops. Odd."),
        ({"paused_at": AGO, "expires_at": AGO}, known(), BatchCode.PAUSED, "Paused by an operator."),
        (
            {"expires_at": AGO},
            known(DOWN),
            BatchCode.DEADLINE_PASSED,
            "100 requests without an outcome will be marked as expired",
        ),
        ({"blocked_until": SOON, "blocked_reason": "No key."}, known(DOWN), BatchCode.BLOCKED, "can carry it out. No key."),
        ({"blocked_until": SOON}, known(worked_on=True), BatchCode.IN_PROGRESS, ""),
        # ... then its provider ...
        ({}, known(EMPTY), BatchCode.ACCOUNT_PROBLEM, "used up its quota or credit. 100 requests wait."),
        (
            {},
            known(DOWN),
            BatchCode.PROVIDER_DOWN,
            "up is not reachable (515 calls in a row failed). One call at a time tests it. 100 re",
        ),
        ({}, known(HANGING, idle_for=IDLE), BatchCode.NOT_ANSWERING, "100 requests wait. Nothing has finished for 25 min."),
        (
            {},
            known(REFUSING),
            BatchCode.RATE_LIMITED,
            "Rate-limited by up: 50 of the last 50 calls turned away. 100 requests wait.",
        ),
        ({}, known(REFUSING | {"recent_succeeded": 9}), BatchCode.IN_PROGRESS, ""),
        # ... then the limits of its own project ...
        (throttled("breaker"), known(), BatchCode.PROVIDER_DOWN, "one at a time tests the provider."),
        (throttled("upstream"), known(), BatchCode.RATE_LIMITED, "turned requests of this batch away. 100 requests wait."),
        (throttled(""), known(), BatchCode.RATE_LIMITED, ""),
        (throttled("limit"), known(), BatchCode.THROTTLED, "is used up for the moment."),
        (throttled("others"), known(), BatchCode.THROTTLED, "Other projects use all"),
        (throttled("limit") | {"throttled_until": AGO}, known(), BatchCode.IN_PROGRESS, ""),
        # ... and then whether anything finishes.
        ({}, known(idle_for=IDLE), BatchCode.NO_PROGRESS, "Nothing has finished for 25 min; 100 requests left."),
        (
            {},
            known(idle_for=IDLE, last_failure=Kind.SERVER_ERROR),
            BatchCode.NO_PROGRESS,
            "100 requests left. Last failure: The upstream failed while it handled the request.",
        ),
    ],
)
def test_a_running_batch_is_what_keeps_it_first(
    changes: dict[str, Any], facts: BatchFacts, code: BatchCode, sentence: str
) -> None:
    """O3, O4, O5: batches of providers that hung, were down or refused everything were in progress or throttled."""
    found = batch_state(batch(left=100, **changes), facts, now=NOW)
    assert found.code is code
    assert sentence in found.sentence
    assert found.sentence.endswith(".")


@pytest.mark.parametrize(
    ("status", "left", "facts", "code", "sentence"),
    [
        (BatchStatus.VALIDATING, 0, BatchFacts(), BatchCode.VALIDATING, "Its input is waiting to be checked"),
        (BatchStatus.VALIDATING, 0, BatchFacts(idle_for=IDLE), BatchCode.NO_PROGRESS, "no progress for 25 min: no worker"),
        (BatchStatus.FINALIZING, 0, BatchFacts(), BatchCode.FINALIZING, "Every object has an outcome"),
        (BatchStatus.FINALIZING, 23, BatchFacts(), BatchCode.FINALIZING, "23 requests without an outcome are marked as expired."),
        (BatchStatus.CANCELLING, 23, BatchFacts(), BatchCode.CANCELLING, "23 requests left"),
        (BatchStatus.COMPLETED, 0, BatchFacts(), BatchCode.PARTLY_FAILED, "795 of 800 requests succeeded; 5 failed."),
        (BatchStatus.CANCELLED, 0, BatchFacts(), BatchCode.CANCELLED, ""),
        (BatchStatus.EXPIRED, 0, BatchFacts(), BatchCode.EXPIRED, ""),
        (BatchStatus.FAILED, 0, BatchFacts(), BatchCode.FAILED, ""),
    ],
)
def test_before_and_after_it_is_its_status(
    status: BatchStatus, left: int, facts: BatchFacts, code: BatchCode, sentence: str
) -> None:
    """O21: at the deadline every object had an outcome, with 23 left."""
    found = batch_state(batch(status, left=left), facts, now=NOW)
    assert found.code is code
    assert sentence in found.sentence


@pytest.mark.parametrize(
    ("counts", "word", "sentence"),
    [
        (Counts(total=800, succeeded=800), "Completed", "All 800 requests succeeded."),
        (Counts(total=1, succeeded=1), "Completed", "The request succeeded."),
        (Counts(total=800, failed=800), "All 800 failed", "None of the 800 requests succeeded."),
        (Counts(total=800, failed=5, succeeded=795), "Completed with 5 failed", "795 of 800 requests succeeded; 5 failed."),
    ],
)
def test_a_completed_batch_tells_what_came_of_it(counts: Counts, word: str, sentence: str) -> None:
    done = batch(BatchStatus.COMPLETED)
    done._counts = counts
    found = batch_state(done, BatchFacts(), now=NOW)
    assert (found.word, found.sentence) == (word, sentence)


def test_only_a_batch_that_moves_has_an_end_that_can_be_told() -> None:
    """O7: a paused batch promised an end."""
    assert {code for code in BatchCode if code.moves} == {BatchCode.IN_PROGRESS, BatchCode.THROTTLED}

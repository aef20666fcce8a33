"""The state of a batch, as a table of what is known and what is said."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from batches.models import Batch, Counts, EmergencyStop, ProviderHealth
from batches.rules.states import BatchStatus
from batches.services.standing.batch_state import BatchCode, BatchFacts, batch_state
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

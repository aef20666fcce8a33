"""Races with the end of a batch: acts of people, repeated work, and a deadline that comes suddenly."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest

from tests.chaos.client import LATENCY, UNFLUSHED_SECONDS, Run
from tests.chaos.faults import frozen
from tests.chaos.levers import leave_room, set_clock
from tests.chaos.stage import Stage

SMALL = 120  # the lines of a batch that takes only a moment
FULL = "No space left on device"


@contextmanager
def meanwhile(*acts: Callable[[], object]) -> Iterator[None]:
    """Run these acts at the same time as the block."""
    threads = [threading.Thread(target=act) for act in acts]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()


@pytest.mark.servers
def test_a_cancel_that_meets_the_end_is_too_late_or_in_time_and_nothing_between(grown_up: Stage) -> None:
    grown_up.begin(SMALL)
    for _ in range(5):
        run = grown_up.submit(SMALL)
        grown_up.wait_until_answered(run, random.uniform(0.5, 1.0))
        status = grown_up.act(run, "cancel")
        batch = grown_up.assert_one_outcome_each(run)
        assert (status, batch["status"]) in {(200, "cancelled"), (409, "completed")}


@pytest.mark.servers
def test_retries_that_meet_a_cancel_leave_one_outcome_each(grown_up: Stage) -> None:
    answers: list[int] = []

    def retry(run: Run) -> None:
        answers.extend(grown_up.act(run, "retry") for _ in range(6))

    for share in (0.3, 0.6, 0.9):
        run = grown_up.begin(8 * SMALL)
        grown_up.wait_until_answered(run, share)
        with meanwhile(lambda: retry(run), lambda: retry(run)):  # noqa: B023 - over before the next
            grown_up.act(run, "cancel")
        grown_up.assert_one_outcome_each(run)
        grown_up.assert_counts_are_true(run)
    assert set(answers) <= {200, 409}


@pytest.mark.servers
def test_many_finalizers_end_a_batch_once(grown_up: Stage) -> None:
    run = grown_up.begin(1500)
    grown_up.wait_until_answered(run, 0.8)
    words = "import time, uuid; from batches import wake\n"
    words += f"for _ in range(400): wake.finalize(uuid.UUID('{run.key}')); time.sleep(0.01)"

    rival = grown_up.portal.spawn("shell", "-c", words)

    grown_up.assert_complete(run)
    assert rival.wait() == 0
    grown_up.assert_agrees()
    moves = grown_up.rows("SELECT to_status, count(*) FROM batches_event WHERE batch_id = %s GROUP BY 1", run.key)
    assert dict(moves) == dict.fromkeys(("validating", "in_progress", "finalizing", "completed"), 1)


@pytest.mark.servers
def test_a_disk_that_is_full_at_the_end_delays_the_files_and_keeps_nothing_of_the_attempt(grown_up: Stage) -> None:
    run = grown_up.begin(1000)
    said = len(grown_up.portal.output)
    leave_room(grown_up.portal.folder, 20_000)
    try:
        grown_up.wait_until(lambda: FULL in grown_up.portal.output[said:], what="the disk was full")
        assert grown_up.look(run)["status"] == "finalizing"
        grown_up.assert_agrees()
    finally:
        leave_room(grown_up.portal.folder, None)

    grown_up.assert_complete(run)


@pytest.mark.servers
def test_a_clock_that_passes_the_deadline_ends_the_batch_with_what_was_answered(grown_up: Stage) -> None:
    run = grown_up.begin(4000)
    grown_up.wait_until_answered(run, 0.2)
    set_clock(grown_up.portal.folder, timedelta(hours=25))
    moved_at = time.monotonic()
    try:
        batch = grown_up.assert_one_outcome_each(run)
    finally:
        set_clock(grown_up.portal.folder, None)

    assert batch["status"] == "expired"
    assert not [request for request in grown_up.upstream.requests if request.at > moved_at + 3]
    output, error = grown_up.results(batch)
    answered = {name for name, line in (output | error).items() if line["response"]}
    sent = {name for name, _ in grown_up.sent()}
    assert answered <= sent
    # All leases ran out at once, so outcomes that had not been handed in by then were dropped.
    assert (sent - answered).isdisjoint(grown_up.sent_before(moved_at - LATENCY - UNFLUSHED_SECONDS))
    grown_up.assert_one_key_each()
    grown_up.assert_complete(grown_up.begin(20))  # although the clock has gone back


@pytest.mark.servers
def test_an_executor_that_was_held_up_sends_nothing_that_another_has_taken_over(grown_up: Stage) -> None:
    run = grown_up.begin(6000)
    grown_up.wait_until_answered(run, 0.2)
    victim = random.choice(grown_up.wait_until(lambda: grown_up.executors(run), what="an executor held a slice"))
    with ExitStack() as held_up:
        held_up.enter_context(frozen(victim.pid))
        while grown_up.is_writing(victim):
            held_up.close()
            grown_up.wait_until(lambda: not grown_up.is_writing(victim), what="it had written")
            held_up.enter_context(frozen(victim.pid))
        frozen_at = time.monotonic()
        held = grown_up.unrecorded(run, victim)
        grown_up.wait_until(lambda: not grown_up.leased(victim), what="its slices were taken over")

    grown_up.assert_complete(run)

    grown_up.assert_counts_are_true(run)
    assert grown_up.repeated() <= held & grown_up.sent_before(frozen_at)

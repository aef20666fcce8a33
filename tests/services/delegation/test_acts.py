"""What every act on a batch, and every condition of it, does to the batch's jobs in each of their states."""

from datetime import timedelta

import pytest
from django.utils import timezone

from batches.models import ProviderJob
from batches.rules.execution import Execution, JobState, Recall
from batches.rules.states import Act, BatchStatus
from batches.services.control.cancel import cancel
from batches.services.control.pause import pause, resume
from batches.services.control.prioritise import give_precedence, prioritise
from batches.services.control.reroute import reroute
from batches.services.delegation import due
from batches.services.delegation.creating.hand_over import anything_to_hand_over, hand_over_some
from batches.services.delegation.take_back import recall_due
from batches.services.lifecycle.control_turns import finalize_next
from providers.models import Provider
from tests.cast import TESTER, assert_counts_are_true, ended, request_lines, started
from tests.services.delegation.conftest import BAD, GOOD, Desk, begins, fresh, lines_of, sent_directly

pytestmark = pytest.mark.django_db

SOON = timedelta(seconds=5)


# --- pause and resume


def test_a_paused_batch_gets_no_job_and_creates_none(desk: Desk) -> None:
    batch = started(desk.project, request_lines(5), execution="delegated")
    pause(batch, actor=TESTER, now=timezone.now())
    assert not anything_to_hand_over(now=timezone.now())

    resume(batch, actor=TESTER, now=timezone.now())
    hand_over_some(now=timezone.now())
    leased = desk.leased(desk.jobs(batch)[0])
    pause(batch, actor=TESTER, now=timezone.now())

    assert not begins(leased)
    assert due.take_due(leased.pk, now=timezone.now() + SOON, most=9) == []


def test_rows_of_a_paused_batch_still_come_home(desk: Desk) -> None:
    batch = desk.batch(5)
    [job] = desk.jobs(batch)
    desk.in_state(job, JobState.RUNNING)
    pause(batch, actor=TESTER, now=timezone.now())

    desk.ends(job, dict.fromkeys(lines_of(job), GOOD))

    assert ended(batch).status == BatchStatus.COMPLETED


def test_too_many_failures_in_a_job_pause_the_batch(desk: Desk) -> None:
    batch = desk.batch(20, guards={"max_error_rate": 0.1, "error_sample": 5})
    first, second = desk.jobs(batch)

    desk.ends(first, dict.fromkeys(lines_of(first), BAD))

    assert fresh(batch).paused_by == "guard"
    assert due.take_due(second.pk, now=timezone.now() + SOON, most=9) == []


# --- order


def test_jobs_are_created_in_the_order_of_precedence_and_priority(desk: Desk, local: Provider) -> None:
    Provider.objects.filter(pk=local.pk).update(max_open_jobs=1)
    old, urgent, first = desk.batch(5), desk.batch(5), desk.batch(5)
    prioritise(urgent, priority=50, actor=TESTER, now=timezone.now())
    give_precedence(first, precedence=1, actor=TESTER, now=timezone.now())

    order = []
    for _ in range(3):
        [job] = due.take_due(first.pk, now=timezone.now() + SOON, most=9)
        order.append(job.batch_id)
        ProviderJob.objects.filter(pk=job.pk).update(state=JobState.REFUSED, poll_at=None)

    assert order == [first.pk, urgent.pk, old.pk]


# --- cancel


@pytest.mark.parametrize("state", [JobState.SENDING, JobState.RUNNING, JobState.COLLECTING])
def test_a_cancelled_batch_waits_for_the_rows_of_its_jobs_and_keeps_nobody_waiting(desk: Desk, state: JobState) -> None:
    batch, other = desk.batch(10), started(desk.project, request_lines(1))
    [job] = desk.jobs(batch)
    desk.in_state(job, state)
    now = timezone.now()
    cancel(batch, actor=TESTER, now=now)
    cancel(other, actor=TESTER, now=now)

    finalize_next(batch.pk, now=now + timedelta(minutes=10))
    assert (fresh(batch).status, fresh(other).status) == (BatchStatus.CANCELLING, BatchStatus.CANCELLED)
    recall_due(now=now)
    job.refresh_from_db()
    assert job.recall == Recall.STOPPED

    desk.brings(job, dict.fromkeys(list(lines_of(job))[:4], GOOD))
    finalize_next(batch.pk, now=now + timedelta(minutes=16))
    done = fresh(batch)
    assert (done.status, done.succeeded, done.cancelled) == (BatchStatus.CANCELLED, 4, 6)
    desk.brings(job, dict.fromkeys(lines_of(job), GOOD))
    job.refresh_from_db()
    assert (job.succeeded, job.late, job.duplicates) == (4, 6, 0)
    assert_counts_are_true(done)


@pytest.mark.parametrize("state", [JobState.PREPARING, JobState.UNCERTAIN])
def test_a_cancelled_batch_does_not_wait_for_jobs_that_bring_nothing_home(desk: Desk, state: JobState) -> None:
    batch = desk.batch(10)
    desk.in_state(desk.jobs(batch)[0], state)
    cancel(batch, actor=TESTER, now=timezone.now())

    finalize_next(batch.pk, now=timezone.now() + timedelta(minutes=1))

    assert fresh(batch).status == BatchStatus.CANCELLED


# --- moving to another provider


@pytest.mark.parametrize("execution", ["delegated", "hybrid"])
def test_a_moved_batch_is_handed_over_to_the_other_provider_and_jobs_that_run_come_home(
    desk: Desk, other: Provider, execution: str
) -> None:
    Provider.objects.filter(pk=other.pk).update(jobs_family="openai")
    batch = desk.batch(20, execution=execution)
    running, unsent = desk.jobs(batch)
    desk.in_state(running, JobState.RUNNING)

    reroute(batch, provider_name="other", actor=TESTER, now=timezone.now())
    assert desk.withdraw(unsent)
    hand_over_some(now=timezone.now())

    found = {(job.provider.name, job.first_line): (job.state, job.recall) for job in desk.jobs(batch)}
    assert found == {
        ("local", 1): (JobState.RUNNING, ""),
        ("local", 11): (JobState.ENDED, Recall.MOVED),
        ("other", 11): (JobState.PREPARING, ""),
    }
    assert fresh(batch).execution == execution
    desk.ends(running, dict.fromkeys(list(lines_of(running))[:9], GOOD))
    assert not sent_directly(batch) or execution == "hybrid"


@pytest.mark.parametrize("execution", ["delegated", "hybrid"])
def test_a_batch_that_is_moved_to_a_provider_without_batch_api_goes_on_directly(
    desk: Desk, other: Provider, execution: str
) -> None:
    batch = desk.batch(20, execution=execution)
    running, unsent = desk.jobs(batch)
    desk.in_state(running, JobState.RUNNING)

    reroute(batch, provider_name="other", actor=TESTER, now=timezone.now())
    desk.withdraw(unsent)

    moved = fresh(batch)
    assert (moved.execution, moved.execution_reason) == (Execution.HYBRID, "No batch API of provider other is set up.")
    assert sent_directly(batch)
    event = batch.events.get(act=Act.REROUTED)
    assert event.note == "From local to other. Its requests are sent directly. No batch API of provider other is set up."
    desk.ends(running, dict.fromkeys(lines_of(running), GOOD))
    assert moved.counts.succeeded == 10


def test_a_job_that_is_in_hand_while_its_batch_moves_is_not_created(desk: Desk, other: Provider) -> None:
    batch = desk.batch(5)
    leased = desk.leased(desk.jobs(batch)[0])

    reroute(batch, provider_name="other", actor=TESTER, now=timezone.now())

    assert not begins(leased)

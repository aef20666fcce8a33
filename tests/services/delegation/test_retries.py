"""Requests of delegated batches that are sent again: in place while the batch runs, and as a child batch."""

from datetime import timedelta

import pytest
from django.utils import timezone

from batches.models import BatchObject
from batches.rules.execution import Execution, JobState, Recall
from batches.services.delegation.creating.hand_over import hand_over_some
from batches.services.delegation.take_back import recall_due
from batches.services.retry.order import RetryOrder
from batches.services.retry.retry import retry
from batches.services.retry.selection import Selection
from providers.models import Provider
from tests.cast import TESTER, assert_counts_are_true, ended
from tests.services.delegation.conftest import BAD, GOOD, Desk, fresh, lines_of, sent_directly

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("execution", ["delegated", "hybrid"])
def test_a_failed_request_is_sent_again_although_its_job_has_ended(desk: Desk, execution: str) -> None:
    batch = desk.batch(20, execution=execution)
    first, second = desk.jobs(batch)
    desk.in_state(second, JobState.RUNNING)
    desk.ends(first, {line: BAD if line == 3 else GOOD for line in lines_of(first)})

    retry(batch, selection=Selection(), actor=TESTER, now=timezone.now())
    hand_over_some(now=timezone.now())

    [_, again] = [job for job in desk.jobs(batch) if job.first_line == 1]
    assert (again.rows, again.attempt, again.state) == (1, 1, JobState.PREPARING)
    assert not sent_directly(batch)
    desk.ends(second, dict.fromkeys(lines_of(second), GOOD))
    desk.in_state(again, JobState.RUNNING)
    leased = desk.brings(again, {3: GOOD}, round_=2)
    assert leased.pk == again.pk
    assert ended(batch).succeeded == 20


def test_a_late_success_of_an_earlier_round_answers_the_open_request(desk: Desk) -> None:
    batch = desk.batch(10, execution="hybrid")
    [job] = desk.jobs(batch)
    desk.in_state(job, JobState.RUNNING, recall=Recall.PERSON, recalled_at=timezone.now() - timedelta(hours=1))
    recall_due(now=timezone.now())
    BatchObject.objects.filter(batch=batch, line=3).update(round=2)

    desk.brings(job, {3: GOOD, 4: GOOD})

    job.refresh_from_db()
    assert (job.succeeded, job.duplicates) == (2, 0)
    assert_counts_are_true(batch)


def test_a_child_of_a_delegated_batch_may_go_to_a_provider_without_batch_api(desk: Desk, other: Provider) -> None:
    batch = desk.batch(5)
    [job] = desk.jobs(batch)
    desk.ends(job, {line: BAD if line == 3 else GOOD for line in lines_of(job)})
    ended(batch)

    order = RetryOrder(provider_name="other")
    child = retry(fresh(batch), selection=Selection(), actor=TESTER, now=timezone.now(), order=order).batch

    assert (child.provider.name, child.execution) == ("other", Execution.DIRECT)

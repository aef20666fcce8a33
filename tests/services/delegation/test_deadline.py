"""Delegated batches without direct calls: their deadline, and rows that their provider loses."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from batches.models import Batch, ProviderJob
from batches.rules.execution import JobState, Recall
from batches.rules.states import Act, BatchStatus
from batches.services.delegation import take_back
from batches.services.delegation.creating import hand_over
from batches.services.delegation.creating.hand_over import anything_to_hand_over, hand_over_some
from batches.services.delegation.take_back import recall_due
from batches.services.lifecycle.expire import expire
from providers.models import Provider
from tests.cast import TESTER, ended, request_lines, started
from tests.services.delegation.conftest import GOOD, Desk, fresh, lines_of, sent_directly

pytestmark = pytest.mark.django_db


def test_a_delegated_batch_is_cancelled_in_time_and_what_never_ran_expires(desk: Desk) -> None:
    batch = desk.batch(20)
    first, second = desk.jobs(batch)
    desk.in_state(first, JobState.RUNNING)
    assert recall_due(now=batch.expires_at - timedelta(minutes=11)) == 0

    late = batch.expires_at - timedelta(minutes=9)
    assert recall_due(now=late) == 2
    desk.ends(first, dict.fromkeys(list(lines_of(first))[:6], GOOD))
    desk.withdraw(second)

    assert not anything_to_hand_over(now=late)
    assert not sent_directly(batch)
    assert batch.events.get(act=Act.TAKEN_BACK).note == "2 jobs with 20 requests would miss the deadline."
    expire(fresh(batch), actor=TESTER, now=batch.expires_at)
    done = ended(batch)
    assert (done.status, done.succeeded, done.expired) == (BatchStatus.EXPIRED, 6, 14)


def test_a_batch_that_is_too_late_for_a_job_gets_none(desk: Desk) -> None:
    hybrid = started(desk.project, request_lines(5), execution="hybrid")
    delegated = started(desk.project, request_lines(5), execution="delegated")

    for batch in (hybrid, delegated):
        hand_over.hand_over(batch.pk, now=batch.expires_at - timedelta(minutes=5))

    assert not ProviderJob.objects.exists()
    assert (sent_directly(hybrid), sent_directly(delegated)) == (True, False)
    assert not anything_to_hand_over(now=delegated.expires_at - timedelta(minutes=4))


def test_lost_rows_go_into_further_jobs_and_then_fail(desk: Desk) -> None:
    batch = desk.batch(5)
    for attempt in (1, 2, 3):
        job = desk.jobs(batch)[-1]
        assert (job.attempt, job.rows) == (attempt, 6 - attempt)
        desk.ends(job, {6 - attempt: GOOD})
        hand_over_some(now=timezone.now())

    done = ended(batch)
    assert (done.succeeded, done.failed) == (3, 2)
    errors = set(batch.errors.values_list("code", "message"))
    assert errors == {("lost_by_provider", "The provider took this request in 3 jobs and gave no result for it.")}


def test_jobs_that_somebody_took_back_do_not_count_as_lost(desk: Desk) -> None:
    batch = desk.batch(5)
    for _ in range(4):
        job = desk.jobs(batch)[-1]
        desk.in_state(job, JobState.RUNNING, recall=Recall.PERSON, recalled_at=timezone.now())
        desk.ends(job)
        hand_over_some(now=timezone.now())

    assert [job.attempt for job in desk.jobs(batch)] == [1] * 5
    assert fresh(batch).counts.pending == 5


def test_a_fault_with_one_provider_keeps_no_other_from_its_turn(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch whose deadline is nearest comes first, and cannot be looked at."""
    broken, fine = desk.batch(5), desk.batch(5)
    late = broken.expires_at - timedelta(minutes=5)
    other = Provider.objects.create(name="other", adapter="openai", base_url="http://127.0.0.1:9/v1")
    Batch.objects.filter(pk=fine.pk).update(provider=other)
    recall_late = take_back._recall_late

    def fails(provider: Provider, batches: Sequence[Batch], *, now: datetime) -> int:
        if provider != other:
            raise ValueError("odd")
        return recall_late(provider, batches, now=now)

    monkeypatch.setattr(take_back, "_recall_late", fails)
    assert recall_due(now=late) == 1
    assert [job.recall for job in (*desk.jobs(broken), *desk.jobs(fine))] == ["", Recall.LATE]


def test_a_fault_with_one_overdue_job_keeps_no_other_waiting(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = desk.jobs(desk.batch(20, execution="hybrid"))
    for job in jobs:
        desk.in_state(job, JobState.RUNNING)
    now = timezone.now()
    ProviderJob.objects.update(recall=Recall.PERSON, recalled_at=now)
    release = take_back.release_slices

    def fails(job: ProviderJob, *, now: datetime, note: str = "") -> int:
        if job.pk == jobs[0].pk:
            raise ValueError("odd")
        return release(job, now=now, note=note)

    monkeypatch.setattr(take_back, "release_slices", fails)
    recall_due(now=now + timedelta(hours=2))
    assert [job.released_at is None for job in desk.jobs(jobs[0].batch)] == [True, False]

"""Hybrid batches: what the provider's batch API does not bring home in time is sent directly, and nothing is delivered twice."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from batches.models import Batch, Event, ProviderJob, Slice
from batches.rules.execution import JobState, Recall
from batches.rules.states import Act, BatchStatus
from batches.services.delegation.take_back import recall_due
from providers.models import ProviderModel
from tests.batch_apis import Create, Ending, Oddity, Plan
from tests.cast import assert_counts_are_true, error_lines, output_lines
from tests.engine.delegation.conftest import Stage

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.alike]

STALLS = Plan(ending=Ending.STUCK, answered=0.6)
ONE_FAMILY = pytest.mark.parametrize("family", ["openai"])


def in_time(batch: Batch) -> datetime:
    """A moment before the deadline at which small jobs are taken back."""
    return batch.expires_at - timedelta(minutes=14)


def all_are(batch: Batch, state: JobState) -> bool:
    return set(batch.provider_jobs.values_list("state", flat=True)) == {state}


def running(stage: Stage, rows: int, *plans: Plan, marks: dict[int, str] | None = None) -> Batch:
    """A hybrid batch whose jobs all run at the provider."""
    stage.apis.plan(*plans, default=plans[-1])
    batch = stage.batch(rows, execution="hybrid", marks=marks)
    stage.until(lambda: all_are(batch, JobState.RUNNING), seconds=0)
    return batch


def taken_back(stage: Stage, batch: Batch) -> None:
    """Take a batch back for its deadline, and let its provider know."""
    recall_due(now=in_time(batch))
    stage.until(lambda: not batch.provider_jobs.filter(cancel_asked_at=None).exists(), seconds=0)


def notes(batch: Batch, *acts: Act) -> Sequence[tuple[str, str]]:
    return list(Event.objects.filter(batch=batch, act__in=acts).values_list("act", "note"))


def sums(batch: Batch) -> Counter[str]:
    """The counts of all jobs of a batch."""
    names = ("succeeded", "failed", "never_ran", "duplicates", "late")
    return Counter({name: sum(row[name] for row in batch.provider_jobs.values(*names)) for name in names})


def test_a_provider_that_stalls_at_60_percent_is_finished_directly_before_the_deadline(stage: Stage) -> None:
    batch = running(stage, 30, STALLS)
    stage.apis.advance(600)
    stage.until(lambda: True)
    assert batch.counts.pending == 30

    recall_due(now=in_time(batch))
    stage.until(lambda: all_are(batch, JobState.ENDED))
    stage.run_executor()
    done = stage.end(batch)

    assert done.status == BatchStatus.COMPLETED
    assert (done.succeeded, done.failed, done.total) == (30, 0, 30)
    assert [line["custom_id"] for line in output_lines(done)] == [f"row-{number}" for number in range(30)]
    assert len(stage.apis.world.direct) == 12
    assert sums(batch) == Counter(succeeded=18, never_ran=12)
    assert {job.recall for job in stage.jobs(batch)} == {Recall.LATE}
    assert_counts_are_true(done)
    assert notes(batch, Act.HANDED_OVER, Act.TAKEN_BACK) == [
        (Act.HANDED_OVER, "30 requests in 3 jobs, at local."),
        (Act.TAKEN_BACK, "3 jobs with 30 requests would miss the deadline."),
    ]
    assert notes(batch, Act.FINISHED_DIRECTLY)[0][1].startswith("4 requests are sent directly")


@ONE_FAMILY
def test_a_late_result_after_a_direct_answer_is_a_double_that_is_shown_and_not_delivered(stage: Stage) -> None:
    ProviderModel.objects.create(provider=stage.provider, name="m", input_price=1, output_price=1)
    batch = running(stage, 10, Plan(ending=Ending.STUCK, cancel_cuts=False, cancel_seconds=3600))
    stage.apis.advance(600)

    taken_back(stage, batch)
    recall_due(now=in_time(batch) + timedelta(minutes=10))  # it did not come home in the time of a cancellation
    stage.run_executor()
    done = stage.end(batch)
    lines = output_lines(done)
    stage.until(lambda: all_are(batch, JobState.ENDED), seconds=3600)

    assert (done.status, done.succeeded, len(lines)) == (BatchStatus.COMPLETED, 10, 10)
    assert sums(batch) == Counter(duplicates=10)
    done.refresh_from_db()
    assert done.succeeded == 10
    assert output_lines(done) == lines
    assert stage.jobs(batch)[0].wasted_nanos == 10 * 12 * 1000 // 2
    assert_counts_are_true(done)


@ONE_FAMILY
def test_a_late_result_is_accepted_once_while_its_request_is_open_and_in_nobodys_hands(stage: Stage) -> None:
    batch = running(stage, 10, Plan(ending=Ending.STUCK, cancel_cuts=False, cancel_seconds=3600))
    stage.apis.advance(600)
    taken_back(stage, batch)
    recall_due(now=in_time(batch) + timedelta(minutes=10))
    _, second = Slice.objects.filter(batch=batch).order_by("first_line")
    Slice.objects.filter(pk=second.pk).update(lease_expires_at=timezone.now() + timedelta(hours=1))

    stage.apis.advance(3600)
    stage.until(lambda: sums(batch)["succeeded"])

    job = stage.jobs(batch)[0]
    assert (job.state, job.succeeded, job.duplicates) == (JobState.COLLECTING, 5, 0)
    assert job.note == "5 rows wait for calls in flight."

    Slice.objects.filter(pk=second.pk).update(lease_expires_at=None)
    stage.until(lambda: all_are(batch, JobState.ENDED))

    assert sums(batch) == Counter(succeeded=10)
    assert stage.apis.world.direct == []
    assert stage.end(batch).succeeded == 10


def test_failures_that_may_pass_are_finished_directly_and_others_are_final(stage: Stage) -> None:
    batch = running(stage, 10, Plan(), marks={2: "[500]", 7: "[400]"})

    stage.until(lambda: all_are(batch, JobState.ENDED))
    stage.run_executor()
    done = stage.end(batch)

    assert (done.succeeded, done.failed) == (9, 1)
    assert [line["custom_id"] for line in error_lines(done)] == ["row-7"]
    assert len(stage.apis.world.direct) == 1
    assert sums(batch) == Counter(succeeded=8, failed=2)
    assert_counts_are_true(done)


@ONE_FAMILY
@pytest.mark.parametrize(
    ("plan", "direct"),
    [
        (Plan(create=Create.REFUSED), 10),
        (Plan(ending=Ending.FAILED, error_code="invalid_json_line"), 10),
        (Plan(oddities=(Oddity.MISSING,)), 1),
        (Plan(ending=Ending.EXPIRED, answered=0.4), 6),
    ],
    ids=["refused", "failed as a whole", "lost row", "expired"],
)
def test_what_a_job_does_not_bring_home_is_sent_directly_at_once(stage: Stage, plan: Plan, direct: int) -> None:
    stage.apis.plan(default=plan)
    batch = stage.batch(10, execution="hybrid")

    stage.until(lambda: all_are(batch, JobState.ENDED) or all_are(batch, JobState.REFUSED))
    stage.run_executor()
    done = stage.end(batch)

    assert (done.status, done.succeeded) == (BatchStatus.COMPLETED, 10)
    assert len(stage.apis.world.direct) == direct
    assert ProviderJob.objects.filter(batch=batch).count() == 1
    assert [act for act, _ in notes(batch, Act.HANDED_OVER, Act.TAKEN_BACK, Act.FINISHED_DIRECTLY)] == [
        Act.HANDED_OVER,
        Act.FINISHED_DIRECTLY,
    ]

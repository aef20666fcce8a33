"""Batches that end before their jobs do: the deadline passes, somebody cancels, or the provider forgets a job."""

from datetime import timedelta

import pytest
from django.utils import timezone

from batches.models import Batch, ProviderJob
from batches.rules.execution import IncidentCode, JobState
from batches.rules.states import BatchStatus
from batches.services.control.cancel import cancel
from batches.services.upkeep.reconcile import reconcile
from tests.batch_apis import Create, Plan
from tests.batch_apis.world import Row
from tests.cast import TESTER
from tests.engine.delegation.conftest import Stage
from tests.engine.delegation.proofs import assert_paid_rows_are_here, assert_whole, incidents

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.alike]

ROWS = 8


def run(stage: Stage, batch: Batch) -> None:
    """Bring the jobs of a batch to their provider."""
    stage.until(lambda: ProviderJob.objects.filter(batch=batch, state=JobState.RUNNING), seconds=0)


def let_its_deadline_pass(batch: Batch) -> None:
    now = timezone.now()
    Batch.objects.filter(pk=batch.pk).update(expires_at=now - timedelta(seconds=1))
    reconcile(now=now)


def nothing_is_open() -> bool:
    return not ProviderJob.objects.exclude(poll_at=None).exists()


def test_what_comes_after_the_deadline_is_counted_as_paid_in_vain(stage: Stage) -> None:
    stage.apis.plan(Plan(seconds=900, cancel_seconds=60))
    batch = stage.batch(ROWS)
    run(stage, batch)
    stage.apis.advance(420)

    let_its_deadline_pass(batch)
    batch = stage.end(batch)

    assert (batch.status, batch.expired) == (BatchStatus.EXPIRED, ROWS)
    reconcile(now=timezone.now())  # no batch is open any more
    stage.until(nothing_is_open)
    assert [job.late for job in stage.jobs(batch)] == [4]
    assert stage.apis.jobs[0].cancelled_at is not None
    assert_whole(stage, batch, rows=ROWS)
    assert_paid_rows_are_here(stage, batch)


def test_a_job_in_doubt_whose_batch_was_cancelled_is_found_and_is_not_made_again(stage: Stage) -> None:
    stage.apis.plan(Plan(create=Create.LOST_ANSWER, seconds=900))
    batch = stage.batch(ROWS)
    stage.work()
    cancel(batch, actor=TESTER, now=timezone.now())
    reconcile(now=timezone.now())
    stage.until(nothing_is_open)
    batch = stage.end(batch)

    (job,) = stage.apis.jobs
    assert (batch.status, batch.cancelled + batch.succeeded) == (BatchStatus.CANCELLED, ROWS)
    if stage.family == "openai":  # its marker proves whose it is; without a marker nobody's job is cancelled
        assert job.cancelled_at is not None
    assert_whole(stage, batch, rows=ROWS)
    assert_paid_rows_are_here(stage, batch)


def test_a_job_that_its_provider_has_forgotten_is_given_up_once_nobody_waits_for_it(stage: Stage) -> None:
    stage.apis.plan(Plan(seconds=900, unseen=10_000))
    batch = stage.batch(ROWS)
    run(stage, batch)
    let_its_deadline_pass(batch)
    batch = stage.end(batch)

    reconcile(now=timezone.now())
    stage.apis.jobs[0].owner = "somebody else"
    stage.until(nothing_is_open)

    assert "did not find the job" in incidents(batch)[IncidentCode.GONE]
    assert [job.state for job in stage.jobs(batch)] == [JobState.ENDED]
    assert_whole(stage, batch, rows=ROWS)


def test_a_job_of_somebody_else_that_looked_like_ours_is_left_alone_and_ours_is_made(stage: Stage) -> None:
    if stage.family != "anthropic":
        pytest.skip("a marker shows whose a job is")
    stage.apis.plan(Plan(create=Create.ERROR_BEFORE))
    batch = stage.batch(ROWS)
    stage.work()
    rows = [Row(f"theirs-{number}", "/v1/messages", b'{"model": "m", "messages": []}') for number in range(ROWS)]
    theirs = stage.apis.world.add_job("anthropic", "sk-test-0123456789", rows, Plan(), {}, prefix="msgbatch_")

    batch = stage.play(batch)
    stage.until(nothing_is_open)

    assert (batch.succeeded, len(stage.apis.jobs)) == (ROWS, 2)
    assert (theirs.cancelled_at, theirs.is_deleted) == (None, False)
    assert stage.apis.jobs[1].is_deleted
    assert f"its {ROWS} results are of other requests" in incidents(batch)[IncidentCode.FOREIGN_ROWS]
    assert_whole(stage, batch, rows=ROWS)


def test_a_job_that_was_taken_for_lost_and_appears_is_cancelled_and_told_of(stage: Stage) -> None:
    if stage.family != "openai":
        pytest.skip("without a marker, a list that shows a job of nobody holds the other back")
    batch = stage.batch(ROWS)
    stage.apis.plan(Plan(create=Create.DROPPED), Plan(seconds=900))
    stage.until(lambda: stage.apis.jobs, seconds=0)
    (ours,) = stage.jobs(batch)
    about = {**stage.apis.jobs[0].about, "metadata": {"batchyard": ours.former_markers[0]}}
    lost = stage.apis.world.add_job(
        "openai", "sk-test-0123456789", stage.apis.jobs[0].rows, Plan(seconds=900), about, prefix="batch_"
    )

    batch = stage.play(batch)

    assert lost.cancelled_at is not None
    assert lost.id in incidents(batch)[IncidentCode.SURFACED]
    assert_whole(stage, batch, rows=ROWS)

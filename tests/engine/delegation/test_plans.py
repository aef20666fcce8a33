"""Every plan of the stand-in, played through a whole delegated batch with both families."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import ProviderJob
from batches.rules.execution import AT_PROVIDER, IncidentCode, JobState
from batches.rules.states import BatchStatus
from providers.jobs import client
from tests.batch_apis import Counts, Create, Ending, Oddity, Plan
from tests.engine.delegation.conftest import Stage
from tests.engine.delegation.proofs import assert_paid_rows_are_here, assert_whole, incidents

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.alike]

ROWS = 8


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for an answer as long as a test can."""
    monkeypatch.setattr(client, "CALL_SECONDS", 0.5)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", [Create.LOST_ANSWER, Create.ERROR_AFTER, Create.SILENT_AFTER])
def test_a_job_whose_create_call_was_not_answered_is_found_and_adopted(stage: Stage, fault: Create) -> None:
    stage.apis.plan(Plan(create=fault))
    batch = stage.play(stage.batch(ROWS))

    assert (batch.status, batch.succeeded, len(stage.apis.jobs)) == (BatchStatus.COMPLETED, ROWS, 1)
    assert_whole(stage, batch, rows=ROWS)


@pytest.mark.parametrize("fault", [Create.ERROR_BEFORE, Create.DROPPED, Create.BUSY])
def test_a_job_that_certainly_does_not_exist_is_created_again(stage: Stage, fault: Create) -> None:
    stage.apis.plan(Plan(create=fault, retry_after=0.1))
    batch = stage.play(stage.batch(ROWS))

    assert (batch.status, batch.succeeded, len(stage.apis.jobs)) == (BatchStatus.COMPLETED, ROWS, 1)
    assert_whole(stage, batch, rows=ROWS)


def test_a_refused_job_fails_its_requests_with_the_providers_words(stage: Stage) -> None:
    stage.apis.plan(default=Plan(create=Create.REFUSED))
    batch = stage.play(stage.batch(ROWS))

    assert (batch.succeeded, batch.failed, stage.apis.jobs) == (0, ROWS, [])
    assert [job.state for job in stage.jobs(batch)] == [JobState.REFUSED]
    assert incidents(batch) == {IncidentCode.REFUSED: "The request was refused."}
    assert_whole(stage, batch, rows=ROWS)


def test_an_input_file_that_cannot_be_seen_yet_is_waited_for(stage: Stage) -> None:
    stage.apis.plan(Plan(no_file=3))
    batch = stage.play(stage.batch(ROWS))

    assert (batch.succeeded, len(stage.apis.jobs)) == (ROWS, 1)
    assert_whole(stage, batch, rows=ROWS)


def test_what_an_expired_job_left_goes_into_the_next_job(stage: Stage) -> None:
    stage.apis.plan(Plan(ending=Ending.EXPIRED, answered=0.5))
    batch = stage.play(stage.batch(ROWS))

    assert (batch.succeeded, [len(job.rows) for job in stage.apis.jobs]) == (ROWS, [8, 4])
    assert_whole(stage, batch, rows=ROWS)
    assert_paid_rows_are_here(stage, batch)


def test_a_job_that_failed_because_the_queue_was_full_is_created_anew(stage: Stage) -> None:
    stage.apis.plan(Plan(ending=Ending.FAILED))
    batch = stage.play(stage.batch(ROWS))

    if stage.family == "openai":
        assert (batch.succeeded, len(stage.apis.jobs)) == (ROWS, 2)
        assert [job.attempt for job in stage.jobs(batch)] == [1]
    else:  # message batches do not fail as a whole: each row says why
        assert (batch.failed, len(stage.apis.jobs)) == (ROWS, 1)
    assert_whole(stage, batch, rows=ROWS)


def test_requests_of_jobs_that_fail_time_and_again_fail_with_the_providers_words(stage: Stage) -> None:
    stage.apis.plan(default=Plan(ending=Ending.FAILED, error_code="invalid_json_line"))
    batch = stage.play(stage.batch(ROWS))

    assert batch.failed == ROWS
    if stage.family == "openai":
        assert len(stage.apis.jobs) == 3
        assert "invalid_json_line" in incidents(batch)[IncidentCode.FAILED]
    assert_whole(stage, batch, rows=ROWS)


@pytest.mark.parametrize("oddity", [*Oddity])
def test_an_odd_result_file_is_read_as_far_as_it_can_be(stage: Stage, oddity: Oddity) -> None:
    stage.apis.plan(Plan(oddities=(oddity,)))
    batch = stage.play(stage.batch(ROWS, marks={2: "[400]"}))

    lost = 1 if oddity is Oddity.STATUS_ZERO and stage.family == "openai" else 0
    assert (batch.succeeded, batch.failed) == (ROWS - 1 - lost, 1 + lost)
    assert_whole(stage, batch, rows=ROWS)
    if oddity not in (Oddity.MISSING, Oddity.CUT, Oddity.STATUS_ZERO):  # the provider keeps these rows to itself
        assert_paid_rows_are_here(stage, batch)
    known = incidents(batch)
    if oddity in (Oddity.MISSING, Oddity.CUT):
        assert len(stage.apis.jobs) == 2
        assert f"{ROWS} requests were sent" in known[IncidentCode.MISSING_ROWS]
        assert "1 are missing" in known[IncidentCode.MISSING_ROWS] or stage.family == "openai"
    else:
        assert len(stage.apis.jobs) == 1
    if oddity is Oddity.FOREIGN:
        assert "results are of requests that were not in the job" in known[IncidentCode.FOREIGN_ROWS]
    if oddity is Oddity.NOT_JSON:
        assert "cannot be read" in known[IncidentCode.UNREADABLE]


@pytest.mark.parametrize("lie", [*Counts])
def test_counts_of_the_provider_are_a_hint_and_no_more(stage: Stage, lie: Counts) -> None:
    stage.apis.plan(Plan(counts=lie))
    batch = stage.play(stage.batch(ROWS))

    assert (batch.succeeded, len(stage.apis.jobs)) == (ROWS, 1)
    assert_whole(stage, batch, rows=ROWS)
    if lie is Counts.HIGH:
        told = incidents(batch)[IncidentCode.COUNTS_DIFFER]
        assert "16" in told
        assert "8 " in told


@pytest.mark.parametrize("lie", [*Counts])
def test_lies_about_counts_make_no_second_job_of_one_that_is_in_doubt(stage: Stage, lie: Counts) -> None:
    stage.apis.plan(Plan(create=Create.LOST_ANSWER, counts=lie))
    batch = stage.batch(ROWS)
    stage.until(lambda: stage.settled(batch)() or IncidentCode.UNCERTAIN in incidents(batch))

    assert len(stage.apis.jobs) == 1
    passed_by = lie is Counts.BACKWARDS and stage.settled(batch)()  # a falling count is the true one for a moment
    if stage.family == "openai" or lie in (Counts.TRUE, Counts.TEXT) or passed_by:
        assert_whole(stage, stage.end(batch), rows=ROWS)
    else:
        assert stage.apis.jobs[0].id in incidents(batch)[IncidentCode.UNCERTAIN]


PLANS = {
    "unseen": Plan(unseen=3),
    "flapping": Plan(flaps=3),
    "late results": Plan(late=3),
    "empty ids": Plan(empty_ids=True),
    "a strange word": Plan(word="pondering"),
    "redirected": Plan(redirected=True),
    "all at once": Plan(unseen=2, flaps=2, late=2, empty_ids=True, redirected=True, create=Create.LOST_ANSWER),
}


@pytest.mark.parametrize("name", [*PLANS])
def test_a_moody_provider_brings_everything_home_in_one_job(stage: Stage, settings: Settings, name: str) -> None:
    settings.JOB_GRACE_SECONDS = 30
    plan = PLANS[name]
    stage.apis.plan(plan)
    batch = stage.play(stage.batch(ROWS, marks={1: "[400]"}))

    assert (batch.succeeded, batch.failed, len(stage.apis.jobs)) == (ROWS - 1, 1, 1)
    assert_whole(stage, batch, rows=ROWS)
    assert_paid_rows_are_here(stage, batch)
    if plan.redirected:
        assert stage.apis.storage_headers
    if plan.word:
        assert "pondering" in incidents(batch)[IncidentCode.UNKNOWN_WORD]


def test_results_that_break_off_are_read_again_from_where_nothing_is_counted_twice(stage: Stage) -> None:
    stage.apis.plan(Plan(breaks=4, oddities=(Oddity.SHUFFLED,)))
    batch = stage.play(stage.batch(ROWS))

    assert (batch.succeeded, len(stage.apis.jobs), stage.apis.jobs[0].readings) == (ROWS, 1, 5)
    assert [(job.succeeded, job.duplicates, job.foreign) for job in stage.jobs(batch)] == [(ROWS, 0, 0)]
    assert_whole(stage, batch, rows=ROWS)


def test_results_that_are_gone_are_told_of_and_their_requests_are_sent_anew(stage: Stage) -> None:
    stage.apis.plan(Plan(results_gone=True))
    batch = stage.play(stage.batch(ROWS))

    assert (batch.succeeded, len(stage.apis.jobs)) == (ROWS, 2)
    assert f"{ROWS} requests were sent, and 0 results came" in incidents(batch)[IncidentCode.MISSING_ROWS]
    assert_whole(stage, batch, rows=ROWS)


CANCELS = {
    "quick": Plan(seconds=900),
    "slow": Plan(seconds=900, cancel_seconds=300),
    "cutting nothing": Plan(seconds=900, cancel_cuts=False, cancel_seconds=1000),
    "refused": Plan(seconds=900, cancel_refused=True),
}


@pytest.mark.parametrize("name", [*CANCELS])
def test_a_job_that_was_taken_back_brings_home_what_is_done_and_the_next_job_does_the_rest(stage: Stage, name: str) -> None:
    stage.apis.plan(CANCELS[name])
    batch = stage.batch(ROWS)
    stage.until(lambda: ProviderJob.objects.filter(state=JobState.RUNNING), seconds=0)
    stage.apis.advance(420)
    stage.take_back(batch)
    batch = stage.play(batch)

    sent = [len(job.rows) for job in stage.apis.jobs]
    done = 4 if name in ("quick", "slow") else ROWS
    assert sent == [ROWS, *([ROWS - done] if done < ROWS else [])]
    assert batch.succeeded == ROWS
    assert_whole(stage, batch, rows=ROWS)
    assert_paid_rows_are_here(stage, batch)


def test_a_full_queue_is_filled_again_as_room_appears_and_no_row_is_tried_by_itself(stage: Stage, settings: Settings) -> None:
    if stage.family != "openai":
        pytest.skip("message batches do not fail as a whole")
    settings.JOB_ROWS = 5
    stage.apis.world.max_open_rows = 10
    batch = stage.batch(25)

    for _ in range(40):
        stage.work()
        stage.apis.advance(40)
        due = ProviderJob.objects.filter(state__in=AT_PROVIDER)  # what waits for room waits on
        due.update(poll_at=timezone.now() - timedelta(seconds=1))
        if stage.settled(batch)():
            break
    batch = stage.end(batch)

    assert batch.succeeded == 25
    assert len(stage.apis.jobs) == 8  # of the first five, three were too many
    assert [job.attempt for job in stage.jobs(batch)] == [1] * 5
    assert_whole(stage, batch, rows=25)

"""Every driver keeps the contract of `providers.jobs.base`, whatever its provider does."""

from datetime import UTC, datetime

import pytest

from providers.base import Failure, Success
from providers.failures import Kind
from providers.jobs.base import Created, Ending, Found, JobStatus, OddLine, ResultsUnreadable, RowKind, RowResult
from tests.batch_apis import BatchApis, Counts, Oddity, Plan
from tests.batch_apis import Ending as Planned
from tests.providers.jobs.driving import SECRET, Driving


def ids(found: list[RowResult | OddLine]) -> list[str]:
    return sorted(each.wire_id for each in found if isinstance(each, RowResult))


# --- the course of a job


def test_a_job_runs_and_brings_an_outcome_of_each_row(driving: Driving) -> None:
    rows = driving.rows(10, failing=2)
    job = driving.created(rows)
    assert (job.status, job.is_known) != (JobStatus.ENDED, False)

    driving.apis.advance(60)
    job = driving.get(job)
    assert (job.status, job.ending) == (JobStatus.ENDED, Ending.COMPLETED)

    found = driving.results(job)
    assert ids(found) == [row.wire_id for row in rows]
    good = [each for each in found if isinstance(each, RowResult) and isinstance(each.outcome, Success)]
    bad = [each.outcome for each in found if isinstance(each, RowResult) and isinstance(each.outcome, Failure)]
    assert len(good) == 8
    assert {failure.kind for failure in bad} == {Kind.INVALID_REQUEST}
    assert all(failure.http_status == 400 for failure in bad)


def test_every_success_tells_its_tokens(driving: Driving) -> None:
    job = driving.created(driving.rows(3))
    driving.apis.advance(60)

    for each in driving.results(driving.get(job)):
        assert isinstance(each, RowResult)
        assert isinstance(each.outcome, Success)
        assert each.outcome.usage is not None
        assert (each.outcome.usage.input, each.outcome.usage.output) == (9, 3)


@pytest.mark.parametrize("seconds", [0, 30, 57])
def test_a_running_job_has_a_known_word(driving: Driving, seconds: float) -> None:
    job = driving.created(driving.rows(4))
    driving.apis.advance(seconds)
    found = driving.get(job)
    assert found.is_known
    assert not found.has_ended


def test_an_unknown_word_counts_as_running(driving: Driving) -> None:
    driving.apis.plan(Plan(word="pondering"))
    job = driving.created(driving.rows(2))
    found = driving.get(job)
    assert (found.status, found.is_known, found.word) == (JobStatus.RUNNING, False, "pondering")


@pytest.mark.parametrize("answered", [0.0, 0.6, 1.0])
def test_an_expired_job_brings_home_what_was_paid_for(driving: Driving, answered: float) -> None:
    driving.apis.plan(Plan(ending=Planned.EXPIRED, answered=answered))
    job = driving.created(driving.rows(10))
    driving.apis.advance(100)
    job = driving.get(job)
    found = driving.results(job)

    assert job.ending is (Ending.EXPIRED if answered < 1 or driving.family != "anthropic" else Ending.COMPLETED)
    assert sum(each.kind is RowKind.OUTCOME for each in found if isinstance(each, RowResult)) == 10 * answered
    assert sum(each.kind is RowKind.EXPIRED for each in found if isinstance(each, RowResult)) == 10 - 10 * answered
    assert driving.apis.jobs[0].is_billed(driving.apis.world.now) == 10 * answered


def test_a_cancelled_job_keeps_the_rows_that_ran(driving: Driving) -> None:
    driving.apis.plan(Plan(seconds=100, cancel_seconds=600))
    job = driving.created(driving.rows(10))
    driving.apis.advance(45)

    shown = driving.run(lambda driver: driver.cancel(job.remote_id))
    assert not isinstance(shown, Failure)
    assert shown.status is JobStatus.CANCELLING

    driving.apis.advance(600)
    ended = driving.get(job)
    kinds = [each.kind for each in driving.results(ended) if isinstance(each, RowResult)]
    assert (kinds.count(RowKind.OUTCOME), kinds.count(RowKind.CANCELLED)) == (5, 5)


def test_a_cancel_that_comes_too_late_shows_the_ended_job(driving: Driving) -> None:
    job = driving.created(driving.rows(2))
    driving.apis.advance(60)
    shown = driving.run(lambda driver: driver.cancel(job.remote_id))
    assert not isinstance(shown, Failure)
    assert (shown.status, shown.ending) == (JobStatus.ENDED, Ending.COMPLETED)


def test_results_that_are_named_late_are_not_taken_for_none(driving: Driving) -> None:
    driving.apis.plan(Plan(late=2))
    job = driving.created(driving.rows(2))
    driving.apis.advance(60)
    looks = [driving.get(job).outputs for _ in range(3)]
    assert [bool(each) for each in looks] == [False, False, True]


def test_a_look_that_finds_nothing_is_a_failure_and_no_end(driving: Driving) -> None:
    driving.apis.plan(Plan(unseen=1, flaps=1))
    job = driving.created(driving.rows(2))
    missed = driving.try_get(job)
    assert isinstance(missed, Failure)
    assert missed.kind is Kind.NOT_FOUND
    driving.apis.advance(60)
    assert isinstance(driving.try_get(job), Failure)
    assert driving.get(job).has_ended


@pytest.mark.parametrize("counts", Counts)
def test_counts_are_read_as_far_as_they_can_be(driving: Driving, counts: Counts) -> None:
    driving.apis.plan(Plan(counts=counts))
    job = driving.created(driving.rows(4))
    driving.apis.advance(60)
    found = driving.get(job).counts
    expected = {Counts.TRUE: 4, Counts.TEXT: 4, Counts.ZERO: 0}
    if counts in expected:
        assert found.total == expected[counts]
    if counts is Counts.ABSENT:
        assert (found.total, found.succeeded, found.failed) == (None, None, None)


# --- the lines of results


def test_results_may_come_in_any_order_with_any_line_ends(driving: Driving) -> None:
    for oddity in (Oddity.SHUFFLED, Oddity.BOM, Oddity.CRLF, Oddity.GZIP, Oddity.EMPTY_LINES):
        driving.apis.plan(Plan(oddities=(oddity,)))
        rows = driving.rows(5)
        job = driving.created(rows, marker=f"with-{oddity}")
        driving.apis.advance(60)
        assert ids(driving.results(driving.get(job))) == [row.wire_id for row in rows], oddity


def test_rows_that_are_missing_doubled_or_foreign_are_given_as_they_are(driving: Driving) -> None:
    driving.apis.plan(Plan(oddities=(Oddity.MISSING, Oddity.DUPLICATED, Oddity.FOREIGN)))
    rows = driving.rows(5)
    job = driving.created(rows)
    driving.apis.advance(60)
    assert ids(driving.results(driving.get(job))) == sorted(["foreign", rows[0].wire_id, *(row.wire_id for row in rows[:-1])])


def test_a_line_of_garbage_spoils_no_other(driving: Driving) -> None:
    driving.apis.plan(Plan(oddities=(Oddity.NOT_JSON,)))
    rows = driving.rows(5)
    job = driving.created(rows)
    driving.apis.advance(60)
    found = driving.results(driving.get(job))
    assert ids(found) == [row.wire_id for row in rows]
    assert [each.number for each in found if isinstance(each, OddLine)] == [2]


def test_a_line_that_is_too_large_spoils_no_other(driving: Driving) -> None:
    driving.apis.plan(Plan(oddities=(Oddity.LARGE,)))
    job = driving.created(driving.rows(3))
    driving.apis.advance(60)
    found = driving.results(driving.get(job))
    assert len(ids(found)) == 2
    assert len([each for each in found if isinstance(each, OddLine)]) == 1


def test_a_file_that_is_cut_is_read_again_and_not_believed(driving: Driving) -> None:
    driving.apis.plan(Plan(oddities=(Oddity.CUT,)))
    job = driving.created(driving.rows(3))
    driving.apis.advance(60)
    with pytest.raises(ResultsUnreadable):
        driving.results(driving.get(job))


def test_results_that_are_gone_are_a_failure(driving: Driving) -> None:
    driving.apis.plan(Plan(results_gone=True))
    job = driving.created(driving.rows(3))
    driving.apis.advance(60)
    with pytest.raises(ResultsUnreadable):
        driving.results(driving.get(job))


def test_a_row_without_an_answer_is_the_providers_failure(apis: BatchApis) -> None:
    driving = Driving("openai", apis)
    apis.plan(Plan(oddities=(Oddity.STATUS_ZERO,)))
    job = driving.created(driving.rows(2))
    apis.advance(60)
    outcomes = {each.wire_id: each.outcome for each in driving.results(driving.get(job)) if isinstance(each, RowResult)}
    failure = outcomes["j1r0000000"]
    assert isinstance(failure, Failure)
    assert failure.kind is Kind.SERVER_ERROR


# --- secrets, and what stays behind


def test_another_host_gets_the_request_for_results_without_the_credential(driving: Driving) -> None:
    driving.apis.plan(Plan(redirected=True))
    rows = driving.rows(3)
    job = driving.created(rows)
    driving.apis.advance(60)
    assert ids(driving.results(driving.get(job))) == [row.wire_id for row in rows]
    assert driving.apis.storage_headers
    assert not any(SECRET in value for headers in driving.apis.storage_headers for value in headers.values())


def test_another_key_finds_nothing(driving: Driving) -> None:
    job = driving.created(driving.rows(1))
    other = Driving(driving.family, driving.apis, credential="sk-another-0123456789")
    missed = other.try_get(job)
    assert isinstance(missed, Failure)
    assert missed.kind is Kind.NOT_FOUND


def test_nothing_is_left_behind(driving: Driving) -> None:
    job = driving.created(driving.rows(3, failing=1))
    driving.apis.advance(60)
    job = driving.get(job)
    assert driving.run(lambda driver: driver.remove(job)) == []
    assert not driving.apis.world.files
    assert driving.run(lambda driver: driver.remove(job)) == []  # again: all is gone already


def test_many_jobs_are_seen_with_one_call(driving: Driving) -> None:
    jobs = [driving.created(driving.rows(1), marker=f"intent-{number}") for number in range(3)]
    driving.apis.world.calls.clear()
    since = datetime.fromtimestamp(driving.apis.world.now - 3600, UTC)
    found = driving.run(lambda driver: driver.recent(since=since))
    assert isinstance(found, Found)
    assert {job.remote_id for job in found.jobs} == {job.remote_id for job in jobs}
    assert len(driving.apis.world.calls) == 1


def test_a_whole_job_that_failed_says_why(apis: BatchApis) -> None:
    for family in ("openai", "azure", "groq", "novita"):
        driving = Driving(family, apis)
        apis.plan(Plan(ending=Planned.FAILED))
        job = driving.created(driving.rows(2))
        apis.advance(60)
        found = driving.get(job)
        assert found.ending is Ending.FAILED
        assert found.problem is not None
        assert found.problem.message, family
        if family != "novita":
            assert (found.problem.code, found.problem.kind) == ("token_limit_exceeded", Kind.RATE_LIMITED)


def test_a_full_queue_fails_the_job_and_not_its_rows(apis: BatchApis) -> None:
    driving = Driving("openai", apis)
    apis.world.max_open_rows = 3
    first, second = (driving.created(driving.rows(2), marker=name) for name in ("first", "second"))
    apis.advance(2)
    assert not driving.get(first).has_ended
    problem = driving.get(second).problem
    assert problem is not None
    assert problem.kind is Kind.RATE_LIMITED
    assert driving.results(driving.get(second)) == []


def test_an_empty_account_fails_rows_as_the_account_does(apis: BatchApis) -> None:
    driving = Driving("anthropic", apis)
    apis.plan(Plan(ending=Planned.FAILED))
    job = driving.created(driving.rows(2))
    apis.advance(60)
    kinds = {each.outcome.kind for each in driving.results(driving.get(job)) if isinstance(each, RowResult) and each.outcome}  # type: ignore[union-attr]
    assert kinds == {Kind.QUOTA}


def test_a_created_job_is_no_other(driving: Driving) -> None:
    _, outcome = driving.submit(driving.rows(1))
    assert isinstance(outcome, Created)
    assert outcome.job.remote_id == driving.apis.jobs[0].id

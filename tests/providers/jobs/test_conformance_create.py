"""Every driver tells the three ends of a create call: the job exists, no job came of it, or it is uncertain."""

import pytest

from providers.base import Failure
from providers.failures import Kind
from providers.jobs.base import Found, NotCreated, Uncertain
from tests.batch_apis import BatchApis, Create, Plan
from tests.providers.jobs.driving import Driving


@pytest.mark.parametrize("create", [Create.REFUSED, Create.BUSY])
def test_a_refused_create_is_certain(driving: Driving, create: Create) -> None:
    driving.apis.plan(Plan(create=create, retry_after=30))
    _, outcome = driving.submit(driving.rows(2))
    assert isinstance(outcome, NotCreated)
    assert outcome.later is (create is Create.BUSY)
    assert outcome.failure.retry_after == (30 if create is Create.BUSY else None)
    assert not driving.apis.jobs


@pytest.mark.parametrize("create", [Create.LOST_ANSWER, Create.ERROR_AFTER, Create.ERROR_BEFORE, Create.DROPPED])
def test_a_create_without_a_good_answer_is_uncertain_and_sent_once(driving: Driving, create: Create) -> None:
    driving.apis.plan(Plan(create=create))
    _, outcome = driving.submit(driving.rows(2))
    assert isinstance(outcome, Uncertain)
    posts = [path for method, path in driving.apis.world.calls if method == "POST" and path.endswith("batches")]
    assert len(posts) == 1


@pytest.mark.parametrize("create", [Create.LOST_ANSWER, Create.ERROR_AFTER])
def test_a_job_of_an_uncertain_create_is_found_again(driving: Driving, create: Create) -> None:
    driving.created(driving.rows(5), marker="another")
    driving.apis.plan(Plan(create=create))
    intent, _ = driving.submit(driving.rows(2))
    found = driving.run(lambda driver: driver.find(intent))
    assert isinstance(found, Found)
    assert [job.remote_id for job in found.jobs] == [driving.apis.jobs[1].id]


def test_a_complete_list_shows_that_nothing_was_created(driving: Driving) -> None:
    driving.created(driving.rows(5), marker="another")
    driving.apis.plan(Plan(create=Create.DROPPED))
    intent, _ = driving.submit(driving.rows(2))
    found = driving.run(lambda driver: driver.find(intent))
    assert isinstance(found, Found)
    assert not found.jobs
    assert found.is_complete


def test_no_file_yet_means_later(apis: BatchApis) -> None:
    driving = Driving("openai", apis)
    apis.plan(Plan(no_file=1))
    _, outcome = driving.submit(driving.rows(1))
    assert isinstance(outcome, NotCreated)
    assert outcome.later


def test_a_hanging_provider_that_cannot_be_reached_created_nothing(driving: Driving) -> None:
    rows = driving.rows(1)
    intent, _ = driving.submit(rows)
    driving.apis.port, port = 1, driving.apis.port  # nothing listens there
    found = driving.run(lambda driver: driver.find(intent))
    driving.apis.port = port
    assert isinstance(found, Failure)
    assert found.kind is Kind.CONNECT

"""The delegator and many running jobs: how often it calls their provider."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import ProviderJob
from batches.rules.execution import JobState
from tests.engine.delegation.conftest import Stage

pytestmark = pytest.mark.both


@pytest.fixture
def family() -> str:
    return "openai"


def looks(stage: Stage) -> list[str]:
    """The calls that only read jobs, since the last time."""
    calls = [path.partition("?")[0] for method, path in stage.apis.world.calls if method == "GET"]
    stage.apis.world.calls.clear()
    return calls


def run(stage: Stage) -> list[ProviderJob]:
    """Twelve jobs that run at the provider and are due."""
    batch = stage.batch(12, execution="delegated")
    for _ in range(4):
        stage.work()
    ProviderJob.objects.filter(state=JobState.RUNNING).update(poll_at=timezone.now() - timedelta(seconds=1))
    looks(stage)
    return stage.jobs(batch)


@pytest.fixture(autouse=True)
def single(quick: None, settings: Settings) -> None:
    """Make each request a job of its own, which is seldom looked at by itself."""
    settings.SLICE_LINES = 1
    settings.JOB_ROWS = 1
    settings.JOB_POLL_SECONDS = 600.0
    settings.JOB_DOUBT_SECONDS = 600.0


def test_many_jobs_are_looked_at_with_one_call_where_the_provider_lists(stage: Stage) -> None:
    jobs = run(stage)
    assert {job.state for job in jobs} == {JobState.RUNNING}

    stage.work()

    assert len(looks(stage)) == 1
    assert all(job.poll_at is not None and job.poll_at > timezone.now() for job in stage.jobs(jobs[0].batch))


def test_where_none_lists_no_more_jobs_are_looked_at_in_a_minute_than_the_limit(stage: Stage, settings: Settings) -> None:
    jobs = run(stage)
    settings.JOB_POLLS_PER_MINUTE = 5
    ProviderJob.objects.update(family="groq")

    stage.work()

    assert len(looks(stage)) == 5
    assert all(job.poll_at is not None and job.poll_at > timezone.now() for job in stage.jobs(jobs[0].batch))

"""Whole batches through a provider's batch API: handed over, watched, brought home, and nothing left behind."""

import pytest

from batches.models import ProviderJob
from batches.rules.execution import JobState
from batches.rules.states import BatchStatus
from tests.cast import assert_counts_are_true, error_lines, output_lines
from tests.engine.delegation.conftest import Stage

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_batch_comes_home_whole_and_in_order(stage: Stage) -> None:
    batch = stage.play(stage.batch(25, marks={3: "[400]", 17: "[400]"}))

    assert batch.status == BatchStatus.COMPLETED
    assert (batch.succeeded, batch.failed, batch.total) == (23, 2, 25)
    assert [line["custom_id"] for line in output_lines(batch)] == [f"row-{n}" for n in range(25) if n not in (3, 17)]
    assert [line["custom_id"] for line in error_lines(batch)] == ["row-3", "row-17"]
    assert_counts_are_true(batch)
    assert sorted(len(job.rows) for job in stage.apis.jobs) == [5, 10, 10]
    assert [(job.state, job.succeeded, job.failed) for job in stage.jobs(batch)] == [
        (JobState.ENDED, 9, 1),
        (JobState.ENDED, 9, 1),
        (JobState.ENDED, 5, 0),
    ]


def test_nothing_is_left_behind_at_the_provider(stage: Stage) -> None:
    batch = stage.play(stage.batch(12))
    stage.until(lambda: not ProviderJob.objects.filter(removed_at=None).exists())

    assert not stage.apis.world.files
    if stage.family == "anthropic":
        assert all(job.is_deleted for job in stage.apis.jobs)
    assert all(job.left_behind == [] and job.poll_at is None for job in stage.jobs(batch))

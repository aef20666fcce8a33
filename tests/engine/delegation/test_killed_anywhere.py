"""A delegator is killed at each of its steps in turn. Another one finishes, and the provider's truth is compared."""

from datetime import timedelta

import pytest
from django.utils import timezone

from batches.models import Batch, ProviderJob, Slice
from batches.rules.states import BatchStatus
from tests.batch_apis import Oddity, Plan
from tests.engine.delegation.conftest import Stage
from tests.engine.delegation.killer import Killer, at_calls, at_statements
from tests.engine.delegation.proofs import assert_whole

pytestmark = pytest.mark.django_db(transaction=True)

ROWS = 4
MOST = 2000  # steps of one batch, at most


@pytest.mark.alike
def test_a_delegator_killed_at_any_call_leaves_one_job_and_every_result(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    killer = Killer()
    at_calls(killer, monkeypatch)
    with at_statements(killer, counted=False):
        _kill_at_each(killer, stage, steps=range(MOST))


@pytest.mark.long
def test_a_delegator_killed_at_any_statement_leaves_one_job_and_every_result(stage: Stage) -> None:
    killer = Killer()
    with at_statements(killer):
        _kill_at_each(killer, stage, steps=range(MOST))


def test_a_delegator_killed_at_some_statements_leaves_one_job_and_every_result(stage: Stage) -> None:
    killer = Killer()
    with at_statements(killer):
        _kill_at_each(killer, stage, steps=range(5, MOST, 17))


def _kill_at_each(killer: Killer, stage: Stage, *, steps: range) -> None:
    for step in steps:
        stage.apis.plan(Plan(oddities=(Oddity.SHUFFLED,)))
        batch, known = stage.batch(ROWS), len(stage.apis.jobs)
        with killer.at(step):
            stage.until(stage.settled(batch))
        _let_leases_run_out()
        batch = stage.play(batch)

        made = len(stage.apis.jobs) - known
        assert (made, batch.status, batch.succeeded) == (1, BatchStatus.COMPLETED, ROWS), f"killed at step {step}"
        assert_whole(stage, batch, rows=ROWS)
        _assert_left_nothing(stage, batch)
        if not killer.is_dead:
            assert step > 10
            return
    raise AssertionError("the delegator took more steps than a batch can need")


def _let_leases_run_out() -> None:
    over = timezone.now() - timedelta(seconds=1)
    ProviderJob.objects.exclude(lease_expires_at=None).update(lease_expires_at=over)
    Slice.objects.exclude(lease_expires_at=None).update(lease_expires_at=over)


def _assert_left_nothing(stage: Stage, batch: Batch) -> None:
    """Assert that no job is open, that its counts are those of its rows, and that no file is left at the provider."""
    stage.until(lambda: not ProviderJob.objects.filter(batch=batch).exclude(poll_at=None).exists())
    (job,) = stage.jobs(batch)
    assert (job.succeeded, job.failed, job.duplicates, job.late, job.foreign) == (ROWS, 0, 0, 0, 0)
    assert job.removed_at is not None
    assert not stage.apis.world.files
    assert all(each.is_deleted for each in stage.apis.jobs) or stage.family == "openai"

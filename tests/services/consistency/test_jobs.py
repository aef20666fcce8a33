"""What may disagree about jobs at providers' batch APIs is found, and mended where that is safe."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from batches.models import Batch, ProviderJob
from batches.rules.execution import JobState, Recall
from batches.rules.states import BatchStatus
from batches.services.consistency.verify import disagreements, mend
from batches.services.delegation.due import anything_due
from tests.cast import TESTER
from tests.services.delegation.conftest import HandOver, far, handed_over, local

__all__ = ["far", "handed_over", "local"]
pytestmark = pytest.mark.django_db

LONG_AGO = timedelta(hours=1)


@pytest.fixture
def job(handed_over: HandOver) -> ProviderJob:
    """A job that runs at its provider."""
    job, *_ = handed_over(4)
    change(job, state=JobState.RUNNING, sent_at=timezone.now(), remote_id="batch_1", poll_at=timezone.now())
    return job


def change(job: ProviderJob, **changes: object) -> None:
    ProviderJob.objects.filter(pk=job.pk).update(**changes)
    job.refresh_from_db()


def found() -> dict[str, str]:
    return {each.check.name: each.text for each in disagreements(Batch.objects.all(), now=timezone.now())}


def mended() -> None:
    """Mend everything, and assert that nothing is left."""
    assert [each.reason for each in mend(Batch.objects.all(), actor=TESTER, now=timezone.now()) if not each.done] == []
    assert found() == {}


def test_jobs_as_they_are_agree(job: ProviderJob) -> None:
    assert found() == {}


def test_requests_that_wait_for_a_job_that_is_over_are_left_to_others(job: ProviderJob) -> None:
    change(job, state=JobState.REFUSED, poll_at=None)

    assert "1 slices with open requests wait for it" in found()["over_jobs"]
    mended()
    assert not job.slices.exists()
    job.refresh_from_db()
    assert job.released_at is not None


@pytest.mark.parametrize(
    ("seen", "succeeded", "says"), [(b"\x01", 2, "counts 2 rows"), (b"\x03", 1, "has seen those of 2 lines")]
)
def test_a_row_that_was_counted_twice_or_not_at_all_is_found(job: ProviderJob, seen: bytes, succeeded: int, says: str) -> None:
    change(job, seen=seen, succeeded=succeeded)

    assert says in found()["job_counts"]


def unwatched(job: ProviderJob) -> str:
    change(job, poll_at=None)
    return "at no time"


def overdue(job: ProviderJob) -> str:
    change(job, poll_at=timezone.now() - LONG_AGO)
    return "nobody did"


@pytest.mark.parametrize("forget", [unwatched, overdue])
def test_an_open_job_that_nobody_looks_at_is_looked_at(job: ProviderJob, forget: Callable[[ProviderJob], str]) -> None:
    says = forget(job)
    change(job, updated_at=timezone.now() - LONG_AGO)

    assert says in found()["unwatched_jobs"]
    mended()
    assert anything_due(now=timezone.now())


def test_a_job_that_outlives_its_batch_is_taken_back(job: ProviderJob) -> None:
    then = timezone.now() - LONG_AGO
    stamps = {"status": BatchStatus.CANCELLED, "cancelled_at": then, "ended_at": then}
    Batch.objects.filter(pk=job.batch_id).update(**stamps)

    assert "nobody takes it back" in found()["outliving_jobs"]
    for each in mend(Batch.objects.all(), actor=TESTER, now=timezone.now()):
        assert each.done or each.disagreement.check.name != "outliving_jobs"
    job.refresh_from_db()
    assert job.recall == Recall.STOPPED


def test_a_lease_without_anything_to_do_is_ended(job: ProviderJob) -> None:
    change(job, state=JobState.ENDED, poll_at=None, lease_expires_at=timezone.now() - LONG_AGO)
    job.slices.update(provider_job=None)

    assert "nothing is to be done" in found()["leased_jobs"]
    mended()

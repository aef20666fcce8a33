"""Copies at providers' batch APIs: asked for again, and told of in the receipt."""

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, Erasure, Project, ProviderJob
from batches.rules.execution import JobState
from batches.services.delegation.tidy import removed
from batches.services.erasure.erase import NotErasable, ask, run
from batches.services.erasure.preview import preview
from batches.services.erasure.receipt import at_providers, summary
from batches.services.erasure.subject import Subject
from tests.cast import TESTER
from tests.services.pruned import mixed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator"), pytest.mark.once]

WHO = Subject("somebody-7")


@pytest.fixture
def batch(project: Project, settings: Settings) -> Batch:
    return mixed(project, settings, prefix="somebody")


@pytest.fixture
def job(batch: Batch) -> ProviderJob:
    """An ended job whose files its provider would not delete, so that nobody tries any more."""
    now = timezone.now()
    return ProviderJob.objects.create(
        batch=batch,
        provider=batch.provider,
        state=JobState.ENDED,
        marker="by1",
        first_line=1,
        last_line=10,
        input_ref="file-at-provider",
        left_behind=["file-at-provider: 500"],
        tries=5,
        created_at=now,
        updated_at=now,
        sent_at=now,
    )


def erased(batch: Batch) -> Erasure:
    erasure = ask(batch.project, WHO, reason="A letter.", actor=TESTER, now=timezone.now())
    assert run(erasure.pk, now=timezone.now()) is not None
    return Erasure.objects.get(pk=erasure.pk)


def test_files_that_a_provider_would_not_delete_are_tried_again(batch: Batch, job: ProviderJob) -> None:
    assert preview(batch.project, WHO).jobs == [job]
    receipt = erased(batch)
    job.refresh_from_db()
    assert job.poll_at is not None
    assert job.tries == 0
    assert any("by1" in line and line.startswith("Not erased") for line in summary(receipt))
    assert "are being deleted" in next(at_providers(receipt))

    removed(job, [], now=timezone.now())
    assert "deleted the files of job by1" in next(at_providers(receipt))


def test_what_a_provider_keeps_in_spite_of_all_is_told_of(batch: Batch, job: ProviderJob) -> None:
    receipt = erased(batch)
    ProviderJob.objects.update(poll_at=None, left_behind=["file-at-provider: 403"])
    assert "could not delete file-at-provider: 403" in next(at_providers(receipt))


def test_a_job_that_is_open_is_waited_for(batch: Batch, job: ProviderJob) -> None:
    ProviderJob.objects.update(state=JobState.RUNNING)
    with pytest.raises(NotErasable, match="still open at their provider: by1"):
        ask(batch.project, WHO, reason="A letter.", actor=TESTER, now=timezone.now())

"""When a job is looked at again and cancelled at its provider, and the inputs that jobs are made of."""

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from django.utils import timezone

from batches.models import Batch, BatchObject, OnInvalid
from batches.rules.execution import JobState, Recall
from batches.rules.states import BatchStatus
from batches.services.delegation import watching
from batches.services.delegation.creating import submitting
from batches.services.delegation.creating.hand_over import hand_over_some
from batches.services.delegation.take_back import recall_due
from batches.services.intake.extras import Extras
from batches.services.upkeep import old_batches
from providers.jobs.base import JobStatus, Snapshot
from providers.jobs.profiles import PROFILES
from providers.models import Provider
from tests.cast import ended, request_line, started
from tests.services.delegation.conftest import GOOD, Desk, lines_of

pytestmark = pytest.mark.django_db

RUNS = Snapshot("remote-1", JobStatus.RUNNING, "in_progress")
FORGETFUL = "forgetful"


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch, local: Provider) -> Provider:
    """The provider, as one where a cancelled job brings nothing home."""
    monkeypatch.setitem(PROFILES, FORGETFUL, replace(PROFILES["openai"], name=FORGETFUL, cancel_keeps=False))
    Provider.objects.filter(pk=local.pk).update(jobs_family=FORGETFUL)
    local.refresh_from_db()
    return local


def test_a_job_that_was_taken_back_while_it_was_created_is_cancelled_at_once(desk: Desk) -> None:
    [job] = desk.jobs(desk.batch(5))
    leased = desk.leased(job)
    now = timezone.now()
    assert submitting.begin_sending(leased, before="", now=now)
    type(job).objects.filter(pk=job.pk).update(recall=Recall.PERSON, recalled_at=now)

    submitting.created(leased, RUNS, now=now)

    job.refresh_from_db()
    assert (job.state, job.poll_at) == (JobState.RUNNING, now)
    assert watching.is_to_be_cancelled(desk.leased(job))


@pytest.mark.parametrize("recall", list(Recall))
def test_a_job_that_was_taken_back_is_cancelled_once(desk: Desk, recall: Recall) -> None:
    [job] = desk.jobs(desk.batch(5))
    desk.in_state(job, JobState.RUNNING)
    assert not watching.is_to_be_cancelled(job)
    job.recall = recall
    assert watching.is_to_be_cancelled(job)
    job.cancel_asked_at = timezone.now()
    assert not watching.is_to_be_cancelled(job)


@pytest.mark.usefixtures("forgetful")
def test_where_cancelling_keeps_nothing_a_job_runs_on_until_its_batch_has_ended(desk: Desk) -> None:
    batch = desk.batch(10, execution="hybrid")
    [job] = desk.jobs(batch)
    desk.in_state(job, JobState.RUNNING)
    late = batch.expires_at - timedelta(minutes=4)

    recall_due(now=late)
    job = desk.leased(job)
    assert (job.recall, job.released_at, watching.is_to_be_cancelled(job)) == (Recall.LATE, late, False)

    desk.brings(job, dict.fromkeys(list(lines_of(job))[:4], GOOD))
    assert Batch.objects.get(pk=batch.pk).counts.succeeded == 4
    desk.in_state(job, JobState.RUNNING)
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.FINALIZING, finalizing_at=late)
    assert watching.is_to_be_cancelled(desk.leased(job))


def test_skipped_lines_are_in_no_job(desk: Desk) -> None:
    content = b"".join([request_line("a"), b"{broken\n", request_line("c")])
    batch = started(desk.project, content, execution="delegated", on_invalid=OnInvalid.SKIP)
    hand_over_some(now=timezone.now())

    [job] = desk.jobs(batch)
    rows = [row.wire_id for some in submitting.rows_of(job) for row in some]

    assert (job.rows, [name.rpartition("r")[2] for name in rows]) == (2, ["1", "3"])
    desk.ends(job, {1: GOOD, 3: GOOD})
    done = ended(batch)
    assert (done.status, done.succeeded, done.failed) == (BatchStatus.COMPLETED, 2, 1)


def test_requests_without_a_model_get_that_of_the_create_call(desk: Desk) -> None:
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": []}}
    batch = started(desk.project, msgspec.json.encode(line) + b"\n", execution="delegated", model="m-large")
    hand_over_some(now=timezone.now())

    [job] = desk.jobs(batch)
    [[row]] = list(submitting.rows_of(job))

    assert job.model == "m-large"
    assert msgspec.json.decode(row.body)["model"] == "m-large"


def test_a_create_call_passes_the_headers_of_its_batch_on(desk: Desk) -> None:
    batch = desk.batch(5, extras=Extras(betas=("a-beta",)))
    leased = desk.leased(desk.jobs(batch)[0])
    submitting.begin_sending(leased, before="", now=timezone.now())

    assert submitting.intent_of(leased).extras == Extras(betas=("a-beta",))


def test_a_batch_stays_as_long_as_something_of_it_is_left_at_its_provider(desk: Desk, settings: object) -> None:
    settings.BATCH_RETENTION_DAYS = 1  # type: ignore[attr-defined]
    batch = desk.batch(5)
    [job] = desk.jobs(batch)
    desk.ends(job, dict.fromkeys(lines_of(job), GOOD))
    ended(batch)
    later = timezone.now() + timedelta(days=3)
    Batch.objects.filter(pk=batch.pk).update(created_at=timezone.now() - timedelta(days=1))

    assert old_batches.remove_old_batches(now=later) == 0
    type(job).objects.filter(pk=job.pk).update(poll_at=None, left_behind=["file-1"])
    assert old_batches.remove_old_batches(now=later) == 0
    type(job).objects.filter(pk=job.pk).update(left_behind=[], removed_at=later)
    assert old_batches.remove_old_batches(now=later) == 1
    assert not BatchObject.objects.filter(batch=batch.pk).exists()

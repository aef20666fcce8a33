"""What is known of the jobs of delegated batches, from the database, and that nothing takes such a batch for stuck or late."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.http import QueryDict
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from batches.filters import BatchFilter
from batches.models import Batch, Project, ProviderHealth, ProviderJob, Slice, load_counts
from batches.rules.execution import IncidentCode, JobState
from batches.rules.states import BatchStatus
from batches.services.core.direct import carried_directly
from batches.services.delegation.creating.hand_over import hand_over
from batches.services.delegation.incidents import open_incident
from batches.services.delegation.take_back import recall_due, release_slices
from batches.services.standing.batch_state import BatchCode
from batches.services.standing.look import facts_of, states_of_batches
from batches.services.standing.provider_jobs import job_facts
from batches.services.tally.late_batches import assess
from providers.models import Provider
from tests.cast import provider_at, request_lines, started

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider(project: Project, settings: Settings) -> Provider:
    """A provider with a batch API, whose jobs have 10 requests."""
    settings.SLICE_LINES, settings.JOB_ROWS = 5, 10
    project.may_delegate = True
    project.save()
    return provider_at("http://127.0.0.1:9", jobs_family="openai")


def delegated(project: Project, *states: str, execution: str = "delegated", rows: int = 25) -> Batch:
    """A batch that was handed over, with its jobs in these states."""
    batch, now = started(project, request_lines(rows), execution=execution), timezone.now()
    jobs = hand_over(batch.pk, now=now)
    for job, state in zip(jobs, states, strict=False):
        ProviderJob.objects.filter(pk=job.pk).update(state=state, sent_at=now, started_at=now)
    return Batch.objects.select_related("project", "provider").get(pk=batch.pk)


def age(batch: Batch, **changes: Any) -> datetime:
    """Begin a batch an hour before the moment that is returned."""
    now = timezone.now() + timedelta(hours=1)
    Batch.objects.filter(pk=batch.pk).update(begun_at=timezone.now(), **changes)
    Slice.objects.filter(batch=batch).update(last_settled_at=timezone.now())
    batch.refresh_from_db()
    return now


def test_jobs_are_counted_by_state_with_their_requests(project: Project, provider: Provider) -> None:
    batch = delegated(project, "running", "uncertain")
    ProviderJob.objects.filter(state="running").update(recall="person")
    held = ProviderJob.objects.get(state="uncertain")
    open_incident(held, IncidentCode.UNCERTAIN, "No answer.", now=timezone.now())
    open_incident(held, IncidentCode.AMBIGUOUS, "Two jobs.", now=timezone.now())

    found = job_facts([batch])[batch.pk]

    assert found.jobs == {JobState.RUNNING: 1, JobState.UNCERTAIN: 1, JobState.PREPARING: 1}
    assert found.requests == {JobState.RUNNING: 10, JobState.UNCERTAIN: 10, JobState.PREPARING: 5}
    assert (found.held, found.recalled, found.at_provider, found.direct) == (1, 1, 2, 0)


def test_a_job_whose_requests_were_left_to_others_is_not_counted(project: Project, provider: Provider) -> None:
    batch = delegated(project, "running", "running", "running")
    release_slices(ProviderJob.objects.earliest("first_line"), now=timezone.now())

    found = job_facts([batch])[batch.pk]

    assert (found.jobs, found.direct) == ({JobState.RUNNING: 2}, 10)


def test_many_batches_take_as_many_queries_as_one_and_direct_ones_none(
    project: Project, provider: Provider, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    batches = [delegated(project, "running", rows=15) for _ in range(3)]
    direct = started(project, request_lines(1))
    with django_assert_num_queries(4):
        assert len(job_facts([*batches, direct])) == 3
    with django_assert_num_queries(0):
        assert job_facts([direct]) == {}


@pytest.mark.parametrize("execution", ["delegated", "hybrid"])
def test_a_batch_at_its_provider_is_never_without_progress(project: Project, provider: Provider, execution: str) -> None:
    batch = delegated(project, "running", "running", "running", execution=execution)
    now = age(batch)
    load_counts([batch])

    assert states_of_batches([batch], now=now)[batch.pk].code is BatchCode.AT_PROVIDER
    assert facts_of(batch, now=now).idle_for is None
    for condition in ("no_progress", "stuck"):
        assert not BatchFilter(QueryDict(f"condition={condition}"), queryset=Batch.objects.all(), now=now).matching.exists()


def test_what_a_hybrid_batch_took_back_may_be_without_progress(project: Project, provider: Provider) -> None:
    batch = delegated(project, "running", "running", "running", execution="hybrid")
    release_slices(ProviderJob.objects.earliest("first_line"), now=timezone.now())
    now = age(batch)
    load_counts([batch])

    assert states_of_batches([batch], now=now)[batch.pk].code is BatchCode.NO_PROGRESS


def test_a_cancelled_batch_makes_progress_while_its_jobs_may_come_home(
    project: Project, provider: Provider, settings: Settings
) -> None:
    settings.JOB_CANCEL_SECONDS = 7200
    batch = delegated(project, "running", "running", "running")
    now = age(batch, status=BatchStatus.CANCELLING, cancelling_at=timezone.now())
    assert facts_of(batch, now=now).idle_for is None

    settings.JOB_CANCEL_SECONDS = 60
    assert facts_of(batch, now=now).idle_for is not None


def test_a_provider_whose_calls_fail_holds_no_batch_back_that_is_in_jobs(project: Project, provider: Provider) -> None:
    batch = delegated(project, "running", "running", "running")
    now = timezone.now()
    soon = now + timedelta(minutes=1)
    ProviderHealth.objects.create(
        provider=provider, breaker="open", breaker_until=soon, breaker_kind="timeout", concurrency=1, updated_at=now
    )
    load_counts([batch])

    assert states_of_batches([batch], now=now)[batch.pk].code is BatchCode.AT_PROVIDER
    down = BatchFilter(QueryDict("condition=provider_down"), queryset=Batch.objects.all(), now=now).matching
    assert not down.exists()


@pytest.mark.parametrize(("execution", "at_risk"), [("delegated", False), ("hybrid", False), ("direct", True)])
def test_the_pace_of_direct_calls_says_nothing_of_requests_in_jobs(
    project: Project, provider: Provider, execution: str, *, at_risk: bool
) -> None:
    batch = delegated(project, "running", "running", "running", execution=execution)
    Batch.objects.update(created_at=timezone.now() - timedelta(hours=23), in_progress_at=timezone.now() - timedelta(hours=22))
    Batch.objects.update(expires_at=timezone.now() + timedelta(hours=1))

    assess(now=timezone.now())

    batch.refresh_from_db()
    assert (batch.at_risk_since is not None) is at_risk


def test_only_what_was_taken_back_counts_as_left_to_direct_calls(project: Project, provider: Provider) -> None:
    batch = delegated(project, "running", "running", "running", execution="hybrid")
    assert not Batch.objects.filter(carried_directly()).exists()
    release_slices(ProviderJob.objects.earliest("first_line"), now=timezone.now())
    assert Batch.objects.filter(carried_directly()).get() == batch


def test_a_batch_whose_jobs_are_taken_back_for_its_deadline_is_at_risk(project: Project, provider: Provider) -> None:
    batch = delegated(project, "running", "running", "running", execution="hybrid")
    recall_due(now=timezone.now())
    batch.refresh_from_db()
    assert batch.at_risk_since is None

    late = batch.expires_at - timedelta(minutes=5)
    recall_due(now=late)
    batch.refresh_from_db()
    assert batch.at_risk_since == late

    assess(now=late)
    batch.refresh_from_db()
    assert batch.at_risk_since == late, "the pace of direct calls takes it back only when there are any"

"""What keeps a batch is read from the database."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from batches.models import Batch, Project, ProviderHealth, Slice, Worker
from batches.services.control.block import block_provider
from batches.services.control.cancel import cancel
from batches.services.insight.waiting import Cause, waiting
from batches.services.lifecycle.claim import Appetite, claim
from providers.models import Provider
from tests.cast import TESTER, request_lines, started, submitted

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SOON = NOW + timedelta(minutes=1)
GONE = NOW - timedelta(minutes=1)


@pytest.fixture
def batch(project: Project, simulator: Provider, settings: Settings) -> Batch:
    """Six objects in three slices; an executor and a control worker are there."""
    settings.SLICE_LINES = 2
    now = timezone.now()
    for role in Worker.Role.values:
        Worker.objects.create(role=role, name="host:1", started_at=now, seen_at=now)
    return started(project, request_lines(6))


def fresh(batch: Batch) -> Batch:
    return Batch.objects.select_related("provider").get(pk=batch.pk)


def lease_one(batch: Batch) -> None:
    claim(executor=uuid.uuid4(), appetite=Appetite(1), now=timezone.now())


def hold_back(batch: Batch) -> None:
    Slice.objects.filter(batch=batch).update(not_before=timezone.now() + timedelta(minutes=1))


def disable(batch: Batch) -> None:
    Provider.objects.filter(pk=batch.provider_id).update(enabled=False)


def limit(batch: Batch) -> None:
    now = timezone.now()
    ProviderHealth.objects.create(
        provider=batch.provider, concurrency=1, limited_until=now + timedelta(minutes=1), updated_at=now
    )


def limit_another_model(batch: Batch) -> None:
    now = timezone.now()
    ProviderHealth.objects.create(
        provider=batch.provider, model="other", concurrency=1, limited_until=now + timedelta(minutes=1), updated_at=now
    )


def forget_workers(batch: Batch) -> None:
    Worker.objects.update(seen_at=timezone.now() - timedelta(minutes=1))
    Batch.objects.filter(pk=batch.pk).update(
        in_progress_at=timezone.now() - timedelta(minutes=1), updated_at=timezone.now() - timedelta(minutes=1)
    )


def block(batch: Batch) -> None:
    block_provider(batch.provider_id, reason="Its credential is missing.", now=timezone.now())


def block_while_another_works(batch: Batch) -> None:
    lease_one(batch)
    block(batch)
    Slice.objects.update(lease_owner=None, lease_expires_at=None)


def stop(batch: Batch) -> None:
    cancel(batch, actor=TESTER, now=timezone.now())


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("happened", "cause"),
    [
        (lambda _: None, Cause.QUEUE_POSITION),
        (lease_one, None),
        (hold_back, Cause.BACKOFF),
        (disable, Cause.PROVIDER_DISABLED),
        (limit, Cause.RATE_LIMITED),
        (limit_another_model, Cause.QUEUE_POSITION),
        (forget_workers, Cause.NO_WORKER),
        (block, Cause.BLOCKED),
        (block_while_another_works, Cause.QUEUE_POSITION),
        (stop, Cause.WINDING_UP),
    ],
)
def test_what_keeps_a_batch_is_read_from_the_database(
    batch: Batch, happened: Callable[[Batch], None], cause: Cause | None
) -> None:
    happened(batch)
    found = waiting(fresh(batch), now=timezone.now())
    assert (found and found.cause) == cause


@pytest.mark.django_db
def test_a_batch_that_ended_waits_for_nothing(batch: Batch, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    now = timezone.now()
    Batch.objects.update(status="cancelled", cancelled_at=now, ended_at=now)
    ended = fresh(batch)
    with django_assert_num_queries(0):
        assert waiting(ended, now=now) is None


@pytest.mark.django_db
def test_its_place_is_that_of_the_claim(
    batch: Batch, project: Project, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    second, urgent = (started(project, request_lines(1)) for _ in range(2))
    Batch.objects.filter(pk=urgent.pk).update(priority=5)
    places = []
    for one in (urgent, batch, second):
        known = fresh(one)
        with django_assert_num_queries(6):
            found = waiting(known, now=timezone.now())
        assert found is not None
        places.append(found.details)
    assert places == [{"ahead": 0}, {"ahead": 1}, {"ahead": 2}]


@pytest.mark.django_db
def test_a_batch_that_is_not_validated_waits_for_that(batch: Batch, project: Project) -> None:
    found = waiting(submitted(project, request_lines(1)), now=timezone.now())
    assert found is not None
    assert found.cause == Cause.NOT_VALIDATED

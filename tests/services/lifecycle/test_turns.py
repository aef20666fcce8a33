"""Whose turn it is: what the database tells about the running batches."""

import uuid
from copy import copy
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings
from uuid_utils.compat import uuid7

from batches.models import Batch, Project, Slice
from batches.services.lifecycle.claim import Appetite, claim
from batches.services.lifecycle.turns import MOST_OF_A_PROJECT, candidates
from providers.models import Provider
from tests.cast import request_lines, started

EXECUTOR = uuid.UUID(int=99)


@pytest.fixture
def batch(project: Project, simulator: Provider, settings: Settings) -> Batch:
    """Six objects in three slices."""
    settings.SLICE_LINES = 2
    return started(project, request_lines(6))


@pytest.mark.django_db
def test_a_batch_is_seen_with_what_is_free_and_what_it_costs(batch: Batch) -> None:
    [candidate] = candidates(now=timezone.now(), most=9)
    assert (candidate.batch_id, candidate.project_id, candidate.provider_id) == (batch.pk, batch.project_id, batch.provider_id)
    assert (candidate.created_at, candidate.priority, candidate.at_risk) == (batch.created_at, 0, False)
    assert (candidate.free, candidate.weight, candidate.served, candidate.project_served) == (3, 2, 0, 0)
    assert not candidate.begun


@pytest.mark.django_db
def test_no_more_slices_are_counted_than_anybody_wants(batch: Batch) -> None:
    assert [candidate.free for candidate in candidates(now=timezone.now(), most=2)] == [2]


@pytest.mark.django_db
def test_what_is_leased_counts_for_its_batch_and_for_its_project(batch: Batch, project: Project) -> None:
    claim(executor=EXECUTOR, appetite=Appetite(1), now=timezone.now())
    other = started(project, request_lines(1))
    found = {candidate.batch_id: candidate for candidate in candidates(now=timezone.now(), most=9)}
    assert (found[batch.pk].free, found[batch.pk].served, found[batch.pk].project_served) == (2, 2, 2)
    assert found[batch.pk].begun
    assert not found[other.pk].begun
    assert (found[other.pk].free, found[other.pk].served, found[other.pk].project_served) == (1, 0, 2)


@pytest.mark.django_db
def test_a_lease_that_ran_out_counts_no_more(batch: Batch, settings: Settings) -> None:
    claim(executor=EXECUTOR, appetite=Appetite(3), now=timezone.now())
    later = timezone.now() + timedelta(seconds=settings.LEASE_SECONDS + 1)
    assert [(candidate.free, candidate.served) for candidate in candidates(now=later, most=9)] == [(3, 0)]


@pytest.mark.django_db
def test_long_requests_cost_more_than_short_ones(batch: Batch) -> None:
    Slice.objects.update(input_start=0, input_end=2 * 3 * 4096)
    assert [candidate.weight for candidate in candidates(now=timezone.now(), most=1)] == [2 + 2 * 3]


@pytest.mark.django_db
def test_what_is_at_risk_is_told(batch: Batch) -> None:
    Batch.objects.update(at_risk_since=timezone.now())
    assert [candidate.at_risk for candidate in candidates(now=timezone.now(), most=1)] == [True]


@pytest.mark.django_db
def test_a_project_with_many_batches_does_not_hide_another(
    batch: Batch, other_project: Project, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    many(batch, MOST_OF_A_PROJECT + 5)
    late = started(other_project, request_lines(1))
    with django_assert_num_queries(1):
        found = candidates(now=timezone.now(), most=1)
    assert len(found) == MOST_OF_A_PROJECT + 1
    assert late.pk in {candidate.batch_id for candidate in found}
    assert batch.pk in {candidate.batch_id for candidate in found}, "the oldest of the others is among them"


@pytest.mark.django_db
@pytest.mark.servers
def test_batches_that_have_ended_are_not_read(batch: Batch) -> None:
    """However many there are, and however many slices they had."""
    ended = many(batch, 3000)
    now = timezone.now()
    Batch.objects.filter(pk__in=ended).update(status="cancelled", cancelled_at=now, ended_at=now)
    Slice.objects.filter(batch__in=ended).update(pending=0, cancelled=2)
    with CaptureQueriesContext(connection) as asked:
        assert len(candidates(now=now, most=1)) == 1
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        cursor.execute(f"EXPLAIN {asked.captured_queries[0]['sql']}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "slice_leased" in plan
    assert f"Seq Scan on {Slice._meta.db_table}" not in plan
    assert f"Seq Scan on {Batch._meta.db_table}" not in plan


def many(batch: Batch, count: int) -> list[uuid.UUID]:
    """Younger copies of a batch, each with one slice."""
    whole = Batch.objects.get(pk=batch.pk)
    copies = []
    for number in range(1, count + 1):
        whole.pk, whole.created_at = uuid7(), batch.created_at + timedelta(seconds=number)
        copies.append(copy(whole))
    Batch.objects.bulk_create(copies)
    Slice.objects.bulk_create(
        Slice(batch=made, first_line=1, last_line=2, input_start=0, input_end=9, total=2, pending=2) for made in copies
    )
    return [made.pk for made in copies]

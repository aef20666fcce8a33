"""What is counted while batches run, as readers of metrics get it."""

import math

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, MetricTotal, Project, Slice
from batches.services.consistency.verify import verify_recent
from batches.services.control.cancel import cancel
from batches.services.lifecycle.claim import Appetite, claim
from batches.services.telemetry import counts
from batches.services.telemetry.catalogue import ATTEMPTS, CATALOGUE
from batches.services.upkeep.reconcile import reconcile
from providers.models import Provider
from tests.answers import refuse, succeed
from tests.cast import TESTER, ended, provider_at, request_lines, run_executor, started, submitted
from tests.engine.executors import named
from tests.services.insight.metrics.conftest import Read
from tests.upstream import Upstream, upstream

__all__ = ["upstream"]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def provider(transactional_db: None, upstream: Upstream) -> Provider:
    return provider_at(upstream.base_url)


def test_outcomes_attempts_and_ends_are_counted_once(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings, read: Read
) -> None:
    settings.BACKOFF_BASE_SECONDS = 0.01
    upstream.behave(
        lambda request: refuse(429) if request.repeat == 1 else refuse(400) if named(request) in ("row-1", "row-2") else succeed()
    )
    batch = started(project, request_lines(10))
    run_executor()
    ended(batch)

    assert read("batchyard_objects_settled_total", "outcome") == {"succeeded": 8, "failed": 2, "cancelled": 0, "expired": 0}
    assert read("batchyard_attempts_total", "provider", "kind") == {
        "local,succeeded": 8,
        "local,invalid_request": 2,
        "local,rate_limited": 10,
    }
    assert read("batchyard_throttles_total", "provider") == {"local": 10}
    assert read("batchyard_attempt_seconds_count", "provider") == {"local": 20}
    assert 0 < read("batchyard_attempt_seconds_sum", "provider")["local"] < 60
    assert read("batchyard_batches_submitted_total") == {"": 1}
    assert read("batchyard_batches_ended_total", "status") == {"completed": 1, "failed": 0, "cancelled": 0, "expired": 0}
    assert read("batchyard_duplicates_total", "kind") == {"job": 0, "late": 0, "dropped": 0}


def test_the_buckets_of_a_histogram_add_up(project: Project, provider: Provider, read: Read) -> None:
    started(project, request_lines(3))
    run_executor()

    buckets = read("batchyard_claim_seconds_bucket", "le")

    assert list(buckets.values()) == sorted(buckets.values())
    assert buckets["+Inf"] == read("batchyard_claim_seconds_count")[""] > 0
    assert [float(bound) for bound in buckets] == [
        0.001,
        0.0025,
        0.005,
        0.01,
        0.025,
        0.05,
        0.1,
        0.25,
        0.5,
        1.0,
        2.5,
        10.0,
        math.inf,
    ]


def test_an_executor_tells_its_counts_by_itself(project: Project, provider: Provider) -> None:
    started(project, request_lines(3))

    run_executor()

    assert MetricTotal.objects.get(name="batchyard_objects_settled", labels='["succeeded"]').total == 3
    assert not counts.anything()


def test_objects_of_a_cancelled_batch_are_counted_when_they_get_their_outcome(
    project: Project, provider: Provider, settings: Settings, read: Read
) -> None:
    settings.SLICE_LINES = 2
    batch = started(project, request_lines(7))
    cancel(batch, actor=TESTER, now=timezone.now())
    ended(batch)

    assert read("batchyard_objects_settled_total", "outcome")["cancelled"] == 7
    assert read("batchyard_batches_ended_total", "status")["cancelled"] == 1


def test_a_lease_that_ran_out_is_counted_when_another_executor_takes_it(project: Project, provider: Provider, read: Read) -> None:
    started(project, request_lines(3))
    now = timezone.now()
    claim(executor=provider.pk, appetite=Appetite(1), now=now)
    Slice.objects.update(lease_expires_at=now)

    claim(executor=project.pk, appetite=Appetite(1), now=timezone.now())

    assert read("batchyard_leases_lost_total", "kind") == {"expired": 1, "fenced": 0}


def test_reconcile_counts_what_it_finds(project: Project, provider: Provider, read: Read) -> None:
    submitted(project, request_lines(1))
    overdue = started(project, request_lines(1))
    Batch.objects.filter(pk=overdue.pk).update(expires_at=timezone.now())
    started(project, request_lines(1))

    reconcile(now=timezone.now())

    assert read("batchyard_reconcile_findings_total", "kind") == {
        "overdue": 1,
        "unvalidated": 1,
        "unfinished": 1,
        "unclaimed": 1,
    }


def test_verify_counts_what_it_mends(project: Project, provider: Provider, read: Read) -> None:
    batch = started(project, request_lines(3))
    run_executor()
    batch = ended(batch)
    Batch.objects.filter(pk=batch.pk).update(succeeded=2, failed=1)

    verify_recent(now=timezone.now())

    assert read("batchyard_verify_findings_total", "result") == {"mended": 1, "left": 0}


def test_providers_beyond_the_bound_share_a_label_and_no_total_is_lost(
    project: Project, provider: Provider, settings: Settings, read: Read
) -> None:
    newer = Provider.objects.create(name="newer", adapter="simulator")
    gone = Provider.objects.create(name="gone", adapter="simulator")
    for number, one in enumerate((provider, newer, gone), start=1):
        counts.count(ATTEMPTS, one.pk.hex, "succeeded", by=number)
    gone.delete()

    assert read("batchyard_attempts_total", "provider") == {"local": 1, "newer": 2, "other": 3}

    settings.METRICS_MOST_PROVIDERS = 1
    assert read("batchyard_attempts_total", "provider") == {"local": 1, "other": 5}


def test_no_row_of_another_release_is_a_fault(read: Read) -> None:
    MetricTotal.objects.create(name="batchyard_of_the_future", labels='["x"]', total=1)

    assert set(read("batchyard_source_up", "source").values()) == {1}
    assert {counted.name for counted in CATALOGUE}.isdisjoint({"batchyard_of_the_future"})

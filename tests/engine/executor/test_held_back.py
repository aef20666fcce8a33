"""Batches that are held back while they run: paused, cancelled, routed elsewhere, or sent for again."""

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.engine.limits import keeping
from batches.models import Batch, Project, Slice
from batches.services.control.cancel import cancel
from batches.services.retry.retry import retry
from batches.services.retry.selection import EVERYTHING
from providers.models import Provider
from tests.answers import refuse, stay_silent, succeed
from tests.cast import TESTER, assert_counts_are_true, provider_at, request_lines, run_executor, started, statuses
from tests.engine.executors import executors, named, sent
from tests.upstream import Upstream
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

WINDOW = 6.0  # seconds in place of a minute


@pytest.fixture(autouse=True)
def short_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute is short, and no limits are known from another test."""
    monkeypatch.setattr(keeping, "WINDOW_SECONDS", WINDOW)
    keeping.limits.cache_clear()


def fresh(batch: Batch) -> Batch:
    return Batch.objects.get(pk=batch.pk)


def test_a_paused_batch_sends_nothing_more_and_what_is_in_flight_may_take_its_time(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.EXECUTOR_CONCURRENCY, settings.CANCEL_GRACE_SECONDS = 2, 0.1
    upstream.behave(lambda _: succeed(delay=1.5))
    batch = started(project, request_lines(6))
    with executors(1):
        upstream.wait_until(lambda u: len(u.requests) == 2)
        Batch.objects.filter(pk=batch.pk).update(paused_at=timezone.now(), paused_by="tester")
    assert sorted(statuses(batch).values()) == ["pending"] * 4 + ["succeeded"] * 2
    assert upstream.abandoned == 0
    assert not Slice.objects.filter(lease_expires_at__isnull=False).exists()
    Batch.objects.filter(pk=batch.pk).update(paused_at=None)
    upstream.behave(lambda _: succeed())
    run_executor()
    assert set(statuses(batch).values()) == {"succeeded"}
    assert set(sent(upstream).values()) == {1}


def test_a_batch_that_is_cancelled_while_it_is_held_back_waits_no_longer_than_any(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.CANCEL_GRACE_SECONDS = 0.2
    upstream.behave(lambda _: stay_silent())
    batch = started(project, request_lines(2))
    with executors(1):
        upstream.wait_until(lambda u: len(u.requests) == 2)
        Batch.objects.filter(pk=batch.pk).update(paused_at=timezone.now())
        until(lambda: fresh(batch).paused_at)
        cancel(fresh(batch), actor=TESTER, now=timezone.now())
    assert upstream.abandoned == 2


def test_a_batch_that_is_routed_elsewhere_goes_on_there(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.EXECUTOR_CONCURRENCY, settings.SLICE_LINES = 2, 2
    upstream.behave(lambda _: succeed(delay=1.0))
    with Upstream() as elsewhere:
        batch = started(project, request_lines(10))
        other = provider_at(elsewhere.base_url, name="other")
        with executors(1):
            upstream.wait_until(lambda u: len(u.requests) == 2)
            Batch.objects.filter(pk=batch.pk).update(provider=other)
        assert (len(upstream.requests), len(elsewhere.requests)) == (2, 8)
    assert upstream.abandoned == 0
    assert set(statuses(batch).values()) == {"succeeded"}
    assert_counts_are_true(batch)


@pytest.mark.parametrize("while_held", [True, False])
def test_objects_that_are_to_be_sent_again_are_sent_in_another_round(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings, while_held: bool
) -> None:
    upstream.behave(
        lambda request: (
            refuse(400)
            if named(request) == "row-1" and request.repeat == 1
            else succeed(delay=1.0 if while_held and named(request) == "row-2" else 0.0)
        )
    )
    batch = started(project, request_lines(2))
    with executors(1):
        until(lambda: statuses(batch)["row-1"] == "failed")
        retry(fresh(batch), selection=EVERYTHING, actor=TESTER, now=timezone.now())
    run_executor()
    assert statuses(batch) == {"row-1": "succeeded", "row-2": "succeeded"}
    keys = [request.idempotency_key for request in upstream.requests if named(request) == "row-1"]
    assert [key.rpartition(".")[2] for key in keys] == ["1-1-0", "1-2-0"]
    assert sent(upstream) == {"row-1": 2, "row-2": 1}

"""What one worker lacks is left to others; and which executors there are at a time, and for how long."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.engine.executor import db_turn, take_up
from batches.models import Batch, Project, Slice, Worker
from batches.rules.states import BatchStatus
from providers.models import Provider
from tests.answers import succeed
from tests.cast import provider_at, request_lines, run_executor, started, statuses
from tests.engine.executors import executors, sent
from tests.upstream import Upstream
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


# --- What a worker lacks --------------------------------------------------------------------------------------


@pytest.fixture
def again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(take_up, "AGAIN_SECONDS", 0.1)


def test_a_credential_that_comes_to_the_worker_is_used(
    project: Project, upstream: Upstream, settings: Settings, monkeypatch: pytest.MonkeyPatch, again_soon: None
) -> None:
    """E4: another worker, or this one once it has the variable, carries the batch out."""
    monkeypatch.delenv("BATCHYARD_CREDENTIAL_GATEWAY", raising=False)
    settings.EXECUTOR_IDLE_SECONDS = 5.0
    provider_at(upstream.base_url, credential_env="BATCHYARD_CREDENTIAL_GATEWAY")
    batch = started(project, request_lines(3))
    with executors(1):
        until(lambda: Batch.objects.get(pk=batch.pk).blocked_until)
        reason = Batch.objects.get(pk=batch.pk).blocked_reason
        monkeypatch.setenv("BATCHYARD_CREDENTIAL_GATEWAY", "sk-1")
        until(lambda: set(statuses(batch).values()) == {"succeeded"})
    assert reason == "Provider local: Environment variable BATCHYARD_CREDENTIAL_GATEWAY is not set."
    assert Batch.objects.get(pk=batch.pk).blocked_until is None
    assert {request.headers["authorization"] for request in upstream.requests} == {"Bearer sk-1"}


def test_a_volume_that_is_not_mounted_fails_nothing(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings, again_soon: None
) -> None:
    """E4"""
    settings.EXECUTOR_IDLE_SECONDS = 5.0
    batch = started(project, request_lines(3))
    away = settings.MEDIA_ROOT.rename(settings.MEDIA_ROOT.with_name("away"))
    settings.MEDIA_ROOT.mkdir()  # where it is mounted
    with executors(1):
        until(lambda: Batch.objects.get(pk=batch.pk).blocked_until)
        assert "not there" in Batch.objects.get(pk=batch.pk).blocked_reason
        settings.MEDIA_ROOT.rmdir()
        away.rename(settings.MEDIA_ROOT)
        until(lambda: set(statuses(batch).values()) == {"succeeded"})
    assert Batch.objects.get(pk=batch.pk).status == BatchStatus.IN_PROGRESS


def test_a_simulator_that_is_switched_off_has_its_batches_wait(project: Project, simulator: Provider, settings: Settings) -> None:
    """E11"""
    batch = started(project, request_lines(2))
    settings.SIMULATOR = False
    run_executor()
    assert set(statuses(batch).values()) == {"pending"}
    assert "switched off" in Batch.objects.get(pk=batch.pk).blocked_reason


# --- Turns ----------------------------------------------------------------------------------------------------


def test_an_executor_whose_time_is_over_leaves_its_seat_and_loses_no_call(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    """E2: its calls take longer than a cancel would let them."""
    settings.EXECUTORS, settings.EXECUTOR_SECONDS, settings.CANCEL_GRACE_SECONDS = 1, 0.5, 0.2
    settings.EXECUTOR_CONCURRENCY = 2
    upstream.behave(lambda _: succeed(delay=1.5))
    batch = started(project, request_lines(4))
    with executors(1):
        upstream.wait_until(lambda u: len(u.requests) == 2)
    assert upstream.abandoned == 0
    assert sorted(statuses(batch).values()) == ["pending", "pending", "succeeded", "succeeded"]
    assert not Slice.objects.filter(lease_owner__isnull=False).exists()
    settings.EXECUTOR_SECONDS = 60.0
    run_executor()
    assert set(sent(upstream).values()) == {1}
    assert set(statuses(batch).values()) == {"succeeded"}


def test_executors_that_come_at_once_are_as_many_as_there_may_be(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    """E2: sixteen are woken, and one works."""
    settings.EXECUTORS, settings.SLICE_LINES = 1, 2
    upstream.behave(lambda _: succeed(delay=0.3))
    batch = started(project, request_lines(40))
    with executors(16):
        upstream.wait_until(lambda u: len(u.requests) >= 10)
        owners = Slice.objects.exclude(lease_owner=None).values_list("lease_owner", flat=True).distinct()
        assert len(set(owners)) == 1
    assert set(statuses(batch).values()) == {"succeeded"}


def test_an_executor_that_lost_its_seat_takes_up_nothing_more(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E2: it was not seen for so long that another one has its place."""
    monkeypatch.setattr(db_turn, "HEARTBEAT_SECONDS", 0.1)
    settings.EXECUTORS, settings.EXECUTOR_CONCURRENCY, settings.SLICE_LINES = 1, 2, 2
    upstream.behave(lambda _: succeed(delay=0.2))
    batch = started(project, request_lines(60))
    with executors(1):
        upstream.wait_until(lambda u: len(u.requests) > 2)
        now = timezone.now()
        Worker.objects.update(seat=None)
        Worker.objects.create(role="execute", name="another", seat=0, started_at=now, seen_at=now + timedelta(hours=1))
    assert set(statuses(batch).values()) == {"pending", "succeeded"}
    assert not Slice.objects.filter(lease_owner__isnull=False).exists()
    assert upstream.abandoned == 0

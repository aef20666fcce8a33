"""An executor that is interrupted: by a cancel, a deadline, its own end, another owner, or a database that is gone."""

from collections import Counter
from datetime import timedelta
from time import monotonic

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from batches.engine import shutdown
from batches.models import Batch, Project, Slice, Worker
from batches.rules.states import BatchStatus
from batches.services.control.cancel import cancel
from batches.services.upkeep.reconcile import reconcile
from providers.models import Provider
from tests.answers import refuse, stay_silent, succeed
from tests.cast import (
    TESTER,
    assert_counts_are_true,
    ended,
    error_lines,
    output_lines,
    request_lines,
    run_executor,
    started,
    statuses,
)
from tests.engine.executors import executors, named, sent
from tests.upstream import Upstream
from tests.waiting import allowed, until

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_cancel_reaches_the_executor_and_what_is_in_flight_settles(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.EXECUTOR_CONCURRENCY, settings.SLICE_LINES = 2, 3
    upstream.behave(lambda _: succeed(delay=1.0))
    batch = started(project, request_lines(9))
    with executors(1):
        upstream.wait_until(lambda u: len(u.requests) == 2)
        cancel(batch, actor=TESTER, now=timezone.now())
        cancelled_at = monotonic()
        assert ended(batch).status == "cancelling", "something is in flight"
    assert len(upstream.requests) == 2
    assert monotonic() - cancelled_at < allowed(3.0)
    batch = ended(batch)
    assert batch.status == "cancelled"
    assert (batch.succeeded, batch.cancelled, upstream.abandoned) == (2, 7, 0)
    assert {line["error"]["code"] for line in error_lines(batch)} == {"batch_cancelled"}


def test_what_does_not_settle_in_time_after_a_cancel_is_given_up(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.CANCEL_GRACE_SECONDS = 0.3
    upstream.behave(lambda _: stay_silent())
    batch = started(project, request_lines(3))
    with executors(1):
        upstream.wait_until(lambda u: len(u.requests) == 3)
        cancel(batch, actor=TESTER, now=timezone.now())
    upstream.wait_until(lambda u: u.abandoned == 3)
    assert ended(batch).cancelled == 3


def test_nothing_is_sent_after_the_deadline(project: Project, provider: Provider, upstream: Upstream, settings: Settings) -> None:
    settings.EXECUTOR_CONCURRENCY, settings.CANCEL_GRACE_SECONDS = 1, 0.2
    upstream.behave(lambda request: stay_silent() if named(request) == "row-2" else succeed())
    batch = started(project, request_lines(4), window=timedelta(seconds=1.0))
    with executors(1):
        until(lambda: timezone.now() > batch.expires_at)
        reconcile(now=timezone.now())
    assert list(sent(upstream)) == ["row-1", "row-2"]
    batch = ended(batch)
    assert batch.status == "expired"
    assert batch.succeeded == 1
    assert [line["custom_id"] for line in output_lines(batch)] == ["row-1"]
    codes = {line["custom_id"]: line["error"]["code"] for line in error_lines(batch)}
    assert codes["row-3"] == codes["row-4"] == "batch_expired"
    assert set(codes) == {"row-2", "row-3", "row-4"}


def test_an_executor_heeds_the_deadline_by_itself(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.EXECUTOR_CONCURRENCY, settings.CANCEL_GRACE_SECONDS = 1, 5.0
    upstream.behave(lambda _: succeed(delay=0.3))
    batch = started(project, request_lines(9), window=timedelta(seconds=1.0))
    deadline = monotonic() + (batch.expires_at - timezone.now()).total_seconds()
    run_executor()
    assert upstream.requests
    assert all(request.at < deadline + allowed(0.1) for request in upstream.requests), "nobody had told it that the batch expired"
    assert Batch.objects.get(pk=batch.pk).status == "in_progress"
    assert statuses(batch)["row-9"] == "pending"


def test_a_process_that_is_to_end_brings_home_what_is_in_flight_and_leaves_the_rest(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutdown, "stopping", shutdown.Flag())
    settings.EXECUTOR_CONCURRENCY = 2
    upstream.behave(lambda _: succeed(delay=0.5))
    batch = started(project, request_lines(6))
    with executors(1):
        upstream.wait_until(lambda u: len(u.requests) == 2)
        shutdown.stopping.set()
    assert Counter(statuses(batch).values()) == {"succeeded": 2, "pending": 4}
    assert upstream.abandoned == 0
    assert not Slice.objects.filter(lease_expires_at__isnull=False).exists()
    monkeypatch.setattr(shutdown, "stopping", shutdown.Flag())
    run_executor()
    assert set(statuses(batch).values()) == {"succeeded"}
    assert set(sent(upstream).values()) == {1}


def test_an_executor_too_many_ends_at_once(project: Project, provider: Provider, upstream: Upstream, settings: Settings) -> None:
    now = timezone.now()
    Worker.objects.create(role=Worker.Role.EXECUTE, name="another", seat=0, started_at=now, seen_at=now)
    settings.EXECUTORS = 1
    started(project, request_lines(1))
    run_executor()
    assert not upstream.requests


def test_a_slice_that_was_taken_over_is_dropped(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    upstream.behave(lambda _: succeed(delay=0.7))
    batch = started(project, request_lines(2))
    with executors(1):
        upstream.wait_until(lambda u: len(u.requests) == 2)
        later = timezone.now() + timedelta(minutes=1)
        Slice.objects.update(lease_epoch=9, lease_expires_at=later, lease_owner=None)
    assert set(statuses(batch).values()) == {"pending"}
    assert upstream.abandoned == 2
    assert Batch.objects.get(pk=batch.pk).status == BatchStatus.IN_PROGRESS


def end_other_connections() -> bool:
    """End every connection to the database but this one. Whether there was any."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return bool(cursor.fetchone()[0])


def test_nothing_is_sent_under_a_lease_that_could_not_be_renewed(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.LEASE_SECONDS, settings.EXECUTOR_CONCURRENCY = 0.5, 1
    upstream.behave(lambda _: succeed(delay=0.05))
    batch = started(project, request_lines(60))
    with executors(1):
        upstream.wait_until(lambda u: len(u.requests) > 5)
        with transaction.atomic():
            list(Slice.objects.select_for_update().filter(batch=batch))  # nothing can be handed in meanwhile
            held_at = monotonic()
            until(lambda: monotonic() > held_at + 2.5)
        last = max(request.at for request in upstream.requests if request.at < held_at + 2.5)
        assert last < held_at + settings.LEASE_SECONDS + 1.0, "another may have sent for the same"
    assert set(statuses(batch).values()) == {"succeeded"}
    assert set(sent(upstream).values()) == {1}


@pytest.mark.servers
def test_a_database_that_is_gone_for_a_moment_loses_nothing(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.SLICE_LINES, settings.EXECUTOR_CONCURRENCY = 10, 20
    upstream.behave(lambda request: succeed(delay=0.05) if request.number % 5 else refuse(500))
    batch = started(project, request_lines(300))
    with executors(1):
        for served in (20, 100, 200):
            until(lambda: len(upstream.requests) > served)  # noqa: B023 - asked at once
            until(end_other_connections)  # it may be between two just now
    assert set(statuses(batch).values()) == {"succeeded"}
    assert_counts_are_true(batch)
    answered = Counter(named(request) for request in upstream.requests if request.number % 5)
    assert set(answered.values()) == {1}, "no success was paid for twice"

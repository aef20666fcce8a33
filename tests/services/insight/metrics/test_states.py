"""What is asked of the database when somebody reads the metrics."""

import uuid
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from batches.models import (
    Batch,
    EmergencyStop,
    ProcessReport,
    Project,
    ProviderHealth,
    ProviderJob,
    ProviderJobIncident,
    Slice,
    WebhookDelivery,
    Worker,
)
from batches.services.insight.metrics.collect import SOURCES, collect
from providers.models import Provider
from tests.cast import request_lines, started, submitted
from tests.notices import make_notice, make_subscription
from tests.services.insight.metrics.conftest import Read
from tests.webhooks import delivery_of

pytestmark = [pytest.mark.both, pytest.mark.django_db, pytest.mark.usefixtures("simulator")]


def test_open_batches_are_counted_by_status_and_condition(project: Project, read: Read) -> None:
    now = timezone.now()
    submitted(project, request_lines(1))
    paused, late, limited = (started(project, request_lines(1)) for _ in range(3))
    Batch.objects.filter(pk=paused.pk).update(paused_at=now)
    Batch.objects.filter(pk=late.pk).update(at_risk_since=now, expires_at=now)
    Batch.objects.filter(pk=limited.pk).update(throttled_until=now + timedelta(minutes=1))

    assert read("batchyard_batches", "status") == {"validating": 1, "in_progress": 3, "finalizing": 0, "cancelling": 0}
    assert read("batchyard_batches_with", "condition") == {"paused": 1, "at_risk": 1, "throttled": 1, "blocked": 0, "overdue": 1}


def test_projects_beyond_the_bound_share_a_label(
    project: Project, other_project: Project, settings: Settings, read: Read
) -> None:
    for owner, lines in ((project, 3), (project, 3), (other_project, 5)):
        started(owner, request_lines(lines))

    assert read("batchyard_project_open_batches", "project") == {"acme": 2, "globex": 1}
    assert read("batchyard_project_pending_objects", "project") == {"acme": 6, "globex": 5}

    settings.METRICS_MOST_PROJECTS = 1
    assert read("batchyard_project_pending_objects", "project") == {"acme": 6, "other": 5}

    settings.METRICS_MOST_PROJECTS = 0
    assert read("batchyard_project_pending_objects", "project") == {}
    assert read("batchyard_objects_pending") == {"": 11}


def ago(**time: float) -> datetime:
    return timezone.now() - timedelta(**time)


def test_the_age_of_each_queue_is_that_of_its_oldest_work(project: Project, simulator: Provider, read: Read) -> None:
    waiting, unbegun, ending = submitted(project, request_lines(1)), *(started(project, request_lines(1)) for _ in range(2))
    Batch.objects.filter(pk=waiting.pk).update(created_at=ago(minutes=1))
    Batch.objects.filter(pk=unbegun.pk).update(in_progress_at=ago(minutes=2))
    Batch.objects.filter(pk=ending.pk).update(status="finalizing", finalizing_at=ago(minutes=3))
    Slice.objects.filter(batch=ending).update(lease_owner=uuid.uuid4(), lease_expires_at=ago(minutes=4))
    moments = {"created_at": timezone.now(), "updated_at": timezone.now(), "sent_at": timezone.now(), "state": "running"}
    ProviderJob.objects.create(
        batch=unbegun, provider=simulator, window="24h", marker="m", first_line=1, last_line=1, poll_at=ago(minutes=5), **moments
    )

    delivery = delivery_of(unbegun)
    WebhookDelivery.objects.filter(pk=delivery.pk).update(due_at=ago(minutes=6), status="waiting", attempts=1)

    ages = read("batchyard_queue_age_seconds", "queue")

    assert {name: round(age / 60) for name, age in ages.items()} == {
        "validate": 1,
        "execute": 2,
        "finalize": 3,
        "leases": 4,
        "delegate": 5,
        "notify": 6,
    }
    assert read("batchyard_slices_leased") == {"": 1}
    assert read("batchyard_provider_jobs", "provider", "state") == {"simulator,running": 1}
    assert read("batchyard_webhook_deliveries_waiting", "tried") == {"new": 0, "failed": 1}
    assert sum(read("batchyard_webhook_endpoints", "state").values()) == 1


def test_notices_that_are_due_and_subscriptions_are_counted(project: Project, operator: User, read: Read) -> None:
    subscription = make_subscription(operator, failing_since=ago(hours=1))
    make_subscription(operator, enabled=False)
    make_notice(subscription, due_at=ago(minutes=1))
    make_notice(subscription, due_at=timezone.now() + timedelta(hours=1))

    assert read("batchyard_notices_waiting") == {"": 1}
    states = {"working": 0, "failing": 1, "given_up": 0, "disabled": 1}
    assert read("batchyard_notice_subscriptions", "state") == states


def test_work_that_waits_for_nobody_has_no_age(project: Project, read: Read) -> None:
    paused, held = started(project, request_lines(1)), submitted(project, request_lines(1))
    Batch.objects.filter(pk=paused.pk).update(in_progress_at=ago(hours=1), paused_at=timezone.now())
    leased = {"lease_owner": uuid.uuid4(), "lease_expires_at": timezone.now() + timedelta(minutes=1)}
    Batch.objects.filter(pk=held.pk).update(created_at=ago(hours=1), **leased)

    moments = {"created_at": timezone.now(), "updated_at": timezone.now(), "poll_at": ago(hours=1)}  # not created yet
    ProviderJob.objects.create(
        batch=paused, provider=paused.provider, window="24h", marker="m", first_line=1, last_line=1, **moments
    )

    assert set(read("batchyard_queue_age_seconds", "queue").values()) == {0}


def test_a_provider_shows_its_slots_and_its_state(simulator: Provider, read: Read) -> None:
    now = timezone.now()
    figures = {"concurrency": 20, "in_use": 9, "in_flight": 7, "answered_at": now, "oldest_sent_at": now, "recent_calls": 5}
    ProviderHealth.objects.create(provider=simulator, updated_at=now, recent_succeeded=5, **figures)

    names = ("limit", "allowed", "granted", "in_use")
    slots = [read(f"batchyard_provider_slots_{name}", "provider")["simulator"] for name in names]

    assert slots == [simulator.max_concurrency, 20, 9, 7]
    assert read("batchyard_provider_state", "provider", "state") == {"simulator,working": 1}
    assert read("batchyard_provider_up", "provider") == {"simulator": 1}


def test_a_provider_that_nobody_asks_has_no_slots_in_use(simulator: Provider, read: Read) -> None:
    ProviderHealth.objects.create(provider=simulator, concurrency=20, in_use=9, in_flight=7, updated_at=ago(minutes=5))

    assert read("batchyard_provider_slots_granted", "provider") == {"simulator": 0}
    assert read("batchyard_provider_slots_in_use", "provider") == {"simulator": 0}


def test_a_held_provider_is_not_up(simulator: Provider, read: Read) -> None:
    ProviderHealth.objects.create(provider=simulator, concurrency=1, hold_kind="quota_exhausted", updated_at=timezone.now())

    assert read("batchyard_provider_up", "provider") == {"simulator": 0}
    assert read("batchyard_provider_state", "state") == {"account_problem": 1}


def test_open_incidents_and_stops_are_counted(project: Project, simulator: Provider, read: Read) -> None:
    now = timezone.now()
    about = {"window": "24h", "first_line": 1, "last_line": 1, "created_at": now, "updated_at": now}
    job = ProviderJob.objects.create(batch=started(project, request_lines(1)), provider=simulator, marker="m", **about)
    for code, resolved_at in (("uncertain", None), ("gone", now)):
        ProviderJobIncident.objects.create(job=job, code=code, note="n", opened_at=now, updated_at=now, resolved_at=resolved_at)
    for ended_at in (None, now):
        EmergencyStop.objects.create(what="sending", reason="r", began_at=now, began_by="user x", ended_at=ended_at)

    incidents = read("batchyard_provider_job_incidents", "code")

    assert (incidents["uncertain"], incidents["gone"]) == (1, 0)
    assert read("batchyard_emergency_stops", "what") == {"sending": 1, "intake": 0}


def test_workers_seats_and_the_beat(settings: Settings, read: Read) -> None:
    settings.EXECUTORS = 3
    now = timezone.now()
    for role, seat, seconds in (("control", None, 4), ("execute", 0, 1), ("execute", None, 1), ("execute", 1, 60)):
        seen = now - timedelta(seconds=seconds)
        Worker.objects.create(
            role=role, seat=seat, name="w", started_at=seen, seen_at=seen, in_flight=5, trouble="t" * (not seat)
        )

    assert read("batchyard_workers", "role") == {"control": 1, "execute": 2}
    assert (read("batchyard_seats"), read("batchyard_seats_taken")) == ({"": 3}, {"": 1})
    assert 4 <= read("batchyard_reconcile_age_seconds")[""] < 60
    assert read("batchyard_workers_in_trouble") == {"": 3}


def test_a_beat_that_never_ran_is_infinitely_old(read: Read) -> None:
    assert read("batchyard_reconcile_age_seconds") == {"": float("inf")}


def test_processes_are_added_up_by_role(read: Read) -> None:
    now = timezone.now()
    for name, role, seconds, pool in (("a", "web", 1, 5), ("b", "web", 1, 7), ("c", "control", 1, None), ("d", "web", 600, 9)):
        seen_at = now - timedelta(seconds=seconds)
        sizes = {"resident_bytes": 100 if name == "a" else 50, "connections_in_use": pool, "most_connections": pool and 24}
        ProcessReport.objects.create(process=name, name=name, role=role, seen_at=seen_at, **sizes)

    assert read("batchyard_processes", "role") == {"web": 2, "control": 1}
    assert read("batchyard_process_resident_memory_bytes", "role") == {"web": 150, "control": 50}
    assert read("batchyard_process_resident_memory_max_bytes", "role") == {"web": 100, "control": 50}
    assert read("batchyard_process_database_connections", "role") == {"web": 12}
    assert read("batchyard_process_database_connections_max", "role") == {"web": 48}


class Away(DatabaseError):
    """The database is away."""


def test_a_source_that_fails_leaves_out_nothing_but_its_own(read: Read) -> None:
    def refuse(execute: object, sql: str, *more: object) -> object:
        if "processreport" in sql:
            raise Away
        return execute(sql, *more)  # type: ignore[operator]

    with connection.execute_wrapper(refuse):
        up = read("batchyard_source_up", "source")
        workers = read("batchyard_workers", "role")
        processes = read("batchyard_processes", "role")

    assert up == dict.fromkeys(SOURCES, 1.0) | {"processes": 0}
    assert workers == {"control": 0, "execute": 0}
    assert processes == {}


def test_as_many_queries_are_made_for_many_batches_as_for_one(project: Project) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            collect(now=timezone.now())
        return len([query for query in captured if query["sql"].startswith("SELECT") and "set_config" not in query["sql"]])

    started(project, request_lines(1))
    one = queries()
    for _ in range(5):
        started(project, request_lines(2))
    for number in range(5):
        Provider.objects.create(name=f"p-{number}", adapter="simulator")

    assert queries() == one <= 27

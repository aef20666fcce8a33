"""What is asked most often is answered from an index, however large the tables are: asserted of the plans of both databases.

The tables of a test are small, so PostgreSQL is told that reading them whole is dear; a plan that does it all the same has
no other way. SQLite, for which the portal takes no statistics, prefers an index wherever there is one.
"""

import json
import re
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client import Metric
from pytest_django import Settings

from batches.models import (
    Attempt,
    AuditEntry,
    Batch,
    BatchError,
    BatchErrorGroup,
    BatchMinute,
    BatchObject,
    BatchResult,
    ErrorGroup,
    Event,
    File,
    Project,
    ProviderHealth,
    ProviderJob,
    RetentionKind,
    Slice,
    WebhookDelivery,
)
from batches.services.delegation.creating.hand_over import hand_over_some
from batches.services.delegation.due import take_due, take_running
from batches.services.erasure.preview import preview
from batches.services.erasure.subject import Subject
from batches.services.insight.error_groups import GroupWindow, largest
from batches.services.insight.group_members import members, messages
from batches.services.insight.groups_in_batch import error_groups
from batches.services.insight.metrics.collect import collect
from batches.services.lifecycle.claim import Appetite, claim
from batches.services.lifecycle.control_turns import finalize_next, validate_next
from batches.services.results.compare import Verdict, compare, pairs
from batches.services.results.results import results, settled_results
from batches.services.retention.terms import set_terms
from batches.services.upkeep.old_batches import remove_old_batches
from batches.services.upkeep.reconcile import reconcile
from batches.services.upkeep.retention import RETENTION
from batches.services.upkeep.standby import let_standbys_take_over
from batches.services.webhooks import deliveries, due, endpoints, outcomes
from providers.models import Provider
from tests.cast import TESTER, request_lines, started
from tests.services.pruned import mixed

pytestmark = [pytest.mark.both, pytest.mark.django_db, pytest.mark.usefixtures("simulator")]

LARGE: tuple[type[Model], ...] = (
    Attempt,
    Batch,
    BatchError,
    BatchErrorGroup,
    BatchMinute,
    BatchObject,
    BatchResult,
    Event,
    File,
    ProviderJob,
    Slice,
    WebhookDelivery,
)

WHOLE = re.compile(r"SCAN (\w+)")  # of SQLite's plan: without an index


@pytest.fixture
def batch(project: Project, settings: Settings) -> Batch:
    """An ended batch beside one that runs, in a database that reads no table whole if it can help it."""
    ended = mixed(project, settings)
    started(project, request_lines(9))
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL seq_page_cost = 1000000")  # PostgreSQL 18 forbids it in no hashed subplan
    return ended


def read_whole(ask: Callable[[], object]) -> list[str]:
    """The large tables that were read whole by the queries of this, each with its query."""
    with CaptureQueriesContext(connection) as captured:
        ask()
    tables = {model._meta.db_table for model in LARGE}
    found = []
    for query in captured.captured_queries:
        sql = query["sql"]
        if not sql.lstrip().upper().startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
            continue
        found += [f"{name}: {sql}" for name in _scanned(sql) if name in tables]
    return found


def _scanned(sql: str) -> Iterator[str]:
    """The tables, or their aliases, of which this query reads every row."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("EXPLAIN QUERY PLAN " + sql.replace("%", "%%"), [])
            yield from (scan[1] for *_, detail in cursor.fetchall() if (scan := WHOLE.fullmatch(detail)))
            return
        cursor.execute("EXPLAIN (FORMAT JSON) " + sql.replace("%", "%%"), [])
        (plan,) = cursor.fetchone()
    yield from _read_in((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])


def _read_in(plan: dict[str, Any]) -> Iterator[str]:
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for part in plan.get("Plans", ()):
        yield from _read_in(part)


def test_the_check_finds_a_table_that_is_read_whole(batch: Batch) -> None:
    assert read_whole(lambda: list(BatchObject.objects.order_by().filter(latency_ms=7)))


def test_claiming_reads_no_table_whole(batch: Batch) -> None:
    assert not read_whole(lambda: claim(executor=uuid.uuid4(), appetite=Appetite(8), now=timezone.now()))


def test_reconciling_reads_no_table_whole(batch: Batch) -> None:
    assert not read_whole(lambda: reconcile(now=timezone.now()))


def test_metrics_read_no_table_whole(batch: Batch) -> None:
    found: list[Metric] = []

    assert not read_whole(lambda: found.extend(collect(now=timezone.now())))
    assert {sample.value for metric in found if metric.name == "batchyard_source_up" for sample in metric.samples} == {1}


def test_the_delegator_reads_no_table_whole(batch: Batch) -> None:
    now, owner = timezone.now(), uuid.uuid4()
    Batch.objects.filter(status="in_progress").update(execution="delegated")
    Project.objects.update(may_delegate=True)
    Provider.objects.update(jobs_family="openai")
    assert not read_whole(lambda: hand_over_some(now=now))
    assert not read_whole(lambda: reconcile(now=now))
    assert not read_whole(lambda: take_due(owner, now=now, most=16))
    soon = now + timedelta(minutes=1)
    assert not read_whole(lambda: take_running(owner, provider_id=batch.provider_id, now=now, until=soon, most=20_000))
    assert ProviderJob.objects.filter(lease_owner=owner).exists()


def test_the_deliverer_reads_no_table_whole(batch: Batch) -> None:
    now, owner = timezone.now(), uuid.uuid4()
    url = "https://example.com/hook"
    endpoint, _ = endpoints.add(batch.project, name="", url=url, event_types=(), actor=TESTER, now=now)
    deliveries.send_test(endpoint, actor=TESTER, now=now)
    assert not read_whole(lambda: due.anything_due(now=now))
    assert not read_whole(lambda: due.take_due(owner, now=now, room=16))
    in_hand = WebhookDelivery.objects.get(lease_owner=owner)
    assert not read_whole(lambda: outcomes.record(in_hand, outcomes.Tried(took_ms=1, failure="No answer."), now=now))
    settings_of: dict[str, Any] = {"enabled": False}
    assert not read_whole(lambda: endpoints.change(endpoint, settings=settings_of, actor=TESTER, now=now))


def test_a_standby_that_takes_over_reads_no_table_whole(batch: Batch) -> None:
    now = timezone.now()
    standby = Provider.objects.create(name="up-standby", adapter="simulator")
    Provider.objects.filter(pk=batch.provider_id).update(standby=standby)
    health = {"concurrency": 1, "hold_kind": "authentication", "down_since": now - timedelta(hours=1), "updated_at": now}
    ProviderHealth.objects.update_or_create(provider=batch.provider, model="", defaults=health)
    assert not read_whole(lambda: let_standbys_take_over(now=now))
    assert AuditEntry.objects.filter(act="move_to_standby").exists()


@pytest.mark.parametrize("turn", [validate_next, finalize_next])
def test_finding_out_whose_turn_it_is_reads_no_table_whole(batch: Batch, turn: Callable[..., None]) -> None:
    assert not read_whole(lambda: turn(batch.pk, now=timezone.now()))


def test_letting_go_reads_no_table_whole(batch: Batch, settings: Settings) -> None:
    settings.BATCH_RETENTION_DAYS = 30
    later = timezone.now() + timedelta(days=2)
    assert not read_whole(lambda: [step(now=later) for step in RETENTION])


def test_removing_what_every_policy_lets_go_reads_no_table_whole(batch: Batch, settings: Settings) -> None:
    settings.PRUNE_ROWS = 3
    days: dict[RetentionKind, int | None] = {
        kind: 100 if kind == RetentionKind.AUDIT else 10 for kind in RetentionKind if kind != RetentionKind.BATCHES
    }
    set_terms(batch.project, days=days, actor=TESTER, now=timezone.now())
    later = timezone.now() + timedelta(days=110)
    assert not read_whole(lambda: [step(now=later) for step in RETENTION])
    set_terms(batch.project, days={RetentionKind.BATCHES: 20}, actor=TESTER, now=timezone.now())
    assert not read_whole(lambda: remove_old_batches(now=later))
    assert not BatchObject.objects.filter(batch=batch.pk).exists()


def test_the_preview_of_an_erasure_reads_no_large_table_whole(batch: Batch) -> None:
    assert not read_whole(lambda: preview(batch.project, Subject("row-nr-1")))


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/batches",
        "/api/v1/batches?cursor={batch}",
        "/api/v1/batches?status=in_progress&status=validating",
        "/api/v1/batches?project=acme",
        "/api/v1/batches?project=acme&status=failed",
        "/api/v1/batches?created=24h",
        "/api/v1/batches/{batch}",
        "/api/v1/batches/{batch}/objects",
        "/api/v1/batches/{batch}/results",
        "/api/v1/batches/{batch}/errors",
        "/api/v1/batches/{batch}/error-groups",
        "/api/v1/batches/{batch}/events",
        "/api/v1/error-groups",
        "/api/v1/error-groups?window=30d&project=acme",
        "/api/v1/search?q={batch}",
        "/console/search/?q={batch}&fragment=1",
        "/console/search/?q=row-1&fragment=1",
        "/console/search/?q=nothing+like+it",
        "/console/search/?q=team%3Dsearch",
        "/console/search/?q={group}&fragment=1",
        "/console/overview/",
        "/console/overview/?span=7d",
        "/console/providers/",
        "/console/providers/simulator/",
        "/console/batches/",
        "/console/batches/?view=active",
        "/console/batches/?view=attention",
        "/console/batches/{batch}/",
        "/console/batches/{batch}/history/",
        "/console/batches/{batch}/faces/",
        "/console/batches/{batch}/lines/2/",
        "/console/batches/{batch}/retry/",
        "/console/batches/{batch}/retry/?error={group}",
        "/console/batches/{batch}/retry/?line=2&line=3",
        "/console/errors/",
        "/console/errors/?window=30d&project=acme&text=a",
        "/console/errors/{group}/?window=30d",
        "/console/bulk/",
        "/console/bulk/new/?act=cancel&scope=matching",
        "/console/bulk/new/?act=retry&scope=matching&query=project%3Dacme",
        "/console/bulk/new/?act=reroute&scope=matching&query=provider%3Dsimulator&provider=other",
        "/console/batches/{batch}/compare/",
        "/console/batches/new/?from={batch}",
    ],
)
def test_pages_read_no_table_whole(batch: Batch, path: str, admin_client: Client) -> None:
    group = ErrorGroup.objects.filter(in_batches__batch=batch)[0].fingerprint

    def get() -> None:
        assert admin_client.get(path.format(batch=batch, group=group)).status_code == 200

    assert not read_whole(get)


def test_comparing_reads_no_table_whole(batch: Batch) -> None:
    other = Batch.objects.exclude(pk=batch.pk).get()
    assert not read_whole(lambda: compare(batch, other))
    assert not read_whole(lambda: pairs(batch, other, verdicts=Verdict, after="first-2", limit=2))


@pytest.mark.parametrize(
    "path", ["/v1/batches", "/v1/batches/{batch}", "/v1/batches/{batch}/results", "/v1/files", "/v1/messages/batches"]
)
def test_calls_of_clients_read_no_table_whole(batch: Batch, path: str, key: str) -> None:
    def get() -> None:
        headers = {"Authorization": f"Bearer {key}"}
        assert Client(headers=headers).get(path.format(batch=batch)).status_code == 200

    assert not read_whole(get)


def test_results_and_groups_read_no_table_whole(batch: Batch) -> None:
    group = ErrorGroup.objects.all()[0].fingerprint
    groups = ErrorGroup.objects.all()
    now = timezone.now()
    for ask in (
        lambda: list(results(batch)),
        lambda: settled_results(batch, after_line=3, limit=3, max_chars=1000),
        lambda: error_groups(batch),
        lambda: largest(groups, window=GroupWindow.MONTH, now=now, limit=20),
        lambda: members(groups, group, limit=2, after=members(groups, group, limit=1).following),
        lambda: messages(groups, group),
    ):
        assert not read_whole(ask)

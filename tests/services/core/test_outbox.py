"""Events of batches become deliveries in the transaction of the event: for the receivers that want them, and no others."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from batches.models import Batch, Event, EventType, Project, Slice, WebhookDelivery, WebhookEndpoint
from batches.rules.actors import GUARD
from batches.rules.errors import InvalidRequest
from batches.rules.states import TERMINAL, Act, BatchStatus
from batches.services.control.block import block_provider
from batches.services.control.cancel import cancel
from batches.services.control.pause import pause, resume
from batches.services.core import outbox
from batches.services.core.outbox import OF_STATUS
from batches.services.core.transition import transition
from batches.services.lifecycle.expire import expire
from batches.services.retry.retry import retry
from batches.services.retry.selection import EVERYTHING
from batches.services.tally.late_batches import assess
from batches.services.webhooks import endpoints
from batches.services.webhooks.due import anything_due, take_due
from providers.models import Provider
from tests.cast import TESTER, ended, request_lines, run_executor, started, submitted

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]

URL = "https://example.com/hook"


def added(project: Project, *event_types: str) -> WebhookEndpoint:
    return endpoints.add(project, name="", url=URL, event_types=event_types, actor=TESTER, now=timezone.now())[0]


def told(**of: Any) -> list[str]:
    """The types of the events that are on their way."""
    return list(WebhookDelivery.objects.filter(**of).order_by("created_at", "id").values_list("type", flat=True))


def end_by(batch: Batch, status: BatchStatus) -> Batch:
    return transition(batch, status, actor=TESTER, now=timezone.now())


# --- Ends ------------------------------------------------------------------------------------------------------


def test_each_end_of_a_batch_has_its_event() -> None:
    assert set(OF_STATUS) == TERMINAL


def completed(batch: Batch) -> Batch:
    run_executor()
    return ended(batch)


def cancelled(batch: Batch) -> Batch:
    return ended(cancel(batch, actor=TESTER, now=timezone.now()))


def expired(batch: Batch) -> Batch:
    expire(batch, actor=TESTER, now=batch.expires_at + timedelta(seconds=1))
    return ended(batch)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("end", "event"),
    [(completed, "batch.completed"), (cancelled, "batch.cancelled"), (expired, "batch.expired")],
)
def test_the_end_of_a_batch_is_told_once_to_each_endpoint_under_one_id(
    project: Project, other_project: Project, end: Callable[[Batch], Batch], event: str
) -> None:
    first, second, stranger = added(project), added(project), added(other_project)
    batch = started(project, request_lines(2))

    end(batch)

    for endpoint in (first, second):
        assert told(endpoint=endpoint) == [event]
    assert told(endpoint=stranger) == []
    entry = Event.objects.get(batch=batch, to_status__in=TERMINAL)
    rows = WebhookDelivery.objects.all()
    assert {row.event_id for row in rows} == {entry.pk}
    assert {(row.batch_id, row.project_id, row.url) for row in rows} == {(batch.pk, project.pk, URL)}
    assert len({bytes(row.body) for row in rows}) == 1
    assert json.loads(bytes(rows[0].body)) == {
        "id": f"evt_{entry.pk.hex}",
        "object": "event",
        "created_at": int(entry.created_at.timestamp()),
        "type": event,
        "data": {"id": str(batch)},
    }


def test_an_event_that_is_rolled_back_is_not_told(project: Project) -> None:
    added(project)
    batch = submitted(project, request_lines(1))

    with transaction.atomic():
        end_by(batch, BatchStatus.FAILED)
        transaction.set_rollback(True)

    assert told() == []


def test_a_disabled_endpoint_and_one_that_wants_other_events_get_nothing(project: Project) -> None:
    disabled = added(project)
    endpoints.change(disabled, settings={"enabled": False}, actor=TESTER, now=timezone.now())
    added(project, "batch.completed", "batch.needs_attention")

    end_by(submitted(project, request_lines(1)), BatchStatus.FAILED)

    assert told() == []


@pytest.mark.django_db(transaction=True)
def test_an_endpoint_that_is_removed_while_a_batch_ends_does_not_keep_it_from_ending(project: Project) -> None:
    endpoint = added(project)
    batch = submitted(project, request_lines(1))

    with transaction.atomic():
        end_by(batch, BatchStatus.FAILED)
        WebhookEndpoint.objects.filter(pk=endpoint.pk)._raw_delete(using="default")  # by another transaction, in between

    assert Batch.objects.get().status == BatchStatus.FAILED
    assert not anything_due(now=timezone.now())
    assert take_due(batch.pk, now=timezone.now(), room=1) == []


def test_the_creation_is_told_to_those_who_ask(project: Project) -> None:
    asks = added(project, "batch.created")
    added(project)

    batch = submitted(project, request_lines(1))

    assert told() == ["batch.created"]
    assert WebhookDelivery.objects.get().endpoint == asks
    assert WebhookDelivery.objects.get().batch == batch


def test_an_event_of_which_nobody_is_told_costs_two_queries(
    project: Project, django_assert_num_queries: DjangoAssertNumQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, entry = submitted(project, request_lines(1)), Event.objects.get()

    with django_assert_num_queries(2):
        outbox.announce_entry(batch, entry=entry.pk, origin=None, act=None, now=timezone.now())
    with django_assert_num_queries(0):
        outbox.announce_entry(batch, entry=entry.pk, origin=BatchStatus.VALIDATING, act=Act.PAUSED, now=timezone.now())


# --- Callback URLs ---------------------------------------------------------------------------------------------


def test_a_callback_url_gets_a_delivery_at_the_end_beside_the_endpoints(project: Project) -> None:
    added(project)
    callback = "https://example.org/back?id=1"
    batch = submitted(project, request_lines(1), callback_url=callback)
    submitted(project, request_lines(1))

    end_by(batch, BatchStatus.FAILED)

    assert sorted(WebhookDelivery.objects.values_list("url", "endpoint__url")) == [(URL, URL), (callback, "")]
    assert WebhookEndpoint.objects.filter(project=project, url="").count() == 1


def test_a_callback_url_that_cannot_be_is_refused_and_leaves_nothing(project: Project) -> None:
    with pytest.raises(InvalidRequest) as found:
        submitted(project, request_lines(1), callback_url="https://169.254.169.254/")

    assert found.value.param == "callback_url"
    assert not Batch.objects.exists()
    assert not WebhookEndpoint.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_retry_tells_the_callback_url_of_its_batch(project: Project) -> None:
    batch = started(project, request_lines(1), callback_url="https://example.org/back")
    cancel(batch, actor=TESTER, now=timezone.now())
    batch = ended(batch)

    retry(batch, selection=EVERYTHING, actor=TESTER, now=timezone.now())

    assert batch.children.get().callback_url == "https://example.org/back"


# --- What needs attention --------------------------------------------------------------------------------------


def attention(project: Project) -> WebhookEndpoint:
    return added(project, EventType.NEEDS_ATTENTION)


def reasons() -> list[str]:
    rows = WebhookDelivery.objects.filter(type=EventType.NEEDS_ATTENTION).order_by("created_at", "id")
    return [json.loads(bytes(row.body))["data"]["reason"] for row in rows]


def test_a_pause_by_a_guard_is_told_and_one_by_a_person_is_not(project: Project) -> None:
    attention(project)
    batch = started(project, request_lines(1))

    pause(batch, actor=TESTER, now=timezone.now())
    resume(batch, actor=TESTER, now=timezone.now())
    pause(batch, actor=GUARD, now=timezone.now(), act=Act.GUARDED, reason="90 % failed")

    assert reasons() == ["paused_by_guard"]
    assert WebhookDelivery.objects.get().event_id == Event.objects.get(act=Act.GUARDED).pk


def test_a_batch_that_comes_to_be_at_risk_is_told_once_in_an_hour(project: Project) -> None:
    attention(project)
    batch = started(project, request_lines(1))
    late = batch.expires_at - timedelta(hours=2)

    assess(now=late)
    assess(now=late + timedelta(seconds=5))
    Batch.objects.update(at_risk_since=None)
    assess(now=late + timedelta(minutes=30))
    assert reasons() == ["at_risk"]

    Batch.objects.update(at_risk_since=None)
    assess(now=late + timedelta(minutes=90))
    assert reasons() == ["at_risk", "at_risk"]


def test_batches_that_come_to_be_blocked_are_told_once(project: Project, other_project: Project, simulator: Provider) -> None:
    attention(project)
    batch = started(project, request_lines(1))
    started(other_project, request_lines(1))
    now = timezone.now()

    block_provider(simulator.pk, reason="no credential", now=now)
    block_provider(simulator.pk, reason="no credential", now=now + timedelta(seconds=5))

    assert reasons() == ["blocked"]
    assert WebhookDelivery.objects.get().batch == batch
    assert Batch.objects.filter(blocked_reason="no credential").count() == 2


def test_many_batches_that_come_to_be_blocked_are_told_of_in_few_queries(
    project: Project, simulator: Provider, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    attention(project)
    for _ in range(12):
        started(project, request_lines(1))

    with django_assert_max_num_queries(8):  # two of them begin and end the transaction
        block_provider(simulator.pk, reason="no credential", now=timezone.now())

    assert reasons() == ["blocked"] * 12
    assert WebhookDelivery.objects.values("event_id").distinct().count() == 12


def test_nobody_who_did_not_ask_is_told(project: Project, simulator: Provider, settings: Settings) -> None:
    added(project)
    batch = started(project, request_lines(1))
    now = timezone.now()

    pause(batch, actor=GUARD, now=now, act=Act.GUARDED)
    block_provider(simulator.pk, reason="no credential", now=now)
    assess(now=batch.expires_at - timedelta(hours=2))

    assert told() == []
    assert Slice.objects.filter(batch=batch).exists()

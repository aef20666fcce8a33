"""Receivers that hang, deliverers beside each other, and messages and processes that are lost: nobody waits, nothing is lost."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from celery import current_app
from django.utils import timezone
from pytest_django import Settings
from uuid_utils.compat import uuid7

from batches.engine.sole_run import SoleRun
from batches.models import DeliveryStatus, Project, WebhookDelivery
from batches.services.webhooks import due
from providers.models import Provider
from tests.answers import Answer, stay_silent
from tests.conftest import Queue
from tests.engine.webhooks.conftest import THANKS, added, deliver, failed
from tests.together import at_once, thread
from tests.upstream import Upstream
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.django_db(transaction=True)


def test_receivers_of_one_tenant_that_hang_delay_no_other(
    project: Project, other_project: Project, receiver: Upstream, simulator: Provider, settings: Settings
) -> None:
    settings.WEBHOOK_CALLS, settings.WEBHOOK_TIMEOUT_SECONDS = 8, 20.0
    release = threading.Event()
    receiver.behave(lambda request: THANKS if request.path == "/quick" or release.is_set() else stay_silent())
    for number in range(10):
        added(project, f"{receiver.origin}/hangs/{number}")
    for _ in range(3):
        failed(project)
    added(other_project, f"{receiver.origin}/quick")
    deliverer = thread(deliver)
    deliverer.start()
    receiver.wait_until(lambda server: server.in_flight == 4)  # half of the places

    failed(other_project)
    until(lambda: WebhookDelivery.objects.filter(project=other_project, status=DeliveryStatus.DELIVERED).exists())

    assert receiver.in_flight == 4
    release.set()
    WebhookDelivery.objects.filter(project=project).update(due_at=None)
    receiver.stop()
    deliverer.join(PATIENCE)


def test_an_endpoint_gets_a_few_calls_at_a_time_and_one_while_it_fails(
    project: Project, receiver: Upstream, simulator: Provider
) -> None:
    well, failing = added(project, f"{receiver.origin}/a"), added(project, f"{receiver.origin}/b")
    failing.failing_since = timezone.now()
    failing.save()
    for _ in range(10):
        failed(project)
    now = timezone.now()

    taken = due.take_due(uuid7(), now=now, room=64)

    assert Counter(delivery.endpoint_id for delivery in taken) == {well.pk: 4, failing.pk: 1}
    assert due.take_due(uuid7(), now=now, room=64) == []


def test_projects_take_turns(project: Project, other_project: Project, receiver: Upstream, simulator: Provider) -> None:
    for number in range(10):
        added(project, f"{receiver.origin}/{number}")
    added(other_project, f"{receiver.origin}/other")
    for _ in range(4):
        failed(project)
        failed(other_project)

    taken = due.take_due(uuid7(), now=timezone.now(), room=6)

    assert Counter(delivery.project_id for delivery in taken) == {project.pk: 2, other_project.pk: 2}


def test_two_deliverers_send_each_event_once_and_keep_the_bounds_together(
    project: Project, receiver: Upstream, simulator: Provider
) -> None:
    receiver.behave(lambda _: Answer(body=b"ok", delay=0.05))
    added(project, f"{receiver.origin}/hook")
    for _ in range(30):
        failed(project)

    came = at_once(deliver, deliver)

    assert came == [None, None]
    assert set(WebhookDelivery.objects.values_list("status", "attempts")) == {(DeliveryStatus.DELIVERED, 1)}
    assert Counter(Counter(request.headers["webhook-id"] for request in receiver.requests).values()) == {1: 30}
    assert receiver.peak_in_flight <= 4


def test_a_deliverer_whose_lease_ran_out_says_nothing_any_more(
    project: Project, receiver: Upstream, simulator: Provider, settings: Settings
) -> None:
    settings.WEBHOOK_TIMEOUT_SECONDS = 30.0
    receiver.answer(Answer(500, delay=2.0))
    added(project, f"{receiver.origin}/hook")
    failed(project)
    slow = thread(deliver)
    slow.start()
    receiver.wait_until(lambda server: len(server.requests) == 1)

    _let_leases_run_out()
    deliver()
    slow.join(PATIENCE)

    delivery = WebhookDelivery.objects.get()
    assert (delivery.status, delivery.attempts, delivery.failure) == (DeliveryStatus.DELIVERED, 1, "")
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert len(receiver.requests) == 2


def test_what_a_killed_deliverer_had_in_hand_is_sent_again_with_the_same_id(
    project: Project, receiver: Upstream, simulator: Provider
) -> None:
    added(project, f"{receiver.origin}/hook")
    failed(project)
    (in_hand,) = due.take_due(uuid7(), now=timezone.now(), room=64)  # and then it is killed
    deliver()
    assert receiver.requests == []

    _let_leases_run_out()
    deliver()

    (request,) = receiver.requests
    assert request.headers["webhook-id"] == in_hand.wire_id


def test_a_lost_message_is_found_by_reconcile(project: Project, receiver: Upstream, queue: Queue) -> None:
    added(project, f"{receiver.origin}/hook")
    failed(project)
    queue.clear()

    queue.run_until(lambda: WebhookDelivery.objects.filter(status=DeliveryStatus.DELIVERED).exists())

    assert len(receiver.requests) == 1
    assert current_app.conf.task_routes["batches.engine.notify"] == {"queue": "notify"}


def test_one_process_runs_one_loop_of_a_kind_at_a_time() -> None:
    sole, began, release, ran = SoleRun(), threading.Event(), threading.Event(), list[str]()

    def first() -> None:
        began.set()
        release.wait(PATIENCE)
        ran.append("first")

    running = thread(lambda: sole(first))
    running.start()
    began.wait(PATIENCE)
    sole(lambda: ran.append("second"))
    release.set()
    running.join(PATIENCE)
    sole(lambda: ran.append("third"))

    assert ran == ["first", "third"]


def _let_leases_run_out() -> None:
    WebhookDelivery.objects.exclude(lease_expires_at=None).update(lease_expires_at=timezone.now() - timedelta(seconds=1))

"""The life of an endpoint: it gets another URL or secret, fails, is disabled, and is enabled. Callback URLs have one, too."""

from datetime import timedelta

import pytest
from django.utils import timezone
from openai import OpenAI
from pytest_django import Settings
from standardwebhooks import Webhook, WebhookVerificationError

from batches.models import AuditEntry, DeliveryStatus, Project, WebhookDelivery, WebhookEndpoint
from batches.rules.states import BatchStatus
from batches.services.core.transition import transition
from batches.services.webhooks import endpoints
from tests.answers import refuse
from tests.cast import TESTER, request_lines, submitted
from tests.engine.webhooks.conftest import THANKS, added, deliver, deliver_until, failed, make_due
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db(transaction=True)


def only() -> WebhookDelivery:
    return WebhookDelivery.objects.get()


def test_a_receiver_that_is_gone_is_told_nothing_more(project: Project, endpoint: WebhookEndpoint, receiver: Upstream) -> None:
    receiver.answer(refuse(410))
    gone = failed(project)
    deliver()

    failed(project)
    deliver()

    endpoint.refresh_from_db()
    assert (endpoint.enabled, endpoint.disabled_reason) == (False, "The receiver answered 410: it is gone.")
    assert endpoint.disabled_at is not None
    assert (only().batch, only().status) == (gone, DeliveryStatus.GIVEN_UP)
    entry = AuditEntry.objects.get(act="disable_webhook")
    assert (entry.project, entry.target, entry.actor) == (project, str(endpoint), "engine")


def test_a_receiver_that_fails_for_days_is_disabled_and_goes_on_when_it_is_enabled(
    project: Project, endpoint: WebhookEndpoint, receiver: Upstream
) -> None:
    receiver.behave(lambda _: refuse(500))
    failed(project)
    deliver()
    WebhookEndpoint.objects.update(failing_since=timezone.now() - timedelta(days=6))
    make_due()
    deliver()
    endpoint.refresh_from_db()
    assert not endpoint.enabled
    assert endpoint.disabled_reason == "Nothing was delivered for 5 days. The last failure: The receiver answered 500."
    assert (only().status, only().due_at) == (DeliveryStatus.WAITING, None)

    receiver.behave(lambda _: THANKS)
    endpoints.change(endpoint, settings={"enabled": True}, actor=TESTER, now=timezone.now())
    deliver()

    assert only().status == DeliveryStatus.DELIVERED


def test_both_secrets_sign_while_one_replaces_the_other(project: Project, receiver: Upstream, simulator: object) -> None:
    now = timezone.now()
    endpoint, former = endpoints.add(project, name="", url=f"{receiver.origin}/hook", event_types=(), actor=TESTER, now=now)
    endpoint, secret = endpoints.rotate(endpoint, actor=TESTER, now=now)
    failed(project)
    deliver()
    WebhookEndpoint.objects.update(former_until=now)
    failed(project)
    deliver()

    during, after = receiver.requests
    for known in (former, secret):
        Webhook(known).verify(during.body, dict(during.headers))
    assert OpenAI(api_key="unused").webhooks.unwrap(during.body, dict(during.headers), secret=former).type == "batch.failed"
    Webhook(secret).verify(after.body, dict(after.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(former).verify(after.body, dict(after.headers))


def test_a_callback_url_is_told_of_the_end_of_its_batch_alone(project: Project, receiver: Upstream, simulator: object) -> None:
    batch = submitted(project, request_lines(1), callback_url=f"{receiver.origin}/back?job=7")
    submitted(project, request_lines(1))
    endpoint, secret = endpoints.rotate(
        endpoints.callbacks_of(project, actor=TESTER, now=timezone.now()), actor=TESTER, now=timezone.now()
    )
    deliver()
    assert receiver.requests == []

    transition(batch, BatchStatus.EXPIRED, actor=TESTER, now=timezone.now())
    failed(project)
    deliver()

    (request,) = receiver.requests
    assert (request.path, request.json["type"], request.json["data"]) == ("/back?job=7", "batch.expired", {"id": str(batch)})
    Webhook(secret).verify(request.body, dict(request.headers))
    assert only().endpoint == endpoint


def test_one_callback_url_that_is_gone_does_not_end_the_others(project: Project, receiver: Upstream, simulator: object) -> None:
    receiver.answer(refuse(410))
    failed(project, callback_url=f"{receiver.origin}/gone")
    deliver()

    failed(project, callback_url=f"{receiver.origin}/there")
    deliver()

    told = WebhookDelivery.objects.order_by("created_at").values_list("status", flat=True)
    assert list(told) == [DeliveryStatus.GIVEN_UP, DeliveryStatus.DELIVERED]


def test_a_secret_that_this_worker_cannot_read_costs_no_try(
    project: Project, endpoint: WebhookEndpoint, receiver: Upstream, settings: Settings
) -> None:
    failed(project)
    with_key = settings.CREDENTIAL_KEYS
    settings.CREDENTIAL_KEYS = ["A" * 43 + "="]
    deliver()
    assert (only().attempts, only().status) == (0, DeliveryStatus.WAITING)
    assert "CREDENTIAL_KEYS" in only().failure

    settings.CREDENTIAL_KEYS = with_key
    deliver_until(lambda: only().status == DeliveryStatus.DELIVERED)


def test_a_changed_url_is_where_waiting_deliveries_go(project: Project, receiver: Upstream, simulator: object) -> None:
    endpoint = added(project, f"{receiver.origin}/old")
    failed(project)
    endpoints.change(endpoint, settings={"url": f"{receiver.origin}/new"}, actor=TESTER, now=timezone.now())

    deliver()

    assert [request.path for request in receiver.requests] == ["/new"]
    assert only().url == f"{receiver.origin}/new"

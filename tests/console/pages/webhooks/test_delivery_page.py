"""The page of one delivery, and sending it again."""

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from batches.models import AuditEntry, Batch, DeliveryStatus, Project, Role, WebhookDelivery, WebhookEndpoint
from tests.console.conftest import MakeBatch, SignIn
from tests.console.pages.webhooks.test_endpoint_acts import text_of
from tests.webhooks import make_delivery, make_endpoint

ANSWER = "Thank you, <b>very</b> much"


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    return make_batch(remark="Nightly")


@pytest.fixture
def endpoint(project: Project, batch: Batch) -> WebhookEndpoint:
    """An endpoint that was added after the end of the batch, of which it was therefore not told."""
    return make_endpoint(project, name="Search")


@pytest.fixture
def delivery(endpoint: WebhookEndpoint, batch: Batch) -> WebhookDelivery:
    tried = {"attempts": 1, "http_status": 200, "answer": ANSWER, "took_ms": 84, "sent_at": timezone.now()}
    return make_delivery(endpoint, batch=batch, status=DeliveryStatus.DELIVERED, **tried)


def address(delivery: WebhookDelivery, word: str = "") -> str:
    return f"/console/webhooks/deliveries/{delivery.pk}/{word}"


def page(client: Client, delivery: WebhookDelivery) -> str:
    answer = client.get(address(delivery))
    assert answer.status_code == 200
    return text_of(answer)


def test_a_delivery_shows_what_was_sent_and_answered(console: Client, delivery: WebhookDelivery, batch: Batch) -> None:
    text = page(console, delivery)
    for words in (delivery.wire_id, delivery.url, str(batch), "Nightly", "HTTP 200", "84 ms", "Delivered"):
        assert words in text
    assert "Thank you, &lt;b&gt;very&lt;/b&gt; much" in text


def test_the_body_of_an_answer_is_for_those_who_may_read_bodies(
    member: SignIn, delivery: WebhookDelivery, settings: Settings
) -> None:
    settings.BODIES_ROLE = "operator"
    text = page(member(Role.VIEWER), delivery)
    assert "Thank you" not in text
    assert "does not show the bodies of answers" in text
    assert "Thank you" in page(member(Role.OPERATOR), delivery)


def test_a_try_without_an_answer_says_why(console: Client, endpoint: WebhookEndpoint) -> None:
    failed = make_delivery(endpoint, status=DeliveryStatus.GIVEN_UP, attempts=1, failure="No connection: refused.")
    text = page(console, failed)
    assert "No connection: refused." in text
    assert "There was no answer." in text
    assert "none, it is a test" in text
    assert "Not sent yet." in page(console, make_delivery(endpoint))


def test_an_operator_sends_an_event_again_and_a_viewer_does_not(member: SignIn, delivery: WebhookDelivery) -> None:
    viewer, operator = member(Role.VIEWER), member(Role.OPERATOR)
    assert "Send again" not in page(viewer, delivery)
    assert viewer.post(address(delivery, "send/")).status_code == 403
    assert "Send again" in page(operator, delivery)
    answer = operator.post(address(delivery, "send/"))
    again = WebhookDelivery.objects.get(redelivery_of=delivery)
    assert answer.headers["Location"] == address(again)
    assert (again.event_id, bytes(again.body), again.status) == (delivery.event_id, bytes(delivery.body), "waiting")
    assert AuditEntry.objects.filter(act="redeliver_webhook", actor="user operator of acme", outcome="done").count() == 1
    text = page(operator, again)
    assert "an earlier delivery" in text
    assert "Other deliveries of this event" in text


def test_a_disabled_endpoint_gets_nothing_again(console: Client, delivery: WebhookDelivery, endpoint: WebhookEndpoint) -> None:
    WebhookEndpoint.objects.update(enabled=False)
    assert "Send again" not in page(console, delivery)
    answer = console.post(address(delivery, "send/"), follow=True)
    assert "The endpoint is disabled: enable it first." in text_of(answer)
    assert WebhookDelivery.objects.count() == 1


def test_a_delivery_that_waits_refreshes_and_one_that_is_over_does_not(
    console: Client, endpoint: WebhookEndpoint, delivery: WebhookDelivery
) -> None:
    assert "data-live=" in page(console, make_delivery(endpoint))
    assert "data-live=" not in page(console, delivery)

"""Webhooks to the eye: endpoints and deliveries in every state, at every width, in light and dark; adding and testing one."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from batches.models import Batch, DeliveryStatus, Project, WebhookDelivery, WebhookEndpoint
from batches.rules.states import BatchStatus
from tests.browser.eyes import findings
from tests.conftest import Portal
from tests.console.conftest import MakeBatch
from tests.webhooks import make_delivery, make_endpoint

pytestmark = pytest.mark.once

LONG = "https://hooks.search.example.com/v2/receivers/batches/019bd3a1e3b18a55a1f2b97401c5d326?tenant=acme&stage=production"
TIMED_OUT = "No answer within 15 s."
REFUSED = "The receiver redirects (302). Redirects are not followed."


@pytest.fixture
def batches(make_batch: MakeBatch) -> list[Batch]:
    """A batch that failed partly, and one that runs and names a callback URL."""
    made = [
        make_batch(remark="Judge the top ten results of last night's queries", succeeded=2, failed=1),
        make_batch(BatchStatus.IN_PROGRESS, remark="Translate", pending=3),
    ]
    Batch.objects.filter(pk=made[1].pk).update(callback_url=LONG)
    return made


@pytest.fixture
def endpoints(project: Project, batches: list[Batch]) -> list[WebhookEndpoint]:
    """Endpoints in every state: enabled, failing, disabled by failures and by a person, without deliveries, for callbacks."""
    now, hour = timezone.now(), timedelta(hours=1)
    stopped = "Nothing was delivered for 5 days. The last failure: No connection: refused."
    return [
        make_endpoint(project, name="Search, production", url=LONG, created_by="user operator"),
        make_endpoint(project, url="https://oncall.example.com/batches", failing_since=now - hour, event_types=["batch.failed"]),
        make_endpoint(
            project,
            name="Old receiver of the reports",
            enabled=False,
            failing_since=now - 140 * hour,
            disabled_at=now - 20 * hour,
            disabled_reason=stopped,
        ),
        make_endpoint(project, name="Stage", enabled=False, disabled_at=now - hour, disabled_reason="user operator disabled it."),
        make_endpoint(project, name="New", former_until=now + 20 * hour),
        make_endpoint(project, name="Callback URLs of batches", url=""),
    ]


def deliver(endpoints: list[WebhookEndpoint], batches: list[Batch]) -> list[WebhookDelivery]:
    """Deliveries in every state, to the first endpoints and to the callback URL."""
    now, batch, minute = timezone.now(), batches[0], timedelta(minutes=1)
    first, second, third, *_, callbacks = endpoints
    tried: dict[str, Any] = {"sent_at": now - minute, "took_ms": 84, "attempts": 1}
    good = tried | {"status": DeliveryStatus.DELIVERED, "http_status": 200, "answer": '{"ok": true}'}
    made = [
        make_delivery(first, batch=batch, **good),
        make_delivery(first, batch=batch),
        make_delivery(
            first, batch=batch, **tried | {"attempts": 4, "took_ms": 15_003, "failure": TIMED_OUT, "due_at": now + 22 * minute}
        ),
        make_delivery(first, **tried, status=DeliveryStatus.GIVEN_UP, http_status=302, failure=REFUSED, answer="<html>" * 160),
        make_delivery(second, batch=batch, type="batch.failed", **tried, status=DeliveryStatus.GIVEN_UP, failure=TIMED_OUT),
        make_delivery(third, batch=batch, due_at=None),
        make_delivery(callbacks, batch=batch, url=LONG, **good),
    ]
    made.append(make_delivery(first, batch=batch, event_id=made[0].event_id, redelivery_of=made[0], **good))
    return made


def addresses(portal: Portal, endpoints: list[WebhookEndpoint], batches: list[Batch]) -> list[str]:
    deliveries = deliver(endpoints, batches)
    for number in range(60):
        made_at = timezone.now() - timedelta(hours=number)
        done = {"status": DeliveryStatus.DELIVERED, "attempts": 1, "http_status": 204, "took_ms": 40 + number}
        make_delivery(endpoints[0], batch=batches[number % 2], created_at=made_at, **done)
    first, callbacks = endpoints[0], endpoints[-1]
    paths = [
        "webhooks/",
        "webhooks/?project=acme",
        "webhooks/?project=nowhere",
        "webhooks/new/",
        "webhooks/callbacks/",
        f"webhooks/{first.pk}/?status=given_up&type=batch.completed",
        f"webhooks/{first.pk}/?status=lost",
        f"webhooks/{first.pk}/?type=batch.expired",
        *(f"webhooks/{endpoint.pk}/" for endpoint in endpoints),
        *(f"webhooks/{first.pk}/{word}/" for word in ("change", "rotate", "test", "disable", "remove")),
        f"webhooks/{endpoints[2].pk}/enable/",
        f"webhooks/{callbacks.pk}/rotate/",
        *(f"webhooks/deliveries/{delivery.pk}/" for delivery in deliveries),
        *(f"batches/{batch}/history/" for batch in batches),
        f"batches/{batches[1]}/",
        "overview/",
    ]
    return [f"{portal.url}/console/{path}" for path in paths]


def test_every_page_about_webhooks_can_be_read_and_is_no_wider_than_its_window(
    desk: Page, portal: Portal, endpoints: list[WebhookEndpoint], batches: list[Batch]
) -> None:
    assert findings(desk, addresses(portal, endpoints, batches)) == []


def test_an_endpoint_is_added_its_secret_copied_and_a_test_sent(desk: Page, portal: Portal, project: Project) -> None:
    desk.context.grant_permissions(["clipboard-read", "clipboard-write"])
    desk.goto(f"{portal.url}/console/webhooks/")
    desk.get_by_role("link", name="Add an endpoint").click()
    desk.get_by_label("URL").fill("https://receiver.example/hooks")
    desk.get_by_label("Name").fill("Search")
    desk.get_by_label("batch.needs_attention").check()
    desk.get_by_role("button", name="Add the endpoint").click()
    desk.get_by_role("button", name="Copy the secret").click()
    secret = desk.evaluate("navigator.clipboard.readText()")
    assert secret.startswith("whsec_")
    desk.get_by_role("link", name="I have saved it").click()
    expect(desk.get_by_role("heading", level=1)).to_have_text("Search")
    assert secret not in desk.content()
    desk.get_by_role("link", name="Send a test…").click()
    desk.get_by_role("button", name="Send the event").click()
    expect(desk.get_by_text("It is sent as soon as a worker is free.")).to_be_visible()
    assert len(WebhookEndpoint.objects.get().event_types) == 5
    WebhookDelivery.objects.update(
        status=DeliveryStatus.DELIVERED, attempts=1, http_status=204, due_at=None, delivered_at=timezone.now()
    )
    expect(desk.get_by_text("The receiver has it.")).to_be_visible()

"""The list of webhook endpoints, and the page of one with its deliveries."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from batches.models import Batch, DeliveryStatus, Project, Role, WebhookEndpoint
from tests.console.conftest import MakeBatch, SignIn
from tests.console.pages.webhooks.test_endpoint_acts import WEBHOOKS, address, text_of
from tests.webhooks import make_delivery, make_endpoint

FAILURE = "The receiver answered 503."


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    return make_batch(remark="Nightly")


@pytest.fixture
def endpoint(project: Project, batch: Batch) -> WebhookEndpoint:
    """An endpoint that was added after the end of the batch, of which it was therefore not told."""
    return make_endpoint(project, name="Search")


def page(client: Client, path: str = WEBHOOKS) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return text_of(answer)


# --- The list ----------------------------------------------------------------------------------------------------------


def test_every_member_sees_the_endpoints_of_their_projects_and_admins_alone_may_change_them(
    member: SignIn, endpoint: WebhookEndpoint, other_project: Project
) -> None:
    make_endpoint(other_project, name="Theirs")
    for role in Role:
        text = page(member(role))
        assert "Search" in text
        assert "Theirs" not in text
        assert ("New endpoint" in text) is (role == Role.ADMIN)
        assert ("Replace secret" in page(member(role, of=other_project), WEBHOOKS)) is False


@pytest.mark.parametrize(
    ("columns", "word"),
    [
        ({}, "Enabled"),
        ({"failing_since": timezone.now() - timedelta(hours=2)}, "Failing"),
        ({"enabled": False, "disabled_at": timezone.now()}, "Disabled"),
        ({"enabled": False, "disabled_at": timezone.now(), "failing_since": timezone.now()}, "Disabled by failures"),
    ],
)
def test_the_state_of_an_endpoint_is_in_its_badge(
    console: Client, project: Project, columns: dict[str, object], word: str
) -> None:
    endpoint = make_endpoint(project, **columns)
    for path in (WEBHOOKS, address(endpoint)):
        assert f"{word}</span>" in page(console, path)


def test_the_list_tells_the_latest_delivery_and_takes_no_more_queries_for_more(
    console: Client, project: Project, count_queries: Callable[[Callable[[], object]], int]
) -> None:
    def add() -> None:
        endpoint = make_endpoint(project)
        make_delivery(endpoint, status=DeliveryStatus.GIVEN_UP)
        make_delivery(endpoint, status=DeliveryStatus.DELIVERED)

    add()
    text = page(console)
    assert "Delivered</span>" in text
    assert "Given up</span>" not in text
    few = count_queries(lambda: console.get(WEBHOOKS))
    for _ in range(3):
        add()
    assert count_queries(lambda: console.get(WEBHOOKS)) == few


def test_the_list_is_narrowed_to_a_project(console: Client, endpoint: WebhookEndpoint, other_project: Project) -> None:
    make_endpoint(other_project, name="Theirs")
    assert "Theirs" not in page(console, f"{WEBHOOKS}?project=acme")
    assert "No webhook endpoints here" in page(console, f"{WEBHOOKS}?project=nowhere")
    assert console.get(f"{WEBHOOKS}?project=%00").status_code == 200


def test_the_overview_tells_of_endpoints_that_were_given_up(console: Client, project: Project, endpoint: WebhookEndpoint) -> None:
    assert "disabled by failures" not in page(console, "/console/overview/")
    now = timezone.now()
    reason = "Nothing was delivered for 5 days."
    make_endpoint(project, name="Old", enabled=False, failing_since=now, disabled_at=now, disabled_reason=reason)
    text = page(console, "/console/overview/")
    assert "<b>1</b> Webhook endpoint disabled by failures" in text
    assert reason in text


# --- One endpoint ------------------------------------------------------------------------------------------------------


def test_the_log_tells_all_about_a_delivery(console: Client, endpoint: WebhookEndpoint, batch: Batch) -> None:
    soon = timezone.now() + timedelta(minutes=22, seconds=30)
    make_delivery(endpoint, batch=batch, attempts=4, http_status=503, failure=FAILURE, took_ms=2400, due_at=soon)
    make_delivery(endpoint)
    text = page(console, address(endpoint))
    for words in ("Trying again", "batch.completed", "Nightly", "503", "2.4 s", "in 22 min", FAILURE, ">test<", "2 deliveries"):
        assert words in text
    assert f"whsec_…{endpoint.secret_hint}" in text


def test_the_log_is_filtered_by_status_type_and_batch(console: Client, endpoint: WebhookEndpoint, batch: Batch) -> None:
    make_delivery(endpoint, batch=batch, status=DeliveryStatus.DELIVERED, type="batch.failed")
    make_delivery(endpoint)
    for query, count in {
        "status=waiting": "1 delivery",
        "status=waiting&status=delivered": "2 deliveries",
        "type=batch.failed": "1 delivery",
        f"batch={batch}": "1 delivery",
        "batch=nonsense": "No delivery matches",
        "status=lost": "it takes waiting, delivered, given_up",
        "colour=red": "There is no filter “colour”",
        "after=1": "a page that does not exist",
    }.items():
        assert count in page(console, f"{address(endpoint)}?{query}")
    assert console.get(f"{address(endpoint)}?status=&type=batch.failed").headers["Location"].endswith("?type=batch.failed")


def test_the_log_has_pages(console: Client, endpoint: WebhookEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batches.console.pages.webhooks.endpoint_page.PAGE_SIZE", 2)
    for number in range(3):
        make_delivery(endpoint, http_status=210 + number)
    answer = console.get(address(endpoint))
    first = text_of(answer)
    assert ">212<" in first
    assert ">210<" not in first
    following = page(console, f"{address(endpoint)}?after={answer.context['page'].forward}")
    assert ">210<" in following
    assert "Previous" in following


def test_a_page_refreshes_its_parts_alone(console: Client, endpoint: WebhookEndpoint) -> None:
    headers = {"X-Requested-With": "fragment"}
    first = console.get(address(endpoint), headers=headers)
    assert b"<html" not in first.content
    tag = {"If-None-Match": first.headers["ETag"], "X-Known-Regions": first.headers["ETag"]}
    assert console.get(address(endpoint), headers=headers | tag).status_code == 304
    make_delivery(endpoint)
    changed = console.get(address(endpoint), headers=headers | tag).content.decode()
    assert 'id="deliveries"' in changed
    assert 'id="webhook-acts"' not in changed


def test_acts_are_shown_to_admins_alone(member: SignIn, endpoint: WebhookEndpoint) -> None:
    for role in Role:
        text = page(member(role), address(endpoint))
        assert ("Replace secret" in text) is (role == Role.ADMIN)
        assert ("Latest acts" in text) is (role == Role.ADMIN)


def test_the_history_of_a_batch_tells_its_deliveries(console: Client, endpoint: WebhookEndpoint, batch: Batch) -> None:
    path = f"/console/batches/{batch}/history/"
    assert "Nothing of this batch was sent" in page(console, path)
    make_delivery(endpoint, batch=batch, status=DeliveryStatus.GIVEN_UP, failure=FAILURE)
    text = page(console, path)
    assert "Given up" in text
    assert FAILURE in text


def test_the_page_of_a_batch_tells_its_callback_url(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch()
    Batch.objects.update(callback_url="https://receiver.example/done?x=<b>")
    assert "https://receiver.example/done?x=&lt;b&gt;" in page(console, f"/console/batches/{batch}/")

"""The acts on webhook endpoints: for who administers a project, with a secret on one page, once."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from uuid_utils.compat import uuid7

from batches.models import AuditEntry, Project, Role, WebhookDelivery, WebhookEndpoint
from batches.services.retention.holds import place_hold
from providers.secrets.secrecy import opened
from tests.cast import TESTER
from tests.console.conftest import SignIn
from tests.webhooks import URL, make_delivery, make_endpoint

WEBHOOKS = "/console/webhooks/"


def form(**changes: Any) -> dict[str, Any]:
    said = {"project": "acme", "name": "Search", "url": URL, "event_types": ["batch.failed"], "token": str(uuid7())}
    return said | changes


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def only() -> WebhookEndpoint:
    return WebhookEndpoint.objects.get()


def secret_of(endpoint: WebhookEndpoint) -> str:
    return opened(bytes(endpoint.secret_encrypted))


@pytest.fixture
def admin(member: SignIn) -> Client:
    """Somebody who administers `project`, and nothing else."""
    return member(Role.ADMIN)


@pytest.fixture
def endpoint(project: Project) -> WebhookEndpoint:
    return make_endpoint(project, name="Search")


def address(endpoint: WebhookEndpoint, word: str = "") -> str:
    return f"{WEBHOOKS}{endpoint.pk}/{word}{'/' if word else ''}"


# --- Adding ------------------------------------------------------------------------------------------------------------


def test_a_new_endpoint_is_shown_with_its_secret_once(admin: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answer = admin.post(f"{WEBHOOKS}new/", form())
    endpoint = only()
    secret = secret_of(endpoint)
    assert (endpoint.name, endpoint.url, endpoint.event_types) == ("Search", URL, ["batch.failed"])
    assert endpoint.created_by == "user admin of acme"
    assert secret in answer.content.decode()
    assert answer.headers["Cache-Control"] == "private, no-store"
    for path in (WEBHOOKS, address(endpoint), address(endpoint, "rotate"), "/console/audit/"):
        assert secret not in admin.get(path).content.decode()
    assert secret not in caplog.text
    assert secret not in str([*AuditEntry.objects.values(), *(session.get_decoded() for session in Session.objects.all())])


def test_a_form_that_is_sent_twice_adds_one_endpoint(admin: Client) -> None:
    said = form()
    admin.post(f"{WEBHOOKS}new/", said)
    again = admin.post(f"{WEBHOOKS}new/", said)
    assert (again.status_code, only().name) == (422, "Search")
    assert "This form was sent before" in text_of(again)
    assert secret_of(only()) not in text_of(again)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": ""}, "This field is required"),
        ({"url": "http://receiver.example"}, "must start with https://"),
        ({"url": "https://169.254.169.254/"}, "cannot be used"),
        ({"url": "https://u:p@receiver.example/"}, "user name or password"),
        ({"event_types": []}, "This field is required"),
        ({"event_types": ["response.completed"]}, "not one of the available choices"),
        ({"name": "x" * 101}, "at most 100"),
        ({"project": "globex"}, "not one of the available choices"),
        ({"token": "x"}, ""),
    ],
)
def test_what_cannot_be_an_endpoint_is_said_at_its_field(
    admin: Client, other_project: Project, changes: dict[str, Any], said: str
) -> None:
    answer = admin.post(f"{WEBHOOKS}new/", form(**changes))
    assert answer.status_code == 422
    assert said in text_of(answer)
    assert not WebhookEndpoint.objects.exists()


def test_too_many_endpoints_are_said(admin: Client, endpoint: WebhookEndpoint, settings: Settings) -> None:
    settings.WEBHOOK_ENDPOINTS_PER_PROJECT = 1
    assert "A project may have 1 webhook endpoint" in text_of(admin.post(f"{WEBHOOKS}new/", form()))


# --- Changing ----------------------------------------------------------------------------------------------------------


def test_settings_are_changed_and_recorded(admin: Client, endpoint: WebhookEndpoint) -> None:
    page = admin.get(address(endpoint, "change")).content.decode()
    assert f'value="{URL}"' in page
    said = {"name": "Stage", "url": f"{URL}/2", "event_types": ["batch.created", "batch.completed"]}
    assert admin.post(address(endpoint, "change"), said).headers["Location"] == address(endpoint)
    endpoint.refresh_from_db()
    assert (endpoint.name, endpoint.url) == ("Stage", f"{URL}/2")
    assert endpoint.event_types == ["batch.completed", "batch.created"]
    assert (AuditEntry.objects.get(act="change_webhook").changes or {})["name"] == ["Search", "Stage"]
    assert "must start with https://" in text_of(admin.post(address(endpoint, "change"), said | {"url": "ftp://x"}))


def test_an_endpoint_is_disabled_and_enabled_after_a_question(admin: Client, endpoint: WebhookEndpoint) -> None:
    assert "Disable this endpoint?" in text_of(admin.get(address(endpoint, "disable")))
    admin.post(address(endpoint, "disable"))
    assert (only().enabled, only().disabled_reason) == (False, "user admin of acme disabled it.")
    assert "Disabled" in text_of(admin.get(address(endpoint)))
    assert admin.get(address(endpoint, "disable")).status_code == 302
    assert "Enable this endpoint?" in text_of(admin.get(address(endpoint, "enable")))
    admin.post(address(endpoint, "enable"))
    assert only().enabled


def test_an_endpoint_is_removed_with_its_log_after_a_question(admin: Client, endpoint: WebhookEndpoint) -> None:
    make_delivery(endpoint)
    assert "Remove this endpoint?" in text_of(admin.get(address(endpoint, "remove")))
    assert WebhookEndpoint.objects.exists()
    assert admin.post(address(endpoint, "remove")).headers["Location"] == WEBHOOKS
    assert not WebhookEndpoint.objects.exists()
    assert not WebhookDelivery.objects.exists()
    assert "Remove webhook endpoint" in text_of(admin.get("/console/audit/"))


def test_an_endpoint_under_legal_hold_is_not_removed(admin: Client, endpoint: WebhookEndpoint) -> None:
    place_hold(endpoint.project, reason="A lawsuit.", actor=TESTER, now=timezone.now())
    answer = admin.post(address(endpoint, "remove"))
    assert answer.status_code == 422
    assert "Project acme is under legal hold: A lawsuit." in text_of(answer)
    assert only() == endpoint


# --- Secrets -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keeps", [True, False])
def test_a_secret_is_replaced_and_the_former_one_kept_if_it_is_said(
    admin: Client, endpoint: WebhookEndpoint, keeps: bool
) -> None:
    former = secret_of(endpoint)
    said = {"seen": endpoint.updated_at.isoformat()} | ({"keep": "on"} if keeps else {})
    answer = admin.post(address(endpoint, "rotate"), said)
    endpoint.refresh_from_db()
    assert secret_of(endpoint) != former
    assert secret_of(endpoint) in answer.content.decode()
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert endpoint.has_former_secret(now=timezone.now()) is keeps
    if keeps:
        assert opened(bytes(endpoint.former_secret_encrypted)) == former
        assert "signature of the former secret" in text_of(admin.get(address(endpoint)))


def test_a_form_that_is_sent_twice_replaces_a_secret_once(admin: Client, endpoint: WebhookEndpoint) -> None:
    said = {"seen": endpoint.updated_at.isoformat()}
    admin.post(address(endpoint, "rotate"), said)
    secret = secret_of(only())
    again = admin.post(address(endpoint, "rotate"), said)
    assert again.status_code == 422
    assert "this form was sent before" in text_of(again)
    assert secret_of(only()) == secret


def test_callback_urls_of_a_project_get_a_secret_before_there_is_any(admin: Client, project: Project) -> None:
    answer = admin.post(f"{WEBHOOKS}callbacks/", {"project": "acme"})
    assert answer.headers["Location"] == address(only(), "rotate")
    assert only().is_callbacks
    assert admin.post(f"{WEBHOOKS}callbacks/", {"project": "acme"}).headers["Location"] == address(only(), "rotate")
    assert admin.post(f"{WEBHOOKS}callbacks/", {"project": "globex"}).status_code == 422


def test_callback_urls_are_neither_changed_nor_tested_nor_removed(admin: Client, project: Project) -> None:
    endpoint = make_endpoint(project, url="", name="Callback URLs of batches")
    page = text_of(admin.get(address(endpoint)))
    for word in ("change", "test", "remove"):
        assert address(endpoint, word) not in page
        admin.post(address(endpoint, word), {"type": "batch.completed", "event_types": ["batch.failed"]})
    endpoint.refresh_from_db()
    assert len(endpoint.event_types) == 4
    assert not WebhookDelivery.objects.exists()


# --- Tests -------------------------------------------------------------------------------------------------------------


def test_a_test_event_leads_to_its_delivery(admin: Client, endpoint: WebhookEndpoint) -> None:
    assert "Send a test event?" in text_of(admin.get(address(endpoint, "test")))
    answer = admin.post(address(endpoint, "test"), {"type": "batch.expired"})
    delivery = WebhookDelivery.objects.get()
    assert answer.headers["Location"] == f"{WEBHOOKS}deliveries/{delivery.pk}/"
    assert (delivery.type, delivery.is_test) == ("batch.expired", True)
    assert admin.post(address(endpoint, "test"), {"type": "batch.lost"}).status_code == 422


def test_a_disabled_endpoint_is_not_tested(admin: Client, project: Project) -> None:
    endpoint = make_endpoint(project, enabled=False, disabled_at=timezone.now() - timedelta(hours=1))
    answer = admin.post(address(endpoint, "test"), {"type": "batch.completed"})
    assert answer.status_code == 422
    assert "The endpoint is disabled: enable it first." in text_of(answer)

"""Webhook endpoints in the native API."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import AuditEntry, Batch, Project, Role, WebhookDelivery, WebhookEndpoint
from providers.secrets.secrecy import opened
from tests.api.conftest import Native, problem
from tests.webhooks import URL, make_endpoint

ENDS = ["batch.completed", "batch.failed", "batch.expired", "batch.cancelled"]
PATH = "webhook_endpoints"


def secret_of(endpoint: WebhookEndpoint) -> str:
    return opened(bytes(endpoint.secret_encrypted))


def test_an_endpoint_is_added_and_its_secret_is_shown_once(native: Native) -> None:
    answer = native.post(PATH, {"url": URL})
    shown, endpoint = answer.json, WebhookEndpoint.objects.get()
    assert (answer.status, shown["id"], shown["url"], shown["event_types"]) == (201, str(endpoint), URL, ENDS)
    assert (shown["name"], shown["enabled"], shown["project"], shown["created_by"]) == ("", True, "acme", "key tests")
    assert (shown["disabled_at"], shown["failing_since"], shown["former_secret_until"]) == (None, None, None)
    assert shown["secret"] == secret_of(endpoint)
    assert shown["secret_hint"] == shown["secret"][-4:]
    for path in (PATH, f"{PATH}/{endpoint}"):
        assert shown["secret"] not in native.get(path).content.decode()
    assert shown["secret"] not in str(list(AuditEntry.objects.values()))


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ({}, "url"),
        ({"url": "http://receiver.example"}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"url": 7}, "url"),
        ({"url": URL, "event_types": []}, "event_types"),
        ({"url": URL, "event_types": ["batch.lost"]}, "event_types.0"),
        ({"url": URL, "event_types": "batch.failed"}, "event_types"),
        ({"url": URL, "name": "x" * 101}, "name"),
        ({"url": URL, "name": "a\nb"}, "name"),
        ({"url": URL, "enabled": True}, "enabled"),
        ({"url": URL, "project": "globex"}, "project"),
    ],
)
def test_what_cannot_be_an_endpoint_is_refused_by_its_parameter(native: Native, document: object, param: str) -> None:
    answer = native.post(PATH, document)
    assert answer.status == 400
    assert problem(answer)["param"].startswith(param)
    assert not WebhookEndpoint.objects.exists()


def test_a_person_names_the_project_and_administers_it(signed_in: Callable[..., Native]) -> None:
    body = {"url": URL, "project": "acme"}
    assert problem(signed_in(Role.OPERATOR).post(PATH, body))["code"] == "permission_denied"
    admin = signed_in(Role.ADMIN)
    assert problem(admin.post(PATH, {"url": URL}))["param"] == "project"
    assert admin.post(PATH, body).json["created_by"] == "user admin of acme"


def test_too_many_endpoints_are_a_conflict(native: Native, endpoint: WebhookEndpoint, settings: Settings) -> None:
    settings.WEBHOOK_ENDPOINTS_PER_PROJECT = 1
    assert native.post(PATH, {"url": URL}).status == 409


def test_endpoints_come_in_pages_the_newest_first(native: Native, project: Project, other_project: Project) -> None:
    made = [str(make_endpoint(project)) for _ in range(3)]
    make_endpoint(other_project)
    first = native.get(f"{PATH}?limit=2").json
    second = native.get(f"{PATH}?limit=2&cursor={first['next_cursor']}").json
    assert [each["id"] for each in first["data"] + second["data"]] == made[::-1]
    assert second["next_cursor"] is None
    assert problem(native.get(f"{PATH}?project=acme"))["param"] == "project"


def test_settings_are_changed_and_others_stay(native: Native, endpoint: WebhookEndpoint) -> None:
    changed = native.call(
        "PATCH", f"{PATH}/{endpoint}", data=b'{"event_types": ["batch.failed"]}', content_type="application/json"
    )
    assert (changed.json["event_types"], changed.json["name"]) == (["batch.failed"], "Search")
    off = native.call("PATCH", f"{PATH}/{endpoint}", data=b'{"enabled": false}', content_type="application/json").json
    assert (off["enabled"], off["disabled_reason"]) == (False, "key tests disabled it.")
    assert off["disabled_at"] == off["updated_at"]


def test_an_endpoint_is_removed(native: Native, endpoint: WebhookEndpoint) -> None:
    assert native.delete(f"{PATH}/{endpoint}").status == 204
    assert native.get(f"{PATH}/{endpoint}").status == 404
    assert not WebhookEndpoint.objects.exists()


@pytest.mark.parametrize("keeps", [True, False, None])
def test_a_secret_is_replaced_and_the_former_one_kept_unless_it_is_said(
    native: Native, endpoint: WebhookEndpoint, keeps: bool | None
) -> None:
    former = secret_of(endpoint)
    body: dict[str, Any] | None = None if keeps is None else {"keep_former": keeps}
    shown = native.post(f"{PATH}/{endpoint}/rotate_secret", body).json
    endpoint.refresh_from_db()
    assert shown["secret"] == secret_of(endpoint) != former
    assert (shown["former_secret_until"] is None) is (keeps is False)
    assert endpoint.has_former_secret(now=timezone.now()) is (keeps is not False)


def test_a_test_makes_a_delivery_that_says_so(native: Native, endpoint: WebhookEndpoint) -> None:
    shown = native.post(f"{PATH}/{endpoint}/test", {"event_type": "batch.expired"}).json
    assert (shown["type"], shown["test"], shown["status"], shown["batch_id"]) == ("batch.expired", True, "waiting", None)
    assert shown["event"]["type"] == "batch.expired"
    assert native.get(f"{PATH}/{endpoint}/deliveries/{shown['id']}").json == shown
    assert problem(native.post(f"{PATH}/{endpoint}/test", {"event_type": "batch.lost"}))["param"] == "event_type"
    WebhookEndpoint.objects.update(enabled=False)
    assert native.post(f"{PATH}/{endpoint}/test").status == 409
    assert WebhookDelivery.objects.count() == 1


# --- Callback URLs ------------------------------------------------------------------------------------------------------


def test_callback_urls_get_a_secret_by_their_word(native: Native, project: Project) -> None:
    assert native.get(f"{PATH}/callbacks").status == 404
    shown = native.post(f"{PATH}/callbacks/rotate_secret").json
    assert (shown["url"], shown["secret"]) == (None, secret_of(WebhookEndpoint.objects.get()))
    assert native.get(f"{PATH}/callbacks").json["id"] == shown["id"]
    assert native.post(f"{PATH}/callbacks/test").status == 409
    assert native.delete(f"{PATH}/callbacks").status == 409
    assert native.post(f"{PATH}/callbacks/rotate_secret").json["id"] == shown["id"]


def test_a_person_names_the_project_of_callback_urls(signed_in: Callable[..., Native], other_project: Project) -> None:
    admin = signed_in(Role.ADMIN)
    assert problem(admin.post(f"{PATH}/callbacks/rotate_secret"))["param"] == "project"
    assert problem(admin.post(f"{PATH}/callbacks/rotate_secret?project=globex"))["param"] == "project"
    assert admin.post(f"{PATH}/callbacks/rotate_secret?project=acme").json["project"] == "acme"
    assert signed_in(Role.OPERATOR).post(f"{PATH}/callbacks/rotate_secret?project=acme").status == 403


def test_a_batch_has_a_callback_url(native: Native) -> None:
    made = native.create(callback_url=f"{URL}?run=7")
    assert (made.status, made.json["callback_url"]) == (201, f"{URL}?run=7")
    assert Batch.objects.get().callback_url == f"{URL}?run=7"
    assert native.create().json["callback_url"] is None
    assert WebhookEndpoint.objects.get().is_callbacks


def test_a_callback_url_that_nothing_may_be_sent_to_is_told_by_a_dry_run_too(native: Native) -> None:
    assert problem(native.create(callback_url="http://receiver.example"))["param"] == "callback_url"
    dry = native.create(callback_url="https://10.0.0.1/", dry_run=True).json
    assert (dry["valid"], dry["problems"][0]["param"]) == (False, "callback_url")
    assert not Batch.objects.exists()

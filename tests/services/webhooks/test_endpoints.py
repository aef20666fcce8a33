"""Endpoints: added, changed, rotated and removed, each with its record, and never with a secret in it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from pytest_django import Settings

from batches.models import AuditEntry, DeliveryStatus, EventType, Project, WebhookDelivery, WebhookEndpoint
from batches.rules.errors import Conflict, InProgress, InvalidRequest, NotFound
from batches.services.retention.holds import UnderHold, place_hold, release_hold
from batches.services.webhooks import deliveries, due, endpoints, outcomes
from providers.secrets.secrecy import opened
from tests.cast import TESTER, request_lines, started
from tests.together import at_once
from tests.webhooks import make_delivery

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
URL = "https://example.com/hook"
ENDS = ["batch.completed", "batch.failed", "batch.expired", "batch.cancelled"]


def added(project: Project, **changes: Any) -> tuple[WebhookEndpoint, str]:
    usual: dict[str, Any] = {"name": "ci", "url": URL, "event_types": []}
    return endpoints.add(project, **usual | changes, actor=TESTER, now=NOW)


@pytest.fixture
def endpoint(project: Project) -> WebhookEndpoint:
    return added(project)[0]


def changed(endpoint: WebhookEndpoint, **settings: Any) -> WebhookEndpoint:
    return endpoints.change(endpoint, settings=settings, actor=TESTER, now=NOW)


def changes_of(act: str) -> dict[str, Any]:
    """The old and new values of the one record of an act."""
    return dict(AuditEntry.objects.get(act=act).changes or {})


def test_an_endpoint_has_what_was_asked_for_and_its_secret_is_in_no_table(project: Project) -> None:
    endpoint, secret = added(project, name=" ci ", event_types=["batch.needs_attention", "batch.completed"])

    endpoint.refresh_from_db()
    assert (endpoint.name, endpoint.url, endpoint.created_by, endpoint.enabled) == ("ci", URL, "tester", True)
    assert endpoint.event_types == ["batch.completed", "batch.needs_attention"]
    assert str(endpoint) == f"we_{endpoint.id.hex}"
    assert (opened(bytes(endpoint.secret_encrypted)), endpoint.secret_hint) == (secret, secret[-4:])
    entry = AuditEntry.objects.get(act="add_webhook")
    assert (entry.project, entry.target, changes_of("add_webhook")["url"]) == (project, str(endpoint), [None, URL])
    assert secret not in str([vars(row) for row in (endpoint, entry)])


def test_without_types_an_endpoint_gets_the_four_ends(endpoint: WebhookEndpoint) -> None:
    assert endpoint.event_types == ENDS


def test_every_type_has_a_sentence() -> None:
    assert list(endpoints.EVENT_TYPES) == EventType.values
    assert all(sentence.endswith(".") for sentence in endpoints.EVENT_TYPES.values())


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"name": "x" * 101}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"name": None}, "name"),
        ({"url": "http://example.com/"}, "url"),
        ({"url": None}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"event_types": ["batch.finished"]}, "event_types"),
        ({"event_types": [{}]}, "event_types"),
        ({"event_types": "batch.failed"}, "event_types"),
        ({"event_types": 7}, "event_types"),
        ({"enabled": "yes"}, "enabled"),
        ({"secret": "whsec_mine"}, "secret"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(endpoint: WebhookEndpoint, wrong: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as found:
        changed(endpoint, **wrong)

    assert found.value.param == param


def test_a_change_is_recorded_with_old_and_new_values(endpoint: WebhookEndpoint) -> None:
    changed(endpoint, name="ci", url="https://example.org/", event_types=["batch.failed"])
    changed(endpoint, url="https://example.org/")

    assert changes_of("change_webhook") == {
        "url": [URL, "https://example.org/"],
        "event_types": [", ".join(ENDS), "batch.failed"],
    }


def test_a_project_has_so_many_endpoints_at_most(project: Project, other_project: Project, settings: Settings) -> None:
    settings.WEBHOOK_ENDPOINTS_PER_PROJECT = 2
    endpoints.callbacks_of(project, actor=TESTER, now=NOW)
    first, _ = added(project)
    added(project)

    with pytest.raises(Conflict, match="2 webhook endpoints"):
        added(project)
    added(other_project)
    endpoints.remove(first, actor=TESTER, now=NOW)
    added(project)


@pytest.mark.django_db(transaction=True)
def test_two_calls_at_once_do_not_share_the_last_place(project: Project, settings: Settings) -> None:
    settings.WEBHOOK_ENDPOINTS_PER_PROJECT = 1

    came = at_once(lambda: added(project), lambda: added(project))

    assert sorted(isinstance(one, Conflict) for one in came) == [False, True]
    assert WebhookEndpoint.objects.count() == 1


def test_a_rotated_secret_is_new_and_the_former_one_stays_for_a_day(project: Project) -> None:
    endpoint, former = added(project)

    endpoint, secret = endpoints.rotate(endpoint, actor=TESTER, now=NOW)

    assert secret != former
    assert (opened(bytes(endpoint.secret_encrypted)), opened(bytes(endpoint.former_secret_encrypted))) == (secret, former)
    assert endpoint.has_former_secret(now=NOW + timedelta(hours=23))
    assert not endpoint.has_former_secret(now=NOW + timedelta(hours=24))
    entry = AuditEntry.objects.get(act="rotate_webhook")
    assert "secret" in changes_of("rotate_webhook")
    assert not any(known in str(vars(entry)) for known in (former, secret))


def test_a_removed_endpoint_takes_its_deliveries_along(endpoint: WebhookEndpoint) -> None:
    deliveries.send_test(endpoint, actor=TESTER, now=NOW)

    endpoints.remove(endpoint, actor=TESTER, now=NOW)

    assert not WebhookDelivery.objects.exists()
    assert changes_of("remove_webhook")["url"] == [URL, None]
    for act in (endpoints.remove, endpoints.rotate):
        with pytest.raises(NotFound):
            act(endpoint, actor=TESTER, now=NOW)


def test_an_endpoint_stays_while_deliveries_of_it_are_under_legal_hold(endpoint: WebhookEndpoint, project: Project) -> None:
    batch = started(project, request_lines(1))
    hold = place_hold(project, batch=batch, reason="A lawsuit.", actor=TESTER, now=NOW)
    delivery = make_delivery(endpoint)
    other, _ = added(project)
    WebhookDelivery.objects.filter(pk=delivery.pk).update(batch=batch)

    with pytest.raises(UnderHold, match=r"is under legal hold: A lawsuit\."):
        endpoints.remove(endpoint, actor=TESTER, now=NOW)
    endpoints.remove(other, actor=TESTER, now=NOW)

    assert list(WebhookDelivery.objects.all()) == [delivery]
    release_hold(hold, reason="It is settled.", actor=TESTER, now=NOW)
    endpoints.remove(endpoint, actor=TESTER, now=NOW)
    assert not WebhookDelivery.objects.exists()


def test_a_project_has_one_endpoint_for_callback_urls(project: Project, other_project: Project) -> None:
    callbacks = endpoints.callbacks_of(project, actor=TESTER, now=NOW)

    assert endpoints.callbacks_of(project, actor=TESTER, now=NOW) == callbacks
    assert endpoints.callbacks_of(other_project, actor=TESTER, now=NOW) != callbacks
    assert callbacks.is_callbacks
    assert AuditEntry.objects.filter(act="add_webhook", project=project).count() == 1


def test_the_endpoint_of_callback_urls_can_be_disabled_and_rotated_and_nothing_else(project: Project) -> None:
    callbacks = endpoints.callbacks_of(project, actor=TESTER, now=NOW)

    assert not changed(callbacks, enabled=False).enabled
    assert endpoints.rotate(callbacks, actor=TESTER, now=NOW)[1].startswith("whsec_")
    changed(callbacks, enabled=True)
    for refused in (
        lambda: changed(callbacks, url=URL),
        lambda: changed(callbacks, event_types=[]),
        lambda: endpoints.remove(callbacks, actor=TESTER, now=NOW),
        lambda: deliveries.send_test(callbacks, actor=TESTER, now=NOW),
    ):
        with pytest.raises(Conflict):
            refused()


def test_a_disabled_endpoint_keeps_what_waits_until_it_is_enabled(endpoint: WebhookEndpoint) -> None:
    delivery = deliveries.send_test(endpoint, actor=TESTER, now=NOW)

    disabled = changed(endpoint, enabled=False)

    delivery.refresh_from_db()
    assert (delivery.status, delivery.due_at) == (DeliveryStatus.WAITING, None)
    assert (disabled.disabled_at, disabled.disabled_reason) == (NOW, "tester disabled it.")
    assert not due.anything_due(now=NOW)
    with pytest.raises(Conflict):
        deliveries.send_test(endpoint, actor=TESTER, now=NOW)
    with pytest.raises(Conflict):
        deliveries.redeliver(delivery, actor=TESTER, now=NOW)

    enabled = changed(endpoint, enabled=True)
    delivery.refresh_from_db()
    assert (enabled.disabled_at, enabled.disabled_reason, delivery.due_at) == (None, "", NOW)
    assert due.anything_due(now=NOW)


def test_a_waiting_delivery_is_sent_at_once_when_somebody_asks(endpoint: WebhookEndpoint) -> None:
    delivery = deliveries.send_test(endpoint, actor=TESTER, now=NOW)
    WebhookDelivery.objects.update(due_at=NOW + timedelta(hours=5))

    assert deliveries.redeliver(delivery, actor=TESTER, now=NOW) == delivery
    delivery.refresh_from_db()
    assert delivery.due_at == NOW

    WebhookDelivery.objects.update(lease_expires_at=NOW + timedelta(seconds=9))
    with pytest.raises(InProgress):
        deliveries.redeliver(delivery, actor=TESTER, now=NOW)
    assert AuditEntry.objects.filter(act="redeliver_webhook").count() == 1


def test_a_test_of_an_unknown_type_is_refused(endpoint: WebhookEndpoint) -> None:
    with pytest.raises(InvalidRequest) as found:
        deliveries.send_test(endpoint, actor=TESTER, now=NOW, event_type="batch.done")

    assert found.value.param == "event_type"


def test_secrets_are_encrypted_anew_under_the_first_key(project: Project, settings: Settings) -> None:
    endpoint, former = added(project)
    _, secret = endpoints.rotate(endpoint, actor=TESTER, now=NOW)
    before = settings.CREDENTIAL_KEYS
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode(), *before]

    assert endpoints.encrypt_anew(actor=TESTER, now=NOW) == 1

    settings.CREDENTIAL_KEYS = settings.CREDENTIAL_KEYS[:1]
    endpoint.refresh_from_db()
    assert [opened(bytes(kept)) for kept in (endpoint.secret_encrypted, endpoint.former_secret_encrypted)] == [secret, former]
    assert AuditEntry.objects.get(act="encrypt_webhooks").reason == "1 encrypted anew."


def test_an_endpoint_that_a_person_disabled_was_not_given_up(endpoint: WebhookEndpoint) -> None:
    WebhookEndpoint.objects.update(failing_since=NOW)
    endpoints.disable(endpoint, reason="Gone.", actor=TESTER, now=NOW)
    assert list(WebhookEndpoint.objects.given_up()) == [endpoint]

    changed(endpoint, enabled=True)
    changed(endpoint, enabled=False)

    assert not WebhookEndpoint.objects.given_up().exists()


def test_a_try_that_fails_after_a_person_disabled_the_endpoint_changes_nothing_about_it(endpoint: WebhookEndpoint) -> None:
    delivery = deliveries.send_test(endpoint, actor=TESTER, now=NOW)
    (in_hand,) = due.take_due(endpoint.pk, now=NOW, room=1)
    changed(endpoint, enabled=False)

    outcomes.record(in_hand, outcomes.Tried(took_ms=1, http_status=410, failure="The receiver answered 410."), now=NOW)

    endpoint.refresh_from_db()
    delivery.refresh_from_db()
    assert (endpoint.failing_since, endpoint.disabled_reason) == (None, "tester disabled it.")
    assert (delivery.status, delivery.http_status) == (DeliveryStatus.GIVEN_UP, 410)


def test_no_column_holds_the_plain_secret(project: Project) -> None:
    _, secret = added(project)

    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM batches_webhookendpoint")
        rows = [[bytes(value) if isinstance(value, memoryview) else value for value in row] for row in cursor.fetchall()]
    assert secret.removeprefix("whsec_") not in str(rows)

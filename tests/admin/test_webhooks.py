"""Webhooks in the admin: found by what people have at hand, and shown without secrets and bodies."""

import pytest
from django.test import Client

from batches.models import Role, WebhookDelivery, WebhookEndpoint
from providers.secrets.secrecy import opened
from tests.admin.conftest import Furnish, SignIn, page_of

ENDPOINTS, DELIVERIES = "/admin/batches/webhookendpoint/", "/admin/batches/webhookdelivery/"


def test_neither_secrets_nor_bodies_are_shown(console: Client, furnish: Furnish) -> None:
    furnish()
    endpoint, delivery = WebhookEndpoint.objects.get(), WebhookDelivery.objects.get()
    secrets = (opened(bytes(endpoint.secret_encrypted)), bytes(endpoint.secret_encrypted).decode(), "a-secret-of-theirs")
    for path in (ENDPOINTS, page_of(endpoint), DELIVERIES, page_of(delivery)):
        page = console.get(path).content.decode()
        assert endpoint.url in page or str(endpoint) in page
        assert not any(secret in page for secret in secrets)


@pytest.mark.parametrize("path", [ENDPOINTS, DELIVERIES])
def test_nothing_is_added_changed_or_removed_here(console: Client, furnish: Furnish, path: str) -> None:
    furnish()
    assert console.get(f"{path}add/").status_code == 403
    row = (WebhookEndpoint if path == ENDPOINTS else WebhookDelivery).objects.get()
    assert console.post(page_of(row), {"name": "x"}).status_code == 403
    assert console.post(f"{path}{row.pk}/delete/", {"post": "yes"}).status_code == 403


def test_an_endpoint_is_found_by_its_id_and_its_url_and_a_delivery_by_its_batch(console: Client, furnish: Furnish) -> None:
    batch = furnish()
    endpoint = WebhookEndpoint.objects.get()
    for text in (str(endpoint), endpoint.url[:20]):
        assert str(endpoint) in console.get(ENDPOINTS, {"q": text}).content.decode()
    assert "1 webhook delivery" in console.get(DELIVERIES, {"q": str(batch)}).content.decode()
    assert "0 webhook endpoints" in console.get(ENDPOINTS, {"q": "nothing-like-it"}).content.decode()


def test_an_admin_of_another_project_sees_none(member: SignIn, furnish: Furnish, other_project: object) -> None:
    furnish()
    stranger = member(Role.ADMIN, of=other_project, is_staff=True)  # type: ignore[arg-type]
    assert "0 webhook endpoints" in stranger.get(ENDPOINTS).content.decode()
    assert "0 webhook deliveries" in stranger.get(DELIVERIES).content.decode()

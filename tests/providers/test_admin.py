"""Providers in the admin: a credential goes in and never comes out."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from providers.models import Provider
from tests.providers.calls import SECRET

pytestmark = [pytest.mark.django_db, pytest.mark.once]
ADD = "/admin/providers/provider/add/"


@pytest.fixture
def admin(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


def form(**fields: Any) -> dict[str, Any]:
    empty = {f"{rows}-{forms}_FORMS": "0" for rows in ("models", "grants") for forms in ("TOTAL", "INITIAL")}
    usual = {
        **empty,
        "name": "up",
        "adapter": "openai",
        "base_url": "https://host/v1",
        "options": "{}",
        "max_concurrency": 8,
        "max_open_jobs": 100,
    }
    return {**usual, "enabled": "on", "granted_to_all": "on", **fields}


def test_a_credential_is_stored_encrypted_and_never_shown(admin: Client) -> None:
    response = admin.post(ADD, form(credential=SECRET))
    assert response.status_code == 302, response.content
    made = Provider.objects.get(name="up")
    assert made.connection().credential == SECRET
    for page in (f"/admin/providers/provider/{made.pk}/change/", "/admin/providers/provider/"):
        shown = admin.get(page)
        assert shown.status_code == 200
        assert SECRET not in shown.content.decode()


def test_a_credential_is_not_shown_when_the_form_comes_back(admin: Client) -> None:
    response = admin.post(ADD, form(credential=SECRET, base_url=""))
    assert response.status_code == 200
    assert "A base URL is needed" in response.content.decode()
    assert SECRET not in response.content.decode()


def test_a_field_left_empty_keeps_the_credential(admin: Client) -> None:
    admin.post(ADD, form(credential=SECRET))
    made = Provider.objects.get(name="up")
    admin.post(f"/admin/providers/provider/{made.pk}/change/", form(max_concurrency=9))
    made.refresh_from_db()
    assert (made.max_concurrency, made.connection().credential) == (9, SECRET)


def test_naming_a_variable_replaces_the_credential(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCHYARD_CREDENTIAL_UP", "sk-in-the-variable-1")
    admin.post(ADD, form(credential=SECRET))
    made = Provider.objects.get(name="up")
    named = form(credential_env="BATCHYARD_CREDENTIAL_UP", credential="sk-in-the-variable-1")
    admin.post(f"/admin/providers/provider/{made.pk}/change/", named)
    made.refresh_from_db()
    assert (made.credential_env, bytes(made.credential_encrypted)) == ("BATCHYARD_CREDENTIAL_UP", b"")


def test_giving_a_credential_replaces_the_variable(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCHYARD_CREDENTIAL_UP", "sk-in-the-variable-1")
    admin.post(ADD, form(credential_env="BATCHYARD_CREDENTIAL_UP", credential="sk-in-the-variable-1"))
    made = Provider.objects.get(name="up")
    admin.post(f"/admin/providers/provider/{made.pk}/change/", form(credential=SECRET, credential_env=""))
    made.refresh_from_db()
    assert made.connection().credential == SECRET


def test_another_credential_than_the_one_in_the_variable_is_refused(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCHYARD_CREDENTIAL_UP", "sk-in-the-variable-1")
    response = admin.post(ADD, form(credential=SECRET, credential_env="BATCHYARD_CREDENTIAL_UP"))
    assert "This is not the credential" in response.content.decode()
    assert "sk-in-the-variable-1" not in response.content.decode()
    assert not Provider.objects.filter(name="up").exists()


def test_a_new_default_replaces_the_old_one(admin: Client) -> None:
    admin.post(ADD, form(is_default="on"))
    admin.post(ADD, form(name="newer", is_default="on"))
    assert Provider.objects.get(is_default=True).name == "newer"


def test_u10_a_secret_of_options_goes_in_and_never_comes_out(admin: Client) -> None:
    options = '{"headers": {"X-Edge": {"secret": "edge"}}}'
    response = admin.post(ADD, form(options=options, secret_name="edge", secret_value=SECRET))
    assert response.status_code == 302, response.content
    made = Provider.objects.get(name="up")
    assert made.connection().options == {"headers": {"X-Edge": SECRET}}
    page = f"/admin/providers/provider/{made.pk}/change/"
    shown = admin.get(page).content.decode()
    assert "Stored: edge." in shown
    assert "fast path" in shown
    assert SECRET not in shown
    bad = admin.post(page, form(base_url="", secret_name="edge", secret_value=SECRET))
    assert SECRET not in bad.content.decode()
    admin.post(page, form(secret_name="edge"))
    made.refresh_from_db()
    assert made.secret_names == []


@pytest.mark.parametrize("options", ['{"azure": "latest"}', '{"headers": {"X-Api-Key": "plain-secret-1"}}', '{"colour": 1}'])
def test_u10_bad_options_are_named_in_the_form(admin: Client, options: str) -> None:
    response = admin.post(ADD, form(options=options))
    assert response.status_code == 200
    assert "errorlist" in response.content.decode()
    assert not Provider.objects.filter(name="up").exists()

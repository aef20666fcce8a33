"""S8: where PUBLIC_URL is https, nothing is taken in the clear but what an orchestrator asks."""

import pytest
from django.test import Client
from pytest_django import Settings

PUBLIC = "https://batch.example"
TLS = {"X-Forwarded-Proto": "https", "Host": "batch.example"}


@pytest.fixture
def behind_tls(settings: Settings) -> None:
    """As `config.settings.web` has it with that PUBLIC_URL; tests/config/test_settings.py proves that it does."""
    settings.PUBLIC_URL, settings.ALLOWED_HOSTS = PUBLIC, ["batch.example"]
    settings.SECURE_SSL_REDIRECT, settings.SECURE_SSL_HOST, settings.SECURE_HSTS_SECONDS = True, "batch.example", 31536000
    settings.SECURE_PROXY_SSL_HEADER, settings.USE_X_FORWARDED_HOST = ("HTTP_X_FORWARDED_PROTO", "https"), True
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/readyz/web"])
@pytest.mark.parametrize("host", ["10.1.2.3:8000", "anything", "batch.example"])
@pytest.mark.django_db
def test_a_probe_is_answered_by_any_name_and_in_the_clear(client: Client, behind_tls: None, path: str, host: str) -> None:
    answer = client.get(path, headers={"Host": host})
    assert answer.status_code in (200, 503)
    assert "status" in answer.json()


def test_a_page_is_led_to_where_it_is_encrypted(client: Client, behind_tls: None) -> None:
    answer = client.get("/console/login/?next=/console/", headers={"Host": "batch.example"})
    assert (answer.status_code, answer.headers["Location"]) == (301, f"{PUBLIC}/console/login/?next=/console/")


@pytest.mark.django_db
def test_an_encrypted_page_says_so_for_a_year_and_has_cookies_for_this_host_alone(client: Client, behind_tls: None) -> None:
    answer = client.get("/console/login/", headers=TLS)
    assert answer.status_code == 200
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    cookie = answer.cookies["__Host-csrftoken"]
    assert (bool(cookie["secure"]), cookie["path"], cookie["domain"]) == (True, "/", "")


@pytest.mark.parametrize(
    "headers", [{"Authorization": "Bearer by_key"}, {"x-api-key": "by_key"}, {"api-key": "by_key"}, {"X-Account-Token": "t"}]
)
@pytest.mark.parametrize("path", ["/v1/batches", "/v1/messages/batches", "/api/v1/batches", "/bifrost/v1/batches"])
def test_a_key_in_the_clear_is_refused_in_the_words_of_the_dialect(
    client: Client, behind_tls: None, headers: dict[str, str], path: str
) -> None:
    answer = client.get(path, headers={**headers, "Host": "batch.example"})
    assert answer.status_code == 403
    assert PUBLIC in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/batches", "/console/login/", "/admin/login/"])
def test_nothing_that_changes_something_is_turned_into_a_look(client: Client, behind_tls: None, path: str) -> None:
    answer = client.post(path, {"username": "operator", "password": "x"}, headers={"Host": "batch.example"})
    assert answer.status_code == 403
    assert PUBLIC in answer.content.decode()


def test_another_host_is_told_which_settings_name_hosts(client: Client, behind_tls: None) -> None:
    answer = client.get("/v1/models", headers={"X-Forwarded-Proto": "https", "Host": "evil.example"})
    assert answer.status_code == 400
    assert "PUBLIC_URL or ALLOWED_HOSTS" in answer.json()["error"]["message"]

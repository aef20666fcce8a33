"""What the portal has a browser keep: for pages alone, out of reach of scripts, and over TLS for its own host alone.

Scripts may read the token against forgery, which is worth nothing without the session: the native API takes it in a header.
The cookie with what the next page is to say is signed, and Django gives it one name everywhere.
"""

import pytest
from django.conf import settings as portal_settings
from django.contrib.auth.models import User
from django.http.cookie import SimpleCookie
from django.test import Client
from pytest_django import Settings

from tests.matrix import every
from tests.security.routes import Address, addresses
from tests.security.sign_in.people import LOGIN, PASSWORD
from tests.security.sign_in.test_forgery import label, path_of
from tests.security.tenancy.tenants import NOBODY, Tenant, Visitor, programs

pytestmark = pytest.mark.once

TLS = {"X-Forwarded-Proto": "https", "Host": "batch.example"}
PLACES = ("/console/login/", "/console/batches/", "/console/account/", "/admin/", "/admin/auth/user/99/change/")
APIS = [address for address in addresses() if address.face not in ("admin", "console") and "/docs" not in address.path]
CALLS = [(address, method) for address in APIS for method in address.methods]


@pytest.fixture
def operator(db: None) -> User:
    return User.objects.create_superuser("anna", password=PASSWORD)


@pytest.fixture
def behind_tls(settings: Settings) -> None:
    """As `config.settings.web` has it with PUBLIC_URL=https://batch.example; tests/config/test_settings.py proves that."""
    settings.PUBLIC_URL, settings.ALLOWED_HOSTS = "https://batch.example", ["batch.example"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://batch.example"]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"


def jar(**headers: str) -> SimpleCookie:
    """All cookies that a person gets who signs in, looks around, and is told that something is not there."""
    client = Client(headers=headers)
    found: SimpleCookie = SimpleCookie()
    secure = headers.get("X-Forwarded-Proto") == "https"
    for path in PLACES:
        found.update(client.get(path, secure=secure).cookies)
        if path == LOGIN:
            answer = client.post(LOGIN, {"login": "anna", "password": PASSWORD}, secure=secure)
            assert answer.status_code == 302
            found.update(answer.cookies)
    return found


def test_no_script_and_no_other_site_gets_at_a_cookie(operator: User) -> None:
    found = jar()
    assert set(found) == {"sessionid", "csrftoken", "messages"}
    for name, cookie in found.items():
        assert cookie["samesite"] in ("Lax", "Strict"), name
        assert cookie["path"] == "/", name
        assert not cookie["domain"], name
        assert cookie["httponly"] or name == "csrftoken", name
        assert not cookie["secure"], "where the portal is reached in the clear, a browser would not send it back"


def test_behind_tls_every_cookie_is_for_this_host_alone(operator: User, behind_tls: None) -> None:
    found = jar(**TLS)
    assert {"__Host-sessionid", "__Host-csrftoken"} <= set(found)
    for name, cookie in found.items():
        assert name.startswith("__Host-") or name == "messages", name
        assert cookie["secure"], name
        assert cookie["httponly"] or name == "__Host-csrftoken", name
        assert (cookie["path"], cookie["domain"]) == ("/", ""), name


@pytest.fixture
def callers(tenant: Tenant) -> list[Visitor]:
    """Somebody without a key, and with one."""
    return [NOBODY, *programs(tenant.project)[:1]]


@every("address, method", CALLS, ids=label)
def test_no_answer_of_an_api_sets_a_cookie(tenant: Tenant, callers: list[Visitor], address: Address, method: str) -> None:
    for caller in callers:
        answer = caller.ask(method, path_of(address, tenant))
        if answer.streaming:
            answer.getvalue()
        assert "Set-Cookie" not in answer.headers
        assert not answer.cookies, caller


def test_a_session_cookie_is_new_once_somebody_signs_in(operator: User) -> None:
    client = Client()
    client.get(LOGIN)
    client.cookies[portal_settings.SESSION_COOKIE_NAME] = "given-by-somebody"
    client.post(LOGIN, {"login": "anna", "password": PASSWORD})
    assert client.cookies[portal_settings.SESSION_COOKIE_NAME].value not in ("", "given-by-somebody")
    assert client.get("/console/batches/").status_code == 200

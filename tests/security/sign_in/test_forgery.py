"""Unsafe methods change nothing without the token against forgery and a session, and GET changes nothing at all.

Every route is tried, from the URL resolver. The rows of every table are compared before and after.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models import Model
from django.http.response import HttpResponseBase
from django.test import Client

from batches.models import ApiKey
from tests.matrix import every
from tests.security.routes import Address, addresses
from tests.security.tenancy.tenants import Tenant, Visitor, visitor_of

pytestmark = pytest.mark.once

SESSIONS = (Session, UserSession)
LAST_USES = {"last_used_at", "last_login"}

Rows = dict[str, set[tuple[Any, ...]]]


def rows() -> Rows:
    """Every row of every table, but for sessions and for when something was last used."""
    return {model._meta.label: _rows(model) for model in apps.get_models() if model not in SESSIONS}


def _rows(model: type[Model]) -> set[tuple[Any, ...]]:
    names = [column.attname for column in model._meta.concrete_fields if column.name not in LAST_USES]
    return {tuple(map(repr, row)) for row in model._default_manager.values_list(*names)}


def path_of(address: Address, tenant: Tenant) -> str:
    return address.of({name: pair[0] for name, pair in tenant.named(address).items()})


def require_unchanged(before: Rows, call: Callable[[], Any]) -> HttpResponseBase:
    """The answer of a call that leaves every row as it was. SQLite counts what is written: if nothing is, no row is read."""
    written = _written()
    answer = call()
    if answer.streaming:
        answer.getvalue()  # what it does while it is sent is done
    if written is None or written != _written():
        assert rows() == before
    found: HttpResponseBase = answer
    return found


def _written() -> int | None:
    return connection.connection.total_changes if connection.vendor == "sqlite" else None


def label(value: object) -> str:
    return value.path if isinstance(value, Address) else str(value)


PAGES = [address for address in addresses() if address.face in ("admin", "console")]
NATIVE = [(address, method) for address in addresses() if address.path.startswith("/api/v1/") for method in address.methods]
LOOKS = [address for address in addresses() if "GET" in address.methods]


@pytest.fixture
def before(tenant: Tenant, operator: User, owner: Visitor) -> Rows:
    """All rows once the cast is complete."""
    return rows()


@pytest.fixture
def owner(tenant: Tenant, operator: User) -> Visitor:
    """Somebody who may do everything to the tenant."""
    return visitor_of(operator, name="owner")


@pytest.fixture
def program(tenant: Tenant) -> Visitor:
    """A program of the tenant that may do everything."""
    return Visitor("program", key=ApiKey.issue(project=tenant.project, name="all")[1])


def strict(visitor: Visitor | None = None) -> Client:
    """A browser for which tokens are checked; Django's test client skips that."""
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    if visitor:
        client.cookies[settings.SESSION_COOKIE_NAME] = visitor.session
    return client


@every("address", PAGES, ids=label)
def test_a_page_changes_nothing_without_the_token(tenant: Tenant, owner: Visitor, before: Rows, address: Address) -> None:
    path = path_of(address, tenant)
    answer = require_unchanged(before, lambda: strict(owner).post(path, {"confirmed": "yes"}))
    assert answer.status_code in (302, 403, 404, 405)
    if answer.status_code == 302:
        assert address.path in ("/", "/admin/logout/", "/admin/password_change/"), "only what leads on to another page"


@every("address", PAGES, ids=label)
def test_a_page_changes_nothing_without_a_session(tenant: Tenant, before: Rows, address: Address) -> None:
    path = path_of(address, tenant)
    anybody = Client(raise_request_exception=False)
    assert require_unchanged(before, lambda: anybody.post(path, {"confirmed": "yes"})).status_code < 500


@every("address, method", [call for call in NATIVE if call[1] != "GET"], ids=label)
def test_a_session_calls_the_native_api_with_its_token_alone(
    tenant: Tenant, owner: Visitor, before: Rows, address: Address, method: str
) -> None:
    path = path_of(address, tenant)
    for client in (strict(owner), Client(raise_request_exception=False)):
        answer = require_unchanged(before, functools.partial(client.generic, method, path, b"{}", "application/json"))
        assert answer.status_code in (401, 403, 405)


@pytest.mark.long
@every("address", LOOKS, ids=label)
def test_a_look_changes_nothing(
    tenant: Tenant, owner: Visitor, program: Visitor, before: Rows, address: Address, with_program: Rows
) -> None:
    visitor = owner if address.face in ("admin", "console") else program
    path = path_of(address, tenant)
    assert require_unchanged(with_program, lambda: visitor.ask("GET", path)).status_code < 500


@pytest.fixture
def with_program(before: Rows, program: Visitor) -> Rows:
    return rows()


def test_the_rows_are_seen_to_change(tenant: Tenant, owner: Visitor, before: Rows) -> None:
    owner.ask("POST", f"/console/batches/{tenant.batch}/pause/", form={"reason": "r"})
    other: Mapping[str, object] = rows()
    assert other != before or owner.ask("POST", "/console/views/new/", form={"name": "n", "query": ""}).status_code == 302
    assert rows() != before

"""A second factor that the portal demands: without it, nobody gets further than the page that sets it up."""

import re

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django import Settings

from batches.console.account.second_factor import OPEN
from batches.models import Batch, Membership, Project, Role
from batches.rules.states import BatchStatus
from tests.console.conftest import MakeBatch, make_batch
from tests.security.sign_in.people import (
    ACCOUNT,
    LOGIN,
    PASSWORD,
    SET_UP,
    browser,
    may_enter,
    set_up_second_factor,
    sign_in,
    signed_in,
    with_second_factor,
)

__all__ = ["MakeBatch", "make_batch"]

pytestmark = pytest.mark.django_db

INDEX = f"{ACCOUNT}second-factor/"

CODES = f"{INDEX}recovery-codes/"


@pytest.fixture(autouse=True)
def anna() -> User:
    return User.objects.create_superuser("anna", password=PASSWORD)


@pytest.fixture
def demanded(settings: Settings) -> None:
    settings.REQUIRE_SECOND_FACTOR = "everybody"


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    return make_batch(BatchStatus.IN_PROGRESS, succeeded=1, failed=1, pending=1)


def addresses(patterns: list[URLPattern | URLResolver], values: dict[str, str], *, before: str = "/") -> list[tuple[str, str]]:
    """Every address of the portal with its name, its parts filled in."""
    found = []
    for pattern in patterns:
        path = before + re.sub(r"\(\?P<app_label>[^)]*\)", "batches", str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            found += addresses(pattern.url_patterns, values, before=path)
            continue
        for part, value in values.items():
            path = path.replace(part, value)
        found.append((path.replace("^", "").replace("$", ""), pattern.name or ""))
    return found


def walked(batch: Batch, anna: User) -> list[tuple[str, str]]:
    """All pages of the console and of the admin."""
    values = {
        "<path:object_id>": str(anna.pk),
        "<id>": str(anna.pk),
        "<path:content_type_id>": "1",
        "(?P<url>.*)": "anything",
        "<batch_id:batch_id>": str(batch),
        "<file_id:file_id>": str(batch.input_file),
        "<fingerprint:fingerprint>": "v1:same",
        "<uuid:operation_id>": str(batch.pk),
        "<uuid:key_id>": str(batch.pk),
        "<uuid:job_id>": str(batch.pk),
        "<slug:code>": "failed",
        "<uuid:stop_id>": str(batch.pk),
        "<slug:provider_id>": "oidc",
        "<slug:name>": "simulator",
        "<slug:slug>": "mine",
        "<slug:project>": "acme",
        "<uuid:endpoint_id>": str(batch.pk),
        "<uuid:delivery_id>": str(batch.pk),
        "<uuid:subscription_id>": str(batch.pk),
        "<uuid:hold_id>": str(batch.pk),
        "<uuid:erasure_id>": str(batch.pk),
        "<str:which>": "input",
        "<int:line>": "1",
    }
    found = addresses(get_resolver().url_patterns, values)
    return [(path, name) for path, name in found if path.startswith(("/console/", "/admin/")) and name not in OPEN]


def test_who_lacks_a_demanded_one_gets_to_the_page_that_sets_it_up_and_nowhere_else(
    demanded: None, batch: Batch, anna: User
) -> None:
    client = signed_in()
    pages = walked(batch, anna)
    assert len(pages) > 150
    assert not [path for path, _ in pages if "<" in path or "(?P" in path]

    let_in = {}
    for path, _ in pages:
        for method in ("get", "post"):
            answer = getattr(client, method)(path)
            if answer.status_code != 302 or not answer.headers["Location"].startswith(SET_UP):
                let_in[method, path] = answer.status_code
    assert let_in == {}


def test_a_password_alone_opens_no_page_of_who_has_one(batch: Batch, anna: User) -> None:
    with_second_factor(anna)
    client = browser()
    sign_in(client)

    let_in = set()
    for path, name in walked(batch, anna):
        answer = client.get(path)
        if answer.status_code == 405:
            answer = client.post(path)
        while answer.status_code == 302 and not answer.headers["Location"].startswith((LOGIN, "/admin/login/")):
            answer = client.get(answer.headers["Location"])
        if answer.status_code != 302:
            let_in.add(name)
    # The page that asks for the code; and what tells nothing: the words of the admin's scripts, pages for whoever is not let in.
    assert let_in <= {"mfa_authenticate", "jsi18n", "account_inactive", "socialaccount_login_cancelled"}


@pytest.mark.parametrize("path", ["/api/v1/batches", "/api/v1/quotas", "/api/v1/providers"])
def test_the_api_knows_no_session_without_a_demanded_one(demanded: None, batch: Batch, key: str, path: str) -> None:
    client = signed_in()

    assert client.get(path).status_code == 401
    assert client.get(path, headers={"Authorization": f"Bearer {key}"}).status_code == 200
    set_up_second_factor(client)
    assert client.get(f"{path}?project=acme").status_code in (200, 400)


def test_a_page_that_polls_says_that_it_is_signed_out(demanded: None) -> None:
    answer = signed_in().get("/console/batches/", headers={"X-Requested-With": "fragment"})

    assert answer.status_code == 401
    assert b"<html" not in answer.content


def test_once_it_is_set_up_everything_opens_and_it_cannot_be_given_up(demanded: None) -> None:
    client = signed_in()
    assert client.get("/admin/").headers["Location"] == f"{SET_UP}?next=%2Fadmin%2F"

    set_up_second_factor(client)

    assert client.get("/admin/").status_code == 200
    assert may_enter(client)
    assert "requires a second factor" in client.post(f"{INDEX}remove/").content.decode()
    assert Authenticator.objects.filter(type="totp").exists()


def test_an_older_session_is_no_better_for_a_second_factor_that_its_person_set_up_elsewhere(demanded: None, anna: User) -> None:
    """A password alone had opened it: whoever stole that would be let in by what its owner did."""
    stolen = signed_in(address="198.51.100.1")
    with_second_factor(anna)

    assert stolen.get("/admin/").status_code == 302
    assert stolen.get(CODES).status_code == 302


def test_it_is_demanded_of_staff_alone_where_that_is_said(settings: Settings, project: Project) -> None:
    settings.REQUIRE_SECOND_FACTOR = "staff"
    bert = User.objects.create_user("bert", password=PASSWORD)
    Membership.objects.create(user=bert, project=project, role=Role.VIEWER)

    assert signed_in("bert").get("/console/batches/").status_code == 200
    assert signed_in("anna").get("/console/batches/").status_code == 302
    User.objects.filter(pk=bert.pk).update(is_staff=True)
    assert signed_in("bert").get("/console/batches/").status_code == 302

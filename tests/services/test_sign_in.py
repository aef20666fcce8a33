"""sign_in: passwords are tried so often and no more."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from batches.models import AuditEntry, SignInAttempts
from batches.services.prune import prune
from batches.services.sign_in import attempt

WRONG = {"username": "operator", "password": "wrong"}
RIGHT = {"username": "operator", "password": "operator"}
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def few_attempts(settings: Settings, operator: User) -> None:
    settings.SIGN_IN_ATTEMPTS = 3


def signs_in(page: str, *, with_: dict[str, str], address: str = "192.0.2.1") -> bool:
    return Client(REMOTE_ADDR=address).post(page, with_).status_code == 302


@pytest.mark.parametrize("page", ["/console/login/", "/admin/login/"])
def test_after_too_many_failures_the_right_password_does_not_help_either(page: str) -> None:
    assert not any(signs_in(page, with_=WRONG) for _ in range(3))

    assert not signs_in(page, with_=RIGHT)
    assert not signs_in("/admin/login/", with_=RIGHT)
    assert signs_in(page, with_=RIGHT, address="192.0.2.2")


def test_the_one_that_is_refused_first_is_on_record() -> None:
    for _ in range(5):
        signs_in("/console/login/", with_=WRONG)

    entry = AuditEntry.objects.get()
    assert (entry.act, entry.outcome, entry.target, entry.reason) == ("sign_in", "refused", "operator", "192.0.2.1")


def test_a_success_forgives_what_went_before() -> None:
    for _ in range(3):
        assert not any(signs_in("/console/login/", with_=WRONG) for _ in range(2))
        assert signs_in("/console/login/", with_=RIGHT)
    assert not SignInAttempts.objects.exists()


def test_time_forgives_too(settings: Settings) -> None:
    now = timezone.now()
    assert [attempt("operator", "", now=now) for _ in range(4)] == [True, True, True, False]
    later = now + timedelta(seconds=settings.SIGN_IN_SECONDS)

    assert not attempt("operator", "", now=later - timedelta(seconds=1))
    assert attempt("operator", "", now=later)
    prune(now=later + timedelta(seconds=settings.SIGN_IN_SECONDS))
    assert not SignInAttempts.objects.exists()


def test_what_somebody_typed_for_a_name_is_kept_nowhere() -> None:
    for _ in range(4):
        signs_in("/console/login/", with_={"username": "my secret", "password": "x"})

    assert "secret" not in str(list(SignInAttempts.objects.values())) + str(list(AuditEntry.objects.values()))


def test_behind_a_trusted_proxy_it_is_the_clients_address_that_counts(settings: Settings) -> None:
    settings.TRUST_PROXY = True
    login = "/console/login/"
    proxied = Client(headers={"X-Forwarded-For": "10.0.0.1, 198.51.100.7"})
    for _ in range(4):
        proxied.post(login, WRONG)

    assert proxied.post(login, RIGHT).status_code == 200
    assert signs_in(login, with_=RIGHT)


def test_the_page_says_how_many_there_may_be() -> None:
    answer = Client().post("/console/login/", WRONG).content.decode()

    assert "After 3 attempts it takes 15 minutes" in answer

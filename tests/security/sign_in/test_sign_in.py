"""S4 and S9: signing in is slow for strangers who guess, and open to everybody else; passwords, sessions, records."""

from datetime import timedelta

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.urls import URLPattern
from django.utils import timezone
from pytest_django import Settings

from batches.console.account.urls import urlpatterns
from batches.models import AuditEntry
from config.settings.people import sign_in_rates
from tests.security.sign_in.conftest import ATTEMPTS, records
from tests.security.sign_in.people import LOGIN, PASSWORD, browser, may_enter, sign_in, signed_in, signs_in

pytestmark = [pytest.mark.django_db, pytest.mark.both, pytest.mark.usefixtures("anna", "few_attempts")]


# --- Guessing ------------------------------------------------------------------------------------------------


def test_who_guesses_one_password_from_one_address_has_to_wait() -> None:
    assert not any(signs_in(password="wrong") for _ in range(ATTEMPTS))

    refused = sign_in(browser())
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert "Wait a few minutes" in refused.content.decode()


def test_one_address_keeps_nobody_from_signing_in_elsewhere() -> None:
    for _ in range(10 * ATTEMPTS):
        signs_in(password="wrong", address="198.51.100.1")

    assert signs_in(address="192.0.2.7")


def test_waiting_helps_and_what_is_refused_does_not_make_it_longer(settings: Settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = sign_in_rates(ATTEMPTS, 1)
    began = timezone.now()
    assert not any(signs_in(password="wrong") for _ in range(ATTEMPTS))
    while not signs_in():
        assert timezone.now() < began + timedelta(seconds=5)


def test_spraying_one_password_over_many_names_has_to_wait_too() -> None:
    User.objects.create_user("bert", password="spring2026!")
    for number in range(5 * ATTEMPTS):
        assert not signs_in(f"name-{number}", password="spring2026!")

    assert not signs_in("bert", password="spring2026!")
    assert signs_in("bert", password="spring2026!", address="192.0.2.9")


def test_an_address_of_version_6_is_counted_by_its_network() -> None:
    for number in range(5 * ATTEMPTS):
        signs_in(f"name-{number}", password="wrong", address=f"2001:db8::{number:x}")

    assert not signs_in(address="2001:db8::ffff")
    assert signs_in(address="2001:db8:0:1::1")


def test_many_addresses_at_one_name_have_to_wait_and_keep_its_owner_out_nowhere_they_were_before() -> None:
    assert signs_in(address="203.0.113.5")
    for number in range(10 * ATTEMPTS):
        signs_in(password="wrong", address=f"198.51.100.{number}")

    assert not signs_in(address="198.51.100.200")
    assert signs_in(address="203.0.113.5")


def test_many_addresses_at_many_names_have_to_wait_together(settings: Settings) -> None:
    assert signs_in(address="203.0.113.5")
    settings.ACCOUNT_RATE_LIMITS |= {"sign_in_total": "20/900s/key"}
    for number in range(20):
        signs_in(f"name-{number}", password="wrong", address=f"198.51.100.{number}")

    assert not signs_in("bert", address="198.51.100.250")
    assert signs_in(address="203.0.113.5")


def test_a_name_is_the_same_in_every_spelling() -> None:
    for name in ("Anna", "ANNA", "ａnna"):
        signs_in(name, password="wrong")

    assert not signs_in()


def test_sign_ins_that_succeed_are_not_counted() -> None:
    assert all(signs_in() for _ in range(2 * ATTEMPTS))


def test_behind_a_trusted_proxy_it_is_the_clients_address_that_counts(settings: Settings) -> None:
    settings.TRUST_PROXY = True
    for _ in range(ATTEMPTS):
        Client(headers={"X-Forwarded-For": "10.0.0.1, 198.51.100.7"}).post(LOGIN, {"login": "anna", "password": "wrong"})

    for forged in ("198.51.100.7", "10.0.0.2, 198.51.100.7", "x, 198.51.100.7:1234"):
        refused = Client(headers={"X-Forwarded-For": forged}).post(LOGIN, {"login": "anna", "password": PASSWORD})
        assert refused.status_code == 429
    assert signs_in()


def test_a_proxy_that_is_not_trusted_chooses_no_address() -> None:
    for number in range(ATTEMPTS):
        client = Client(headers={"X-Forwarded-For": f"198.51.100.{number}"})
        client.post(LOGIN, {"login": "anna", "password": "wrong"})

    assert not signs_in(address="127.0.0.1")


@pytest.mark.parametrize("name", ["\0", "x" * 10_000, "'; --", "anna\0", "😀"])
def test_no_name_however_odd_brings_the_page_down(name: str) -> None:
    """NUL is what not every database takes."""
    for _ in range(ATTEMPTS + 1):
        assert sign_in(browser(), name).status_code in (200, 429)


def test_nobody_learns_whether_there_is_such_a_person() -> None:
    User.objects.create_user("gone", password=PASSWORD, is_active=False)
    answers = [sign_in(browser(), name, password="wrong") for name in ("anna", "nobody")] + [sign_in(browser(), "gone")]

    assert {answer.status_code for answer in answers} == {200}
    assert all("The user name or the password is wrong." in answer.content.decode() for answer in answers)


# --- Records -------------------------------------------------------------------------------------------------


def test_signing_in_and_out_is_on_record_with_the_address() -> None:
    client = signed_in()
    client.post("/console/logout/")

    entries = list(AuditEntry.objects.order_by("id").values_list("act", "actor", "target", "reason", "source"))
    assert entries == [
        ("sign_in", "user anna", "anna", "192.0.2.1, password", "console"),
        ("sign_out", "user anna", "anna", "192.0.2.1", "console"),
    ]
    assert not may_enter(client)


def test_who_is_refused_is_on_record_and_what_they_typed_is_not() -> None:
    signs_in(password="my other secret")
    signs_in("my secret", password="x")

    refused = list(AuditEntry.objects.filter(outcome="refused").order_by("id").values_list("act", "actor", "target", "reason"))
    assert refused == [
        ("sign_in", "nobody", "anna", "192.0.2.1, wrong password"),
        ("sign_in", "nobody", "", "192.0.2.1, wrong password"),
    ]
    assert "secret" not in str(list(AuditEntry.objects.values()))


def test_nobody_fills_the_records_with_refusals(settings: Settings) -> None:
    settings.ACCOUNT_RATE_LIMITS |= {"refusal_total": "20/900s/key"}
    for _ in range(10):
        signs_in(password="wrong", address="198.51.100.1")
    assert len(records("sign_in", outcome="refused")) == 3

    for number in range(20):
        signs_in(f"name-{number}", password="wrong", address="198.51.100.2")
    assert len(records("sign_in", outcome="refused")) == 3 + 10

    for number in range(20):
        signs_in(f"name-{number}", password="wrong", address=f"198.51.101.{number}")
    assert len(records("sign_in", outcome="refused")) == 20


# --- The way in ----------------------------------------------------------------------------------------------


def test_there_is_one_sign_in_for_console_and_admin(anna: User) -> None:
    User.objects.update(is_staff=True)
    asked = browser().get("/admin/", follow=True)

    assert asked.redirect_chain[-1][0] == f"{LOGIN}?next=%2Fadmin%2F"
    client = browser()
    assert sign_in(client, next="/admin/").headers["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200
    assert browser().post("/admin/login/", {"username": "anna", "password": PASSWORD}).headers["Location"].startswith(LOGIN)


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "https:evil.example"])
def test_signing_in_leads_to_no_other_host(elsewhere: str) -> None:
    assert sign_in(browser(), next=elsewhere).headers["Location"] == "/console/overview/"
    assert browser().post("/console/logout/", {"next": elsewhere}).headers["Location"] == LOGIN


def test_signing_out_is_a_question_when_an_address_asks_for_it() -> None:
    User.objects.update(is_staff=True)
    client = signed_in()

    assert "Sign out?" in client.get("/console/logout/").content.decode()
    assert "Sign out?" in client.get("/admin/logout/", follow=True).content.decode()
    assert may_enter(client)


def test_passwords_open_nothing_where_local_sign_in_is_off(settings: Settings) -> None:
    settings.LOCAL_SIGN_IN = False
    settings.OIDC_ISSUER, settings.OIDC_CLIENT_ID = "https://id.example", "portal"
    page = browser().get(LOGIN).content.decode()

    assert 'type="password"' not in page
    assert "single sign-on" in page
    assert sign_in(browser()).status_code == 403
    assert not AuditEntry.objects.exists()


def test_pages_of_accounts_are_kept_nowhere() -> None:
    assert len(urlpatterns) > 15
    for pattern in urlpatterns:
        assert isinstance(pattern, URLPattern)
        path = "/console/" + str(pattern.pattern).replace("<slug:provider_id>", "oidc")
        for client in (browser(), signed_in()):
            answer = client.get(path)
            assert answer.status_code in (200, 302, 404), path
            if answer.status_code == 200:
                assert {"private", "no-store"} <= set(answer.headers["Cache-Control"].replace(" ", "").split(",")), path
    cache.clear()


def test_signing_up_and_resetting_by_mail_do_not_exist() -> None:
    for path in ("signup/", "login/signup/", "account/email/", "password/reset/", "account/password/set/", "login/oidc/"):
        assert browser().get(f"/console/{path}").status_code == 404


def test_a_hash_is_never_made_for_an_attempt_that_is_refused(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["tests.security.sign_in.test_sign_in.Counting"]
    User.objects.filter(username="anna").update(password=make_password(PASSWORD, hasher="counting"))
    Counting.made = 0
    for _ in range(20):
        signs_in(password="wrong")

    assert Counting.made == ATTEMPTS


class Counting(PBKDF2PasswordHasher):
    """Knows how often somebody hashed."""

    algorithm = "counting"
    iterations = 1
    made = 0

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        Counting.made += 1
        return super().encode(password, salt, iterations)

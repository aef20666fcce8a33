"""The second factor: asked for after the password, demanded where the portal says so, and passed by nowhere."""

import pytest
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from batches.models import AuditEntry
from config.settings.people import sign_in_rates
from providers.models import Provider
from tests.security.sign_in.people import (
    ACCOUNT,
    CODE,
    LOGIN,
    PASSWORD,
    SET_UP,
    browser,
    code_of,
    may_enter,
    recovery_codes,
    set_up_second_factor,
    sign_in,
    signed_in,
    with_second_factor,
)

pytestmark = pytest.mark.django_db

INDEX = f"{ACCOUNT}second-factor/"
CODES = f"{INDEX}recovery-codes/"


@pytest.fixture(autouse=True)
def anna() -> User:
    return User.objects.create_superuser("anna", password=PASSWORD)


def acts() -> list[tuple[str, str, str]]:
    """What is on record, the oldest first."""
    return list(AuditEntry.objects.order_by("id").values_list("act", "outcome", "reason"))


# --- Signing in ----------------------------------------------------------------------------------------------


def test_a_password_alone_opens_nothing_of_who_has_a_second_factor(anna: User) -> None:
    with_second_factor(anna)
    client = browser()

    assert sign_in(client).headers["Location"] == CODE
    for path in ("/console/overview/", "/admin/", "/api/v1/batches", ACCOUNT, SET_UP, CODES):
        assert client.get(path).status_code in (302, 401)
    assert not may_enter(client)
    assert not acts()


def test_the_code_of_the_app_opens_the_portal_once(anna: User) -> None:
    secret = with_second_factor(anna)
    client, thief = browser(), browser("198.51.100.1")
    for each in (client, thief):
        sign_in(each, next="/console/errors/")
    code = code_of(secret)

    assert client.post(CODE, {"code": code}).headers["Location"] == "/console/errors/"
    assert thief.post(CODE, {"code": code}).status_code == 200
    assert may_enter(client)
    assert not may_enter(thief)
    assert acts() == [
        ("sign_in", "done", "192.0.2.1, password, code"),
        ("sign_in", "refused", "198.51.100.1, wrong code"),
    ]


def test_a_recovery_code_opens_the_portal_once(anna: User) -> None:
    with_second_factor(anna)
    code, *others = recovery_codes(anna)
    client, thief = browser(), browser()
    for each in (client, thief):
        sign_in(each)

    assert client.post(CODE, {"code": code}).status_code == 302
    assert thief.post(CODE, {"code": code}).status_code == 200
    assert recovery_codes(anna) == others
    assert acts()[0] == ("sign_in", "done", "192.0.2.1, password, recovery code")


def test_codes_cannot_be_guessed(anna: User, settings: Settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = sign_in_rates(3, 900)
    secret = with_second_factor(anna)
    client = browser()
    sign_in(client)
    for number in range(3):
        assert client.post(CODE, {"code": f"00000{number}"}).status_code == 200

    refused = client.post(CODE, {"code": code_of(secret)}).content.decode()
    assert "Too many attempts" in refused
    assert not may_enter(client)


def test_starting_over_forgets_the_password(anna: User) -> None:
    with_second_factor(anna)
    client = browser()
    sign_in(client)
    client.post("/console/logout/")

    assert client.get(CODE).headers["Location"] == LOGIN
    assert "Password" in client.get(LOGIN).content.decode()


# --- One's own -----------------------------------------------------------------------------------------------


def test_somebody_sets_a_second_factor_up_and_their_other_sessions_end(anna: User) -> None:
    here, there = signed_in(), signed_in(address="192.0.2.2")

    led_to = set_up_second_factor(here)

    assert led_to.headers["Location"] == CODES
    page = here.get(CODES).content.decode()
    assert len(recovery_codes(anna)) == 10
    assert all(code in page for code in recovery_codes(anna))
    assert may_enter(here)
    assert not may_enter(there)
    assert ("set_up_second_factor", "done", "192.0.2.1") in acts()


def test_the_picture_needs_no_script_and_nothing_from_elsewhere() -> None:
    answer = signed_in().get(SET_UP)

    assert '<img src="data:image/svg+xml;base64,' in answer.content.decode()
    assert "img-src 'self' data:" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]


def test_a_wrong_code_sets_nothing_up(anna: User) -> None:
    client = signed_in()
    client.get(SET_UP)

    assert client.post(SET_UP, {"code": "000000"}).status_code == 200
    assert not Authenticator.objects.exists()


def test_what_protects_an_account_is_changed_by_who_proved_themselves_lately(anna: User, settings: Settings) -> None:
    client = signed_in()
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 0

    asked = client.get(SET_UP)
    assert asked.headers["Location"].startswith(f"{ACCOUNT}confirm/")
    assert client.post(asked.headers["Location"], {"password": "wrong"}).status_code == 200
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
    assert client.post(asked.headers["Location"], {"password": PASSWORD}).headers["Location"] == SET_UP


def test_recovery_codes_are_made_anew_and_a_second_factor_is_removed_on_record(anna: User) -> None:
    client = signed_in()
    set_up_second_factor(client)
    before = recovery_codes(anna)

    assert client.post(f"{CODES}new/").headers["Location"] == CODES
    assert not set(before) & set(recovery_codes(anna))
    assert str(recovery_codes(anna)[0]) in client.get(f"{CODES}download/").content.decode()
    assert client.post(f"{INDEX}remove/").headers["Location"] == INDEX
    assert not Authenticator.objects.exists()
    assert [act for act, *_ in acts()][-2:] == ["make_recovery_codes", "remove_second_factor"]


def test_secrets_are_kept_encrypted_and_change_with_the_keys(anna: User, settings: Settings, simulator: Provider) -> None:
    secret = with_second_factor(anna)
    codes = recovery_codes(anna)
    kept = str(list(Authenticator.objects.values()))
    assert secret not in kept
    assert not [code for code in codes if code in kept]

    new = Fernet.generate_key().decode()
    settings.CREDENTIAL_KEYS = [new, *settings.CREDENTIAL_KEYS]
    call_command("provider", "rotate")
    settings.CREDENTIAL_KEYS = [new]

    assert recovery_codes(anna) == codes


def test_an_admin_of_the_portal_takes_a_lost_one_away(anna: User, admin_client: Client) -> None:
    secret = with_second_factor(anna)
    client = browser()
    sign_in(client)
    client.post(CODE, {"code": code_of(secret)})
    form = {"action": "reset_second_factor", "_selected_action": [anna.pk]}

    answer = admin_client.post("/admin/auth/user/", form, follow=True)

    assert "Second factors taken away: 1." in answer.content.decode()
    assert not may_enter(client)
    assert may_enter(signed_in())
    assert ("reset_second_factor", "done", "") in acts()

"""Passwords: hashed as is usual today, and changed by who proves the present one."""

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from batches.models import AuditEntry
from tests.security.sign_in.conftest import records
from tests.security.sign_in.people import ACCOUNT, PASSWORD, may_enter, signed_in, signs_in

pytestmark = [pytest.mark.django_db, pytest.mark.both, pytest.mark.usefixtures("anna", "few_attempts")]


NEW = "a new and longer one"


def test_an_older_hash_becomes_argon2id_when_its_owner_signs_in(settings: Settings, anna: User) -> None:
    settings.PASSWORD_HASHERS = ["config.backends.hashers.Argon2id", "config.backends.hashers.PBKDF2"]
    anna.password = PBKDF2PasswordHasher().encode(PASSWORD, "somesalt", iterations=1000)
    anna.save()

    assert signs_in()

    anna.refresh_from_db()
    assert anna.password.startswith("argon2$argon2id$v=19$m=12288,t=3,p=1$")
    assert signs_in()
    assert not signs_in(password="wrong")


def change_password(client: Client, *, old: str = PASSWORD, new: str = NEW) -> int:
    return client.post(f"{ACCOUNT}password/", {"oldpassword": old, "password1": new, "password2": new}).status_code


def test_everybody_changes_their_own_password_and_their_other_sessions_end() -> None:
    here, there = signed_in(), signed_in(address="192.0.2.2")

    assert change_password(here) == 302

    assert may_enter(here)
    assert not may_enter(there)
    assert not signs_in()
    assert signs_in(password=NEW)
    assert records("change_password") == ["192.0.2.1"]
    assert records("end_sessions") == ["1: 192.0.2.1, password changed"]
    assert NEW not in str(list(AuditEntry.objects.values()))


@pytest.mark.parametrize(("old", "new"), [("wrong", NEW), (PASSWORD, "short"), (PASSWORD, "password1234")])
def test_a_password_that_is_not_proven_or_too_weak_changes_nothing(old: str, new: str) -> None:
    client = signed_in()

    assert change_password(client, old=old, new=new) == 200

    assert signs_in()


def test_a_present_password_cannot_be_guessed_in_the_form_that_changes_it() -> None:
    client = signed_in()

    assert [change_password(client, old="wrong") for _ in range(6)] == [200] * 5 + [429]


def test_a_password_that_an_admin_sets_ends_the_sessions_of_its_owner(admin_client: Client, anna: User) -> None:
    client = signed_in()
    form = {"password1": NEW, "password2": NEW, "usable_password": "true", "set-password": "1"}

    assert admin_client.post(f"/admin/auth/user/{anna.pk}/password/", form).status_code == 302

    assert not may_enter(client)
    assert records("end_sessions") == ["1: password set"]

"""Sessions: seen and ended by their owner, bounded in number and age, and closed with the account."""

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from batches.console.account.session_life import BEGAN, SEEN
from batches.services.people.sessions import MOST
from batches.services.upkeep.prune import prune
from tests.security.sign_in.conftest import records
from tests.security.sign_in.people import PASSWORD, SESSIONS, browser, may_enter, signed_in, signs_in

pytestmark = [pytest.mark.django_db, pytest.mark.both, pytest.mark.usefixtures("anna", "few_attempts")]


def test_one_sees_ones_sessions_and_ends_all_others() -> None:
    here, there = signed_in(), signed_in(address="203.0.113.80")
    page = here.get(SESSIONS).content.decode()
    for seen in ("Firefox on Linux", "192.0.2.1", "203.0.113.80", "this one", "12 h after you signed in"):
        assert seen in page

    here.post(SESSIONS)

    assert may_enter(here)
    assert not may_enter(there)
    assert records("end_sessions") == ["1: 192.0.2.1, at their own wish"]
    assert "203.0.113.80" not in here.get(SESSIONS).content.decode()


def test_one_has_so_many_sessions_and_the_one_used_least_lately_ends() -> None:
    first, *others = (signed_in() for _ in range(MOST + 2))

    assert not may_enter(first)
    assert may_enter(others[-1])
    assert UserSession.objects.count() == MOST + 1
    assert records("end_sessions") == [f"1: 192.0.2.1, more than {MOST}"]


def test_nobody_sees_or_ends_the_sessions_of_others() -> None:
    User.objects.create_user("bert", password=PASSWORD)
    anna, bert = signed_in(address="203.0.113.80"), signed_in("bert")

    bert.post(SESSIONS)

    assert may_enter(anna)
    assert "203.0.113.80" not in bert.get(SESSIONS).content.decode()


def test_a_session_of_somebody_deactivated_stays_closed_when_they_come_back(admin_client: Client, anna: User) -> None:
    """S9"""
    client = signed_in()
    about = {"username": "anna", "memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}

    assert admin_client.post(f"/admin/auth/user/{anna.pk}/change/", about).status_code == 302
    assert not may_enter(client)
    assert admin_client.post(f"/admin/auth/user/{anna.pk}/change/", about | {"is_active": "on"}).status_code == 302

    assert not may_enter(client)
    assert signs_in()
    assert records("end_sessions") == ["1: deactivated"]


def test_pruning_closes_the_sessions_of_who_was_deactivated_in_any_other_way(anna: User) -> None:
    client = signed_in()
    User.objects.update(is_active=False)

    prune(now=timezone.now())
    User.objects.update(is_active=True)

    assert not may_enter(client)
    assert not UserSession.objects.exists()


@pytest.mark.parametrize(
    ("mark", "setting", "why"), [(BEGAN, "SESSION_SECONDS", "too old"), (SEEN, "SESSION_IDLE_SECONDS", "idle")]
)
def test_a_session_ends_with_its_age_and_when_it_is_idle(settings: Settings, mark: str, setting: str, why: str) -> None:
    settings.SESSION_SECONDS, settings.SESSION_IDLE_SECONDS = 10_000, 1000
    client = signed_in()
    session = client.session
    session[mark] -= getattr(settings, setting) - 10
    session.save()
    assert may_enter(client)

    session = client.session
    session[mark] -= getattr(settings, setting)
    session.save()
    assert not may_enter(client)
    assert records("end_session") == [f"192.0.2.1, {why}"]


def test_a_page_that_polls_keeps_no_session_alive() -> None:
    client = signed_in()
    session = client.session
    session[SEEN] -= 1000
    session.save()

    client.get("/console/batches/", headers={"X-Requested-With": "fragment"})
    assert client.session[SEEN] == session[SEEN]
    client.get("/console/batches/")
    assert client.session[SEEN] > session[SEEN]


def test_a_session_of_a_release_before_is_not_opened(anna: User) -> None:
    client = browser()
    client.force_login(anna)
    session = client.session
    session["_auth_user_backend"] = "batches.backends.BoundedBackend"
    session.save()

    assert not may_enter(client)

"""`manage.py welcome`: the first run's login and key."""

import re
from io import StringIO

import pytest
from django.contrib.auth import authenticate as log_in
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils import timezone

from batches.models import ApiKey
from batches.services.people.authenticate import authenticate

pytestmark = pytest.mark.django_db


def welcome() -> str:
    out = StringIO()
    call_command("welcome", stdout=out)
    return out.getvalue()


def shown(label: str, text: str) -> str:
    match = re.search(rf"\b{label} +(\S+)", text)
    assert match, text
    return match[1]


def test_the_first_run_shows_a_login_and_a_key_that_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPERATOR_PASSWORD", raising=False)

    card = welcome()

    operator = log_in(username=shown("user", card), password=shown("password", card))
    assert operator is not None
    assert operator.is_superuser
    assert authenticate(shown("key", card), now=timezone.now()).project.slug == "default"


def test_later_runs_show_and_make_nothing() -> None:
    welcome()

    assert welcome() == ""
    assert User.objects.count() == ApiKey.objects.count() == 1


def test_a_portal_that_has_a_user_is_left_alone(operator: User) -> None:
    assert welcome() == ""
    assert not ApiKey.objects.exists()


def test_a_chosen_password_is_taken_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPERATOR_PASSWORD", "correct horse battery")

    card = welcome()

    assert log_in(username="operator", password="correct horse battery")
    assert "correct horse battery" not in card
    assert "OPERATOR_PASSWORD" in card


def test_the_card_is_a_frame() -> None:
    lines = welcome().strip().splitlines()

    assert len({len(line) for line in lines}) == 1
    assert (lines[0][0], lines[-1][-1]) == ("┌", "┘")

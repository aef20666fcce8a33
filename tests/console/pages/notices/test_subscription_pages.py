"""The pages of notices: a person's own subscriptions, with the URL of a chat on none of them."""

import logging
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from uuid_utils.compat import uuid7

from batches.models import AuditEntry, Batch, Channel, Frequency, Membership, Notice, Project, Role, Subscription
from providers.secrets.secrecy import opened
from tests.console.conftest import MakeBatch, SignIn
from tests.notices import CHAT, make_notice, make_subscription

NOTICES = "/console/account/notices/"
SECRET = "a-secret-path"


def form(**changes: Any) -> dict[str, Any]:
    said = {"channel": "chat", "chat_url": CHAT, "event_types": ["batch.failed"], "scope": "every", "frequency": "daily"}
    return said | {"token": str(uuid7())} | changes


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def only() -> Subscription:
    return Subscription.objects.get()


@pytest.fixture
def viewer(member: SignIn) -> Client:
    """Somebody who may look at `project`, and nothing else."""
    return member(Role.VIEWER)


@pytest.fixture
def subscription(viewer: Client) -> Subscription:
    return make_subscription(User.objects.get(memberships__isnull=False))


def address(subscription: Subscription, word: str = "") -> str:
    return f"{NOTICES}{subscription.pk}/{word}{'/' if word else ''}"


def test_without_subscriptions_the_page_says_what_they_are_for(viewer: Client) -> None:
    page = text_of(viewer.get(NOTICES))
    assert "No notices yet" in page
    assert "E-mail is not offered: this portal has no mail server." in page
    assert f'<a href="{NOTICES}" aria-current="page">Notices</a>' in page
    assert f'<a href="{NOTICES}">Notices</a>' in text_of(viewer.get("/console/account/sessions/"))


def test_a_person_subscribes_and_the_url_of_the_chat_is_shown_nowhere(viewer: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answer = viewer.post(f"{NOTICES}new/", form())
    subscription = only()
    assert answer.headers["Location"] == address(subscription)
    assert opened(bytes(subscription.chat_url_encrypted)) == CHAT
    assert (subscription.event_types, subscription.frequency) == (["batch.failed"], Frequency.DAILY)
    for path in (NOTICES, address(subscription), address(subscription, "change"), address(subscription, "remove")):
        page = viewer.get(path).content.decode()
        assert "chat.example" in page
        assert SECRET not in page
    refused = viewer.post(f"{NOTICES}new/", form(event_types=[]))
    assert refused.status_code == 422
    assert SECRET not in refused.content.decode() + caplog.text
    assert SECRET not in str([*AuditEntry.objects.values(), *(session.get_decoded() for session in Session.objects.all())])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"chat_url": ""}, "A URL has 1 to 2000 visible ASCII characters"),
        ({"chat_url": "https://169.254.169.254/"}, "cannot be used"),
        ({"channel": "email"}, "not one of the available choices"),
        ({"event_types": []}, "This field is required"),
        ({"scope": "chosen"}, "Choose at least one of your projects"),
        ({"scope": "chosen", "projects": ["globex"]}, "not one of the available choices"),
        ({"frequency": "weekly"}, "not one of the available choices"),
    ],
)
def test_what_cannot_be_is_said_at_its_field(viewer: Client, other_project: Project, changes: dict[str, Any], said: str) -> None:
    answer = viewer.post(f"{NOTICES}new/", form(**changes))
    assert answer.status_code == 422
    assert said in text_of(answer)
    assert not Subscription.objects.exists()
    assert "globex" not in text_of(viewer.get(f"{NOTICES}new/"))


def test_a_form_that_is_sent_twice_subscribes_once(viewer: Client) -> None:
    said = form()
    viewer.post(f"{NOTICES}new/", said)
    assert "This form was sent before" in text_of(viewer.post(f"{NOTICES}new/", said))
    assert Subscription.objects.count() == 1


def test_email_is_offered_where_there_is_a_mail_server(viewer: Client, settings: Settings) -> None:
    settings.EMAIL_HOST = "mail.example"
    assert "Your account has no e-mail address" in text_of(viewer.get(f"{NOTICES}new/"))
    assert "Your account has no e-mail address" in text_of(viewer.post(f"{NOTICES}new/", form(channel="email", chat_url="")))
    User.objects.update(email="anna@example.com")
    assert "E-mail goes to anna@example.com." in text_of(viewer.get(f"{NOTICES}new/"))
    viewer.post(f"{NOTICES}new/", form(channel="email", chat_url=""))
    assert only().channel == Channel.EMAIL
    assert "anna@example.com" in text_of(viewer.get(address(only())))


def test_settings_are_changed_and_an_empty_url_keeps_the_present_one(
    viewer: Client, subscription: Subscription, project: Project
) -> None:
    said = form(chat_url="", scope="chosen", projects=["acme"], frequency="hourly")
    assert viewer.post(address(subscription, "change"), said).headers["Location"] == address(subscription)
    subscription.refresh_from_db()
    assert (subscription.every_project, [*subscription.projects.all()]) == (False, [project])
    assert (subscription.frequency, opened(bytes(subscription.chat_url_encrypted))) == ("hourly", CHAT)
    viewer.post(address(subscription, "change"), form(chat_url="https://other.example/x"))
    assert only().chat_host == "other.example"
    assert only().every_project
    assert viewer.post(address(subscription, "change"), form(chat_url="ftp://x")).status_code == 422


def test_a_subscription_is_paused_resumed_tested_and_removed(viewer: Client, subscription: Subscription) -> None:
    viewer.post(address(subscription, "pause"))
    assert not only().enabled
    assert "Paused" in text_of(viewer.get(NOTICES))
    assert "is paused: resume it first" in text_of(viewer.post(address(subscription, "test"), follow=True))
    viewer.post(address(subscription, "resume"))
    assert "A test is on its way." in text_of(viewer.post(address(subscription, "test"), follow=True))
    assert Notice.objects.get().batch is None
    assert viewer.get(address(subscription, "test")).status_code == 405
    assert "Remove this subscription?" in text_of(viewer.get(address(subscription, "remove")))
    viewer.post(address(subscription, "remove"))
    assert not Subscription.objects.exists()
    assert not Notice.objects.exists()
    acts = AuditEntry.objects.order_by("created_at").values_list("act", flat=True)
    assert [*acts] == ["pause_subscription", "resume_subscription", "test_subscription", "remove_subscription"]


def test_the_overview_tells_a_person_that_their_subscription_was_stopped(
    viewer: Client, console: Client, subscription: Subscription, make_batch: MakeBatch
) -> None:
    make_batch()
    said = "<b>1</b> of your subscriptions to notices stopped by failures"
    assert said not in text_of(viewer.get("/console/overview/"))
    Subscription.objects.update(enabled=False, failing_since=timezone.now())
    assert said in text_of(viewer.get("/console/overview/"))
    assert said not in text_of(console.get("/console/overview/"))


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({}, "You are told."),
        ({"failing_since": timezone.now(), "failure": "The receiver answered 500."}, "The receiver answered 500."),
        ({"failing_since": timezone.now(), "enabled": False, "disabled_reason": "Nothing arrived for 5 days."}, "5 days."),
        ({"enabled": False}, "Nothing is sent until it is resumed."),
    ],
)
def test_the_page_tells_how_a_subscription_stands(
    viewer: Client, subscription: Subscription, columns: dict[str, Any], said: str
) -> None:
    Subscription.objects.update(**columns, disabled_at=timezone.now())
    assert said in text_of(viewer.get(address(subscription)))
    assert said in text_of(viewer.get(address(subscription), headers={"X-Requested-With": "fragment"}))


def test_a_project_that_is_lost_is_named_no_more(
    viewer: Client, subscription: Subscription, project: Project, other_project: Project
) -> None:
    Subscription.objects.update(every_project=False)
    subscription.projects.set([project])
    Membership.objects.update(project=other_project)
    for path in (NOTICES, address(subscription), address(subscription, "change")):
        assert "acme" not in viewer.get(path).content.decode().replace("viewer of acme", "")  # the name of the person
    assert "none that you may see" in text_of(viewer.get(address(subscription)))


def test_nobody_else_sees_a_subscription_not_even_an_administrator(
    console: Client, subscription: Subscription, make_batch: MakeBatch
) -> None:
    batch: Batch = make_batch()
    make_notice(subscription, batch=batch)
    assert "chat.example" not in text_of(console.get(NOTICES))
    for word in ("", "change", "remove"):
        assert console.get(address(subscription, word)).status_code == 404
    for word in ("change", "remove", "test", "pause", "resume"):
        assert console.post(address(subscription, word), form()).status_code == 404
    assert only().enabled

"""Notices to the eye: subscriptions in every state, at every width, in light and dark; subscribing and sending a test."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django import Settings

from batches.models import Channel, Frequency, Notice, Project, Subscription
from tests.browser.eyes import findings
from tests.conftest import Portal
from tests.notices import CHAT, make_notice, make_subscription

pytestmark = pytest.mark.once

NOTICES = "/console/account/notices/"


@pytest.fixture
def subscriptions(project: Project, other_project: Project, operator: User, settings: Settings) -> list[Subscription]:
    """Subscriptions in every state: told, failing, stopped by failures, paused."""
    settings.EMAIL_HOST = "mail.example"
    User.objects.update(email="operator@example.com")
    now, hour = timezone.now(), timedelta(hours=1)
    made = [
        make_subscription(operator, channel=Channel.EMAIL, frequency=Frequency.DAILY, told_at=now - hour),
        make_subscription(
            operator,
            url="https://hooks.chat.search.production.example.com/services/x",
            failing_since=now - hour,
            tried_at=now,
            failure="No connection: Connection refused.",
            every_project=False,
        ),
        make_subscription(
            operator,
            enabled=False,
            failing_since=now - 140 * hour,
            disabled_at=now - 20 * hour,
            disabled_reason="Nothing arrived for 5 days. The last failure: The receiver answered 500.",
        ),
        make_subscription(operator, enabled=False, disabled_at=now - hour, disabled_reason="It was paused."),
    ]
    made[1].projects.set([project, other_project])
    make_notice(made[1])
    return made


def test_every_page_about_notices_can_be_read_and_is_no_wider_than_its_window(
    desk: Page, portal: Portal, subscriptions: list[Subscription], settings: Settings
) -> None:
    words = ("", "change/", "remove/")
    paths = [NOTICES, f"{NOTICES}new/", *(f"{NOTICES}{one.pk}/{word}" for one in subscriptions[:2] for word in words)]
    paths += [f"{NOTICES}{one.pk}/" for one in subscriptions[2:]]
    assert findings(desk, [f"{portal.url}{path}" for path in paths]) == []
    settings.EMAIL_HOST = ""
    Subscription.objects.all().delete()
    assert findings(desk, [f"{portal.url}{path}" for path in (NOTICES, f"{NOTICES}new/")]) == []


def test_a_person_subscribes_and_sends_a_test(desk: Page, portal: Portal, project: Project) -> None:
    desk.goto(f"{portal.url}{NOTICES}")
    desk.get_by_role("link", name="Subscribe").click()
    desk.get_by_label("URL of the chat").fill(CHAT)
    desk.get_by_label("Only these:").check()
    desk.get_by_label("acme").check()
    desk.get_by_label("Once an hour").check()
    desk.get_by_role("button", name="Subscribe").click()
    expect(desk.get_by_role("heading", level=1)).to_have_text("Chat webhook at chat.example")
    assert "a-secret-path" not in desk.content()
    desk.get_by_role("button", name="Send a test").click()
    expect(desk.get_by_text("A test is on its way.")).to_be_visible()
    assert Notice.objects.get().batch is None
    desk.get_by_role("button", name="Pause").click()
    expect(desk.get_by_role("button", name="Resume")).to_be_visible()

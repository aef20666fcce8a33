"""Messages to people that do not arrive: what is tried again, given up and stopped, and who learns of it."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from batches.models import AuditEntry, Channel, Notice, Project, Subscription
from batches.rules.errors import LostRace
from batches.services.notices import parcels, subscriptions
from tests.answers import drop, refuse
from tests.engine.webhooks.conftest import THANKS, deliver, failed, let_pass, texts
from tests.notices import MailServer, access, make_subscription
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_mail_server_that_is_away_is_tried_again_with_the_same_message(
    project: Project, by_mail: Subscription, mailbox: MailServer
) -> None:
    mailbox.stop()
    failed(project)
    deliver()
    by_mail.refresh_from_db()
    assert by_mail.failure == "No connection to the mail server: Connection refused."
    assert (by_mail.attempts, by_mail.next_at is not None, by_mail.failing_since is not None) == (1, True, True)
    parcel = by_mail.parcel
    failed(project)

    mailbox.start()
    let_pass()
    deliver()

    (message,) = mailbox.messages
    assert message["Message-ID"] == f"<{parcel}@portal.example>"
    assert Notice.objects.filter(told_at=None).count() == 1
    by_mail.refresh_from_db()
    assert (by_mail.failing_since, by_mail.failure) == (None, "")


def test_a_mail_server_that_refuses_is_told_by_its_code_alone(
    project: Project, by_mail: Subscription, mailbox: MailServer
) -> None:
    mailbox.refusals = ["550 no such user anna@example.com"]
    failed(project)

    deliver()

    by_mail.refresh_from_db()
    assert by_mail.failure == "The mail server refused the address (550)."
    let_pass()
    deliver()
    assert len(mailbox.messages) == 1


def test_without_a_mail_server_a_message_waits_and_does_not_count_as_a_try(project: Project, anna: User) -> None:
    subscription = make_subscription(anna, channel=Channel.EMAIL)
    failed(project)

    deliver()

    subscription.refresh_from_db()
    assert subscription.failure == "The portal has no mail server: its EMAIL_URL is not set."
    assert (subscription.attempts, subscription.failing_since, subscription.lease_owner) == (0, None, None)


def test_an_account_without_an_address_is_said(project: Project, anna: User, by_mail: Subscription, mailbox: MailServer) -> None:
    User.objects.update(email="anna@example.com\r\nBcc: x@example.com")
    failed(project)

    deliver()

    by_mail.refresh_from_db()
    assert by_mail.failure == "The account has no e-mail address that can be written to."
    assert mailbox.raw == []


def test_a_chat_that_fails_is_tried_again_and_its_url_is_told_nowhere(
    project: Project, by_chat: Subscription, receiver: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    receiver.answer(refuse(500), drop())
    failed(project)
    for _ in range(3):
        deliver()
        let_pass()

    assert len(set(texts(receiver))) == 1
    assert len(receiver.requests) == 3
    by_chat.refresh_from_db()
    assert by_chat.failure == ""
    assert "a-secret-path" not in caplog.text + str(AuditEntry.objects.values()) + str(Subscription.objects.values())


def test_a_chat_at_a_forbidden_address_gets_nothing(
    project: Project, by_chat: Subscription, receiver: Upstream, settings: Settings
) -> None:
    settings.TENANT_NETWORKS = []
    failed(project)

    deliver()

    by_chat.refresh_from_db()
    assert by_chat.failure.startswith("No connection: ")
    assert receiver.requests == []


def test_after_days_of_failures_a_subscription_is_stopped_and_says_so(
    project: Project, by_chat: Subscription, receiver: Upstream
) -> None:
    receiver.behave(lambda _: refuse(500))
    Subscription.objects.update(failing_since=timezone.now() - timedelta(days=5))
    failed(project)

    deliver()

    by_chat.refresh_from_db()
    assert by_chat.is_given_up
    assert by_chat.disabled_reason == "Nothing arrived for 5 days. The last failure: The receiver answered 500."
    assert AuditEntry.objects.get(act="stop_subscription").actor == "engine"
    failed(project)
    assert Notice.objects.count() == 1

    receiver.behave(lambda _: THANKS)
    subscriptions.switch(by_chat, enabled=True, by=access(by_chat.owner), now=timezone.now())
    deliver()
    assert Notice.objects.get().told_at is not None


def test_a_chat_that_is_gone_stops_its_subscription(project: Project, by_chat: Subscription, receiver: Upstream) -> None:
    receiver.answer(refuse(410))
    failed(project)
    deliver()
    by_chat.refresh_from_db()
    assert (by_chat.is_given_up, by_chat.disabled_reason) == (True, "The chat answered 410: it is gone.")


def test_after_three_days_a_message_is_given_up(project: Project, by_chat: Subscription, receiver: Upstream) -> None:
    receiver.answer(refuse(500), refuse(500))
    failed(project)
    deliver()
    Subscription.objects.update(parcel_at=timezone.now() - timedelta(hours=72))
    let_pass()

    deliver()

    by_chat.refresh_from_db()
    assert (by_chat.parcel, by_chat.enabled, Notice.objects.get().due_at) == (None, True, None)


def test_a_test_is_tried_once_and_says_what_it_is(by_chat: Subscription, receiver: Upstream) -> None:
    receiver.answer(refuse(500))
    for _ in range(2):
        subscriptions.send_test(by_chat, by=access(by_chat.owner), now=timezone.now())
        deliver()
        let_pass()

    assert len(receiver.requests) == 2
    assert texts(receiver)[1] == "Batchyard: This is a test. Notices of your subscription arrive here."
    assert Notice.objects.filter(told_at__isnull=False).count() == 1


def test_two_deliverers_do_not_send_one_message_twice(project: Project, by_chat: Subscription) -> None:
    failed(project)
    now, first, second = timezone.now(), by_chat.pk, project.pk
    (taken,) = parcels.take_due(first, now=now, room=8)
    assert parcels.take_due(second, now=now, room=8) == []

    (again,) = parcels.take_due(second, now=now + timedelta(hours=1), room=8)  # the first one was killed

    assert again.parcel == taken.parcel
    with pytest.raises(LostRace):
        parcels.drop(taken)

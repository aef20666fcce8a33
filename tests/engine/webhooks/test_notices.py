"""What a deliverer tells people: by e-mail to a real mail server, in a chat over real HTTP, at once and in digests."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from batches.engine.webhooks import deliverer
from batches.models import File, Frequency, Membership, Notice, Project, Role, Subscription
from batches.models.subscription import due_time
from batches.rules.actors import GUARD
from batches.rules.states import Act
from batches.services.control.pause import pause
from batches.services.notices import parcels, subscriptions
from providers.models import Provider
from tests.cast import request_lines, started, submitted
from tests.engine.webhooks.conftest import added, deliver, failed, let_pass, texts
from tests.notices import MailServer, access, make_subscription
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_email_says_what_happened_and_where_to_look(project: Project, by_mail: Subscription, mailbox: MailServer) -> None:
    batch = failed(project, remark="Nachtlauf für Zürich 🌙")

    deliver()

    (message,) = mailbox.messages
    assert message["To"] == "anna@example.com"
    assert message["From"] == "batchyard@portal.example"
    assert message["Subject"].strip() == f"Batchyard: {batch} failed, “Nachtlauf für Zürich 🌙”, project acme"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "text/plain"
    assert f"https://batch.example/console/batches/{batch}/" in message.get_content()
    by_mail.refresh_from_db()
    assert (by_mail.failure, by_mail.parcel, by_mail.lease_owner, by_mail.told_at is not None) == ("", None, None, True)


def test_a_chat_gets_one_document_of_text(project: Project, by_chat: Subscription, receiver: Upstream) -> None:
    batch = failed(project, remark="Nachtlauf für Zürich 🌙")

    deliver()

    (request,) = receiver.requests
    assert (request.method, request.path) == ("POST", "/hooks/a-secret-path")
    assert request.headers["content-type"] == "application/json"
    assert request.json == {"text": f"Batchyard: {batch} failed, “Nachtlauf für Zürich 🌙”, project acme"}


def test_a_batch_that_still_runs_is_told_without_counts(project: Project, by_mail: Subscription, mailbox: MailServer) -> None:
    batch = started(project, request_lines(2))
    pause(batch, actor=GUARD, now=timezone.now(), act=Act.GUARDED, reason="90 % failed")

    deliver()

    (message,) = mailbox.messages
    assert message["Subject"].strip().startswith(f"Batchyard: {batch} needs attention (paused by a guard)")
    assert "request" not in message.get_content()


def test_names_are_text_and_neither_headers_nor_markup(
    project: Project, by_mail: Subscription, by_chat: Subscription, mailbox: MailServer, receiver: Upstream
) -> None:
    batch = failed(project)
    hostile = "a\r\nBcc: all@example.com\r\n\r\n<!channel> @all [x](https://evil.example) *b* `c` www.evil.example \u202e"
    File.objects.filter(input_of=batch).update(filename=hostile)

    deliver()

    (message,) = mailbox.messages
    assert message["Bcc"] is None
    assert message.get_all("To") == ["anna@example.com"]
    assert message["Subject"].strip().startswith(f"Batchyard: {batch} failed, “a Bcc: all@example.com <!channel>")
    assert "\u202e" not in str(message["Subject"]) + message.get_content()
    (text,) = texts(receiver)
    assert "\n" not in text
    assert [sign for sign in ("<", "@", "[", "](", "://evil", "*", "`", "www.") if sign in text] == []


def test_what_happens_while_a_message_is_sent_comes_in_the_next_one_and_nothing_comes_twice(
    project: Project, by_chat: Subscription, receiver: Upstream
) -> None:
    first = failed(project)
    deliver()
    later = [failed(project) for _ in range(3)]
    deliver()
    assert len(receiver.requests) == 1

    let_pass()
    deliver()
    let_pass()
    deliver()

    told, digest = texts(receiver)
    assert str(first) in told
    assert digest.startswith("Batchyard: 3 notices: 3 failed.")
    assert [str(batch) in digest for batch in (first, *later)] == [False, True, True, True]


def test_a_digest_lists_some_batches_and_counts_the_rest(
    project: Project, by_mail: Subscription, mailbox: MailServer, settings: Settings
) -> None:
    settings.NOTICE_LISTED = 2
    Subscription.objects.update(frequency=Frequency.DAILY)
    batches = [failed(project) for _ in range(4)]
    deliver()
    assert mailbox.messages == []

    let_pass()
    deliver()

    (message,) = mailbox.messages
    assert message["Subject"] == "Batchyard: 4 notices: 4 failed"
    assert [str(batch) in message.get_content() for batch in batches] == [True, True, False, False]
    assert "and 2 more." in message.get_content()


def test_a_digest_waits_for_its_hour(anna: User, project: Project, receiver: Upstream, settings: Settings) -> None:
    settings.NOTICE_DAILY_HOUR = 6
    for frequency in Frequency:
        make_subscription(anna, url=f"{receiver.origin}/{frequency}", frequency=frequency)
    failed(project)

    deliver()
    assert [request.path for request in receiver.requests] == ["/at_once"]
    for notice in Notice.objects.exclude(told_at__isnull=False).select_related("subscription"):
        assert notice.due_at == due_time(notice.subscription.frequency, now=notice.created_at)
    now = timezone.now().replace(hour=5, minute=59)
    assert due_time("hourly", now=now) == due_time("daily", now=now) == now.replace(hour=6, minute=0, second=0, microsecond=0)
    assert due_time("daily", now=now.replace(hour=6, minute=0)) - now > timedelta(hours=23)


def test_who_loses_a_project_is_told_no_more_of_it_not_even_in_the_digest_that_waits(
    project: Project, other_project: Project, anna: User, by_chat: Subscription, receiver: Upstream
) -> None:
    Membership.objects.create(user=anna, project=other_project, role=Role.VIEWER)
    theirs, ours = failed(project), failed(other_project)
    Membership.objects.filter(user=anna, project=project).delete()

    deliver()

    (text,) = texts(receiver)
    assert str(ours) in text
    assert str(theirs) not in text
    assert "notices" not in text
    failed(project)
    assert Notice.objects.filter(batch__project=project).count() == 1


@pytest.mark.parametrize("loss", ["membership", "deactivated", "unchosen"])
def test_where_nothing_is_left_to_tell_no_message_is_sent(
    project: Project, other_project: Project, anna: User, by_chat: Subscription, receiver: Upstream, loss: str
) -> None:
    failed(project)
    if loss == "membership":
        Membership.objects.all().delete()
    elif loss == "deactivated":
        User.objects.update(is_active=False)
    else:
        Subscription.objects.update(every_project=False)
        by_chat.projects.set([other_project])

    deliver()

    assert receiver.requests == []
    assert not parcels.anything_due(now=timezone.now())
    assert Notice.objects.get().told_at is None


def test_only_chosen_projects_and_events_are_told(
    project: Project, other_project: Project, simulator: Provider, operator: User, receiver: Upstream
) -> None:
    operator.is_superuser = True
    operator.save()
    subscription = make_subscription(operator, url=f"{receiver.origin}/x", every_project=False, event_types=["batch.failed"])
    subscription.projects.set([project])
    told = failed(project)
    failed(other_project)
    submitted(project, request_lines(1))

    deliver()

    (text,) = texts(receiver)
    assert str(told) in text
    assert Notice.objects.count() == 1


def test_endpoints_and_people_are_told_of_the_same_event(project: Project, by_chat: Subscription, receiver: Upstream) -> None:
    added(project, f"{receiver.origin}/hook")
    failed(project)

    deliverer.run()

    assert sorted(request.path for request in receiver.requests) == ["/hook", "/hooks/a-secret-path"]


def test_a_removed_subscription_gets_nothing_and_holds_no_batch_back(
    project: Project, by_chat: Subscription, receiver: Upstream
) -> None:
    failed(project)
    subscriptions.unsubscribe(by_chat, by=access(by_chat.owner), now=timezone.now())
    deliver()
    assert receiver.requests == []
    assert not Notice.objects.exists()

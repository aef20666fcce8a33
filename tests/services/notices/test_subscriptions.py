"""Subscriptions: what a person may be told of, what is recorded, and who is told of an event."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from batches.models import AuditEntry, Batch, Channel, EventType, Membership, Notice, Project, Role, Subscription
from batches.rules.errors import Conflict, InvalidRequest, NotFound
from batches.rules.states import BatchStatus
from batches.services.control.block import block_provider
from batches.services.core.transition import transition
from batches.services.notices import subscriptions
from batches.services.notices.subscriptions import Wish
from batches.services.upkeep.retention import remove_old_notices
from providers.models import Provider
from providers.secrets.secrecy import opened
from tests.cast import TESTER, request_lines, started, submitted
from tests.notices import CHAT, access, make_notice, make_subscription

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]

FAILED = Wish(event_types=["batch.failed"], frequency="at_once")


@pytest.fixture
def anna(project: Project) -> User:
    anna = User.objects.create_user("anna", email="anna@example.com")
    Membership.objects.create(user=anna, project=project, role=Role.VIEWER)
    return anna


def subscribed(person: User, wish: Wish = FAILED, **more: Any) -> Subscription:
    return subscriptions.subscribe(access(person), wish, **{"channel": "chat", "chat_url": CHAT, "now": timezone.now(), **more})


def failed(project: Project) -> Batch:
    return transition(submitted(project, request_lines(1)), BatchStatus.FAILED, actor=TESTER, now=timezone.now())


def told() -> list[tuple[str, str]]:
    return sorted(Notice.objects.values_list("subscription__owner__username", "type"))


def test_the_url_of_a_chat_is_kept_encrypted_and_recorded_by_its_host_alone(anna: User) -> None:
    subscription = subscribed(anna)
    assert opened(bytes(subscription.chat_url_encrypted)) == CHAT
    assert (subscription.chat_host, str(subscription)) == ("chat.example", "Chat webhook at chat.example")
    entry = AuditEntry.objects.get(act="add_subscription")
    assert entry.changes == {
        "channel": [None, "chat"],
        "chat_url": None,
        "event_types": [None, "batch.failed"],
        "frequency": [None, "at_once"],
    }
    assert "a-secret-path" not in str(AuditEntry.objects.values()) + str(Subscription.objects.values())
    before = bytes(subscription.chat_url_encrypted)
    assert subscriptions.encrypt_anew(actor=TESTER, now=timezone.now()) == 1
    subscription.refresh_from_db()
    assert before != bytes(subscription.chat_url_encrypted)
    assert opened(bytes(subscription.chat_url_encrypted)) == CHAT


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"wish": Wish(event_types=[], frequency="daily")}, "event_types"),
        ({"wish": Wish(event_types=["response.failed"], frequency="daily")}, "event_types"),
        ({"wish": Wish(event_types=["batch.failed"], frequency="weekly")}, "frequency"),
        ({"wish": Wish(event_types=["batch.failed"], frequency="daily", projects=[])}, "projects"),
        ({"channel": "pigeon"}, "channel"),
        ({"channel": "email"}, "channel"),
        ({"chat_url": ""}, "chat_url"),
        ({"chat_url": "http://chat.example/x"}, "chat_url"),
        ({"chat_url": "https://169.254.169.254/latest"}, "chat_url"),
        ({"chat_url": "https://127.0.0.1/x"}, "chat_url"),
    ],
)
def test_what_cannot_be_is_refused(anna: User, changes: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as found:
        subscribed(anna, **changes)
    assert found.value.param == param
    assert not Subscription.objects.exists()


def test_a_project_that_a_person_does_not_see_cannot_be_chosen(anna: User, other_project: Project) -> None:
    with pytest.raises(InvalidRequest):
        subscribed(anna, Wish(["batch.failed"], "daily", projects=[other_project]))


def test_email_needs_a_mail_server_and_an_address(anna: User, settings: Settings) -> None:
    settings.EMAIL_HOST = "mail.example"
    assert subscribed(anna, channel="email", chat_url="").channel == Channel.EMAIL
    User.objects.update(email="")
    with pytest.raises(InvalidRequest, match="no e-mail address"):
        subscribed(anna, channel="email", chat_url="")


def test_a_person_has_so_many_subscriptions_and_a_form_makes_one(anna: User, settings: Settings) -> None:
    settings.NOTICE_SUBSCRIPTIONS_PER_PERSON = 2
    first = subscribed(anna)
    with pytest.raises(IntegrityError), transaction.atomic():
        subscribed(anna, id=first.pk)
    subscribed(anna)
    with pytest.raises(Conflict, match="may have 2"):
        subscribed(anna)


def test_nobody_else_finds_a_subscription(anna: User, operator: User, project: Project) -> None:
    subscription, by, now = subscribed(anna), access(operator), timezone.now()
    for act in (
        lambda: subscriptions.own_subscription(by, subscription.pk),
        lambda: subscriptions.change(subscription, FAILED, by=by, now=now),
        lambda: subscriptions.switch(subscription, enabled=False, by=by, now=now),
        lambda: subscriptions.send_test(subscription, by=by, now=now),
        lambda: subscriptions.unsubscribe(subscription, by=by, now=now),
    ):
        with pytest.raises(NotFound):
            act()


def test_changes_are_recorded_and_move_what_waits(anna: User, project: Project) -> None:
    subscription, now = subscribed(anna), timezone.now()
    failed(project)
    wish = Wish(event_types=["batch.expired", "batch.failed"], frequency="daily", projects=[project])
    subscriptions.change(subscription, wish, by=access(anna), now=now, chat_url="https://other.example/y")

    entry = AuditEntry.objects.get(act="change_subscription")
    assert entry.changes == {
        "chat_url": None,
        "event_types": ["batch.failed", "batch.failed, batch.expired"],
        "frequency": ["at_once", "daily"],
        "projects": [None, "acme"],
    }
    assert (Notice.objects.get().due_at or now) > now
    subscription = subscriptions.change(subscription, wish, by=access(anna), now=now)
    assert opened(bytes(subscription.chat_url_encrypted)) == "https://other.example/y"
    assert AuditEntry.objects.filter(act="change_subscription").count() == 1


def test_a_pause_records_no_events_and_refuses_a_test(anna: User, project: Project) -> None:
    subscription = subscribed(anna)
    subscriptions.switch(subscription, enabled=False, by=access(anna), now=timezone.now())
    failed(project)
    assert told() == []
    with pytest.raises(Conflict):
        subscriptions.send_test(subscription, by=access(anna), now=timezone.now())
    subscriptions.switch(subscription, enabled=True, by=access(anna), now=timezone.now())
    failed(project)
    assert told() == [("anna", "batch.failed")]


def test_an_event_is_told_to_those_who_may_read_its_project(anna: User, project: Project, other_project: Project) -> None:
    root = User.objects.create_superuser("root")
    Membership.objects.create(user=root, project=project, role=Role.VIEWER)
    people = {name: User.objects.create_user(name) for name in ("other", "nobody", "gone", "picky")}
    Membership.objects.create(user=people["other"], project=other_project, role=Role.ADMIN)
    Membership.objects.create(user=people["picky"], project=project, role=Role.ADMIN)
    Membership.objects.create(user=people["picky"], project=other_project, role=Role.ADMIN)
    Membership.objects.create(user=people["gone"], project=project, role=Role.ADMIN)
    for person in (anna, root, *people.values()):
        make_subscription(person, every_project=person != people["picky"])
    Subscription.objects.get(owner=people["picky"]).projects.set([other_project])
    User.objects.filter(username="gone").update(is_active=False)

    failed(project)
    assert told() == [("anna", "batch.failed"), ("root", "batch.failed")]
    Notice.objects.all().delete()
    failed(other_project)
    assert told() == [("other", "batch.failed"), ("picky", "batch.failed"), ("root", "batch.failed")]


def test_an_event_that_is_rolled_back_is_told_to_nobody(anna: User, project: Project) -> None:
    make_subscription(anna)
    batch = submitted(project, request_lines(1))
    with transaction.atomic():
        transition(batch, BatchStatus.FAILED, actor=TESTER, now=timezone.now())
        assert told() == [("anna", "batch.failed")]
        transaction.set_rollback(True)
    assert told() == []


def test_batches_that_come_to_be_blocked_are_told_once_in_few_queries(
    anna: User, project: Project, simulator: Provider, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    make_subscription(anna)
    for _ in range(5):
        started(project, request_lines(1))
    now = timezone.now()
    with django_assert_max_num_queries(9):
        block_provider(simulator.pk, reason="no credential", now=now)
    block_provider(simulator.pk, reason="no credential", now=now + timedelta(minutes=1))
    assert told() == [("anna", EventType.NEEDS_ATTENTION)] * 5
    assert set(Notice.objects.values_list("reason", flat=True)) == {"blocked"}


def test_notices_go_when_they_are_old_and_with_their_subscription(anna: User, settings: Settings) -> None:
    now, subscription = timezone.now(), make_subscription(anna)
    old = make_notice(subscription, created_at=now - timedelta(days=settings.WEBHOOK_LOG_DAYS, hours=1))
    new = make_notice(subscription)
    remove_old_notices(now=now)
    assert [*Notice.objects.all()] == [new] != [old]
    anna.delete()
    assert not Notice.objects.exists()

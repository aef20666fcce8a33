"""A receiver on this machine, an endpoint that leads to it, and a deliverer that runs when a test says so."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from ipaddress import ip_network
from time import monotonic
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from batches.engine.webhooks import deliverer
from batches.models import Batch, Channel, Membership, Notice, Project, Role, Subscription, WebhookDelivery, WebhookEndpoint
from batches.rules.states import BatchStatus
from batches.services.core.transition import transition
from batches.services.webhooks import endpoints
from providers.models import Provider
from tests.answers import say
from tests.cast import TESTER, request_lines, submitted
from tests.notices import MailServer, make_subscription
from tests.upstream import Upstream
from tests.waiting import PATIENCE

THANKS = say(b"thanks")


@pytest.fixture(autouse=True)
def quick(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Receivers may be on this machine, and a deliverer ends as soon as it has nothing to do."""
    settings.TENANT_NETWORKS = [ip_network("127.0.0.0/8")]
    monkeypatch.setattr(deliverer, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr(deliverer, "LOOK_SECONDS", 0.02)


@pytest.fixture
def receiver() -> Iterator[Upstream]:
    """A receiver that takes everything unless a test tells it otherwise."""
    with Upstream() as server:
        server.behave(lambda _: THANKS)
        yield server


@pytest.fixture
def endpoint(transactional_db: None, project: Project, receiver: Upstream, simulator: Provider) -> WebhookEndpoint:
    """The endpoint of `project` that leads to the receiver."""
    return added(project, f"{receiver.origin}/hook")


def added(project: Project, url: str, *, event_types: tuple[str, ...] = ()) -> WebhookEndpoint:
    """A further endpoint of a project."""
    now = timezone.now()
    return endpoints.add(project, name="", url=url, event_types=event_types, actor=TESTER, now=now)[0]


def failed(project: Project, **more: Any) -> Batch:
    """A batch that failed just now. Receivers are to be told."""
    batch = submitted(project, request_lines(1), **more)
    return transition(batch, BatchStatus.FAILED, actor=TESTER, now=timezone.now())


def deliver() -> None:
    """Run a deliverer until nothing is due at once."""
    deliverer.run()


def deliver_until(condition: Callable[[], object]) -> None:
    """Run deliverers, with each pause cut short, until a condition holds."""
    deadline = monotonic() + PATIENCE
    while True:
        deliver()
        if condition():
            return
        assert monotonic() < deadline, [(row.status, row.failure) for row in WebhookDelivery.objects.all()]
        make_due()


def make_due() -> None:
    """Let every delivery that waits for its next try be due."""
    WebhookDelivery.objects.exclude(due_at=None).update(due_at=timezone.now() - timedelta(seconds=1))


# --- People -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def mailbox(settings: Settings) -> Iterator[MailServer]:
    """The portal's mail server."""
    with MailServer() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", server.port, PATIENCE
        settings.DEFAULT_FROM_EMAIL = "batchyard@portal.example"
        settings.PUBLIC_URL = "https://batch.example"
        yield server


@pytest.fixture
def anna(transactional_db: None, project: Project, simulator: Provider) -> User:
    """Somebody who may look at `project`."""
    anna = User.objects.create_user("anna", email="anna@example.com")
    Membership.objects.create(user=anna, project=project, role=Role.VIEWER)
    return anna


@pytest.fixture
def by_mail(anna: User, mailbox: MailServer) -> Subscription:
    """A subscription of hers by e-mail."""
    return make_subscription(anna, channel=Channel.EMAIL)


@pytest.fixture
def by_chat(anna: User, receiver: Upstream) -> Subscription:
    """A subscription of hers in a chat."""
    return make_subscription(anna, url=f"{receiver.origin}/hooks/a-secret-path")


def texts(receiver: Upstream) -> list[str]:
    """What a chat was told."""
    return [request.json["text"] for request in receiver.requests]


def let_pass() -> None:
    """Let the pauses of subscriptions be over, and digests be due."""
    past = timezone.now() - timedelta(seconds=1)
    Subscription.objects.update(next_at=None)
    Notice.objects.filter(due_at__isnull=False).update(due_at=past)

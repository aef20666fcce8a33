"""A receiver on this machine, an endpoint that leads to it, and a deliverer that runs when a test says so."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from ipaddress import ip_network
from time import monotonic
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.engine.webhooks import deliverer
from batches.models import Batch, Project, WebhookDelivery, WebhookEndpoint
from batches.rules.states import BatchStatus
from batches.services.core.transition import transition
from batches.services.webhooks import endpoints
from providers.models import Provider
from tests.answers import say
from tests.cast import TESTER, request_lines, submitted
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

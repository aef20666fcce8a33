"""An upstream's account that is empty until it is mended, and short waits."""

import threading

import pytest
from pytest_django import Settings

from batches.engine.executor import db_turn
from batches.engine.executor.lanes import upstreams
from batches.engine.limits import hold, keeping
from batches.models import Batch, ProviderHealth
from providers.models import Provider
from tests.answers import Answer, refuse, succeed
from tests.cast import statuses
from tests.upstream import Upstream

CONCURRENCY = 10


class Account:
    """The upstream's account: until it is mended, every request gets the same answer."""

    def __init__(self, upstream: Upstream, answer: Answer) -> None:
        self.upstream, self.answer = upstream, answer
        self.mended = threading.Event()
        upstream.behave(lambda request: succeed() if self.mended.is_set() or request.method == "GET" else self.answer)

    @property
    def calls(self) -> int:
        return sum(request.method == "POST" for request in self.upstream.requests)


@pytest.fixture
def account(upstream: Upstream) -> Account:
    return Account(upstream, refuse(402))


@pytest.fixture(autouse=True)
def impatient(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes follow one another, acts are seen soon, and no hold is known from another test."""
    settings.EXECUTOR_CONCURRENCY, settings.SLICE_LINES = CONCURRENCY, 20
    monkeypatch.setattr(hold, "FIRST_SECONDS", 0.1)
    monkeypatch.setattr(db_turn, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(upstreams, "HEALTH_SECONDS", 0.1)
    keeping.limits.cache_clear()


@pytest.fixture
def patient(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of itself, no probe is sent as long as a test runs."""
    settings.HOLD_PROBE_SECONDS = 600.0
    monkeypatch.setattr(hold, "FIRST_SECONDS", 600.0)


def health(provider: Provider) -> ProviderHealth:
    return ProviderHealth.objects.get(provider=provider, model="")


def is_held(provider: Provider) -> bool:
    return ProviderHealth.objects.filter(provider=provider, model="").exclude(hold_kind="").exists()


def all_succeeded(batch: Batch) -> bool:
    return set(statuses(batch).values()) == {"succeeded"}

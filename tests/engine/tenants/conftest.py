"""A project that harms and one that is to be left in peace, at one provider."""

from collections.abc import Callable
from time import monotonic

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.engine.executor.lanes import upstreams
from batches.engine.limits import keeping
from batches.models import Batch, Project, ProviderHealth
from providers.models import Provider
from tests.answers import Answer, Request, succeed
from tests.cast import request_lines, started, statuses
from tests.engine.executors import named
from tests.upstream import Upstream
from tests.waiting import allowed, until

SLOTS = 10


@pytest.fixture(autouse=True)
def several_slots(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small slices, no limits known from another test, and news of a provider at once."""
    settings.SLICE_LINES, settings.BACKOFF_CAP_SECONDS = 10, 0.2
    monkeypatch.setattr(upstreams, "HEALTH_SECONDS", 0.1)
    keeping.limits.cache_clear()


@pytest.fixture
def provider(provider: Provider) -> Provider:
    Provider.objects.update(max_concurrency=SLOTS)
    return provider


Begin = Callable[..., Batch]


@pytest.fixture
def ours(project: Project, provider: Provider) -> Begin:
    """Starts a batch of the project that harms, of lines `bad-1`, `bad-2`, ..."""
    return lambda count=100, **more: started(project, request_lines(count, prefix="bad"), **more)


@pytest.fixture
def theirs(other_project: Project, provider: Provider) -> Begin:
    """Starts a batch of the project that is to be left in peace, of lines `good-1`, `good-2`, ..."""
    return lambda count=20, **more: started(other_project, request_lines(count, prefix="good"), **more)


def to_the_bad(answer: Answer, *, otherwise: Answer | None = None) -> Callable[[Request], Answer]:
    return lambda request: answer if named(request).startswith("bad") else otherwise or succeed(delay=0.02)


def of(upstream: Upstream, word: str) -> list[Request]:
    return [request for request in upstream.requests if named(request).startswith(word)]


def all_succeeded(batch: Batch) -> bool:
    return set(statuses(batch).values()) == {"succeeded"}


def paused(*batches: Batch) -> None:
    """So that executors come to an end."""
    Batch.objects.filter(pk__in=[batch.pk for batch in batches]).update(paused_at=timezone.now())


def health(provider: Provider) -> ProviderHealth:
    return ProviderHealth.objects.get(provider=provider, model="")


def done_within(batch: Batch, seconds: float) -> None:
    began = monotonic()
    until(lambda: all_succeeded(batch))
    assert monotonic() - began < allowed(seconds)

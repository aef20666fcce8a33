"""The health of a provider that executors note, and what they believe of one that is unknown."""

import uuid
from datetime import timedelta
from time import monotonic

import pytest
from django.utils import timezone

from batches.engine.executor.lanes import upstreams
from batches.engine.executor.lanes.upstreams import Demand, Upstreams
from batches.engine.limits import keeping
from batches.engine.limits.asks import Ask, Bid, Caps, Want
from batches.engine.limits.state import WHOLE
from batches.engine.limits.windows import WindowSize
from batches.models import Batch, Project, ProviderHealth
from providers.models import Provider, ProviderModel
from tests.answers import say
from tests.cast import request_lines, run_executor, started, statuses
from tests.engine.executors import executors
from tests.upstream import Upstream
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.django_db(transaction=True)

WINDOW = 6.0  # seconds in place of a minute


@pytest.fixture(autouse=True)
def short_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute is short, and no limits are known from another test."""
    monkeypatch.setattr(keeping, "WINDOW_SECONDS", WINDOW)
    keeping.limits.cache_clear()


def fresh(batch: Batch) -> Batch:
    return Batch.objects.get(pk=batch.pk)


def health(provider: Provider, model: str = "") -> ProviderHealth:
    return ProviderHealth.objects.get(provider=provider, model=model)


def test_how_a_provider_does_is_noted_while_it_works(project: Project, provider: Provider, upstream: Upstream) -> None:
    ProviderModel.objects.create(provider=provider, name="m", requests_per_minute=6)
    started(project, request_lines(8))
    with executors(1):
        until(lambda: ProviderHealth.objects.filter(provider=provider, model="m", limited_until__isnull=False).exists())
        limited = health(provider, "m")
        assert limited.is_limited(now=timezone.now() - timedelta(seconds=1))
        assert limited.limited_reason == "its limit of 6 requests per minute is used up"
        assert (health(provider).concurrency, health(provider).breaker, limited.concurrency) == (256, "closed", 256)


def test_a_provider_that_was_at_work_lately_starts_slowly_when_its_limits_are_forgotten(
    project: Project, provider: Provider, upstream: Upstream
) -> None:
    Provider.objects.update(requests_per_minute=600)
    ProviderHealth.objects.create(provider=provider, concurrency=1, updated_at=timezone.now())
    started(project, request_lines(2))
    began = monotonic()
    run_executor()
    assert upstream.requests[0].at - began > WindowSize(WINDOW).seconds / 10


@pytest.mark.parametrize(("seconds", "breaker"), [(1, "open"), (60, "closed")], ids=["just now", "a while ago"])
def test_an_executor_that_begins_does_not_deny_what_others_noted_just_now(provider: Provider, seconds: int, breaker: str) -> None:
    """Else a provider that is down would look well for a moment, and its standby would begin to wait anew."""
    now = timezone.now()
    noted = now - timedelta(seconds=seconds)
    ProviderHealth.objects.create(provider=provider, concurrency=1, breaker="open", updated_at=noted)
    Upstreams(uuid.uuid4()).open(Provider.objects.get(pk=provider.pk), now=now)
    health = ProviderHealth.objects.get(provider=provider)
    assert (health.breaker, health.updated_at) == (breaker, now)


@pytest.mark.parametrize(("fresh", "permits"), [(60.0, True), (0.0, False)], ids=["just now", "a while ago"])
def test_that_nobody_has_sent_anything_is_believed_only_for_a_moment(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, fresh: float, permits: bool
) -> None:
    monkeypatch.setattr(upstreams, "QUIET_SECONDS", fresh)
    known = Upstreams(uuid.uuid4())
    Provider.objects.update(requests_per_minute=600)
    known.open(Provider.objects.get(pk=provider.pk), now=timezone.now())
    want = Want(Caps(8, 600), wanted=1, requests=1)
    granted = known.ask({provider.pk: Demand(ask=Ask({"acme": Bid({WHOLE: want})}, 256))}, {})
    assert bool(granted[provider.pk].grant.awards["acme"].permits[WHOLE].requests) == permits


def test_a_provider_that_is_used_for_the_first_time_starts_at_once(
    project: Project, provider: Provider, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "WINDOW_SECONDS", 20 * PATIENCE)
    Provider.objects.update(requests_per_minute=600)
    started(project, request_lines(2))
    began = monotonic()
    run_executor()
    assert upstream.requests[0].at - began < PATIENCE  # and not after the window in which others might have used it up


def test_an_answer_that_is_no_json_says_nothing_of_tokens(project: Project, provider: Provider, upstream: Upstream) -> None:
    Provider.objects.update(tokens_per_minute=1000)
    upstream.answer(say(b'{"choices":[{}]}'), say(b"nonsense"))
    batch = started(project, request_lines(3))
    run_executor()
    assert sorted(statuses(batch).values()) == ["failed", "succeeded", "succeeded"]

"""Two projects at one provider: whatever one sends, the other gets its share, and is judged by its own answers (S2, S5)."""

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.engine.limits import breaker
from batches.models import Attempt, Batch, Project, ProviderHealth
from batches.services.insight.waiting import Cause, waiting
from providers.models import Provider
from tests.answers import Answer, drop, refuse, succeed
from tests.cast import assert_counts_are_true, request_line, run_executor, started, statuses
from tests.engine.executors import executors, sent
from tests.engine.tenants.conftest import SLOTS, Begin, all_succeeded, done_within, health, paused, to_the_bad
from tests.upstream import Upstream
from tests.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


HARM = {
    "500s": refuse(500),
    "503s": refuse(503),
    "dropped connections": drop(),
    "429s": refuse(429),
    "429s with a long wait": refuse(429, retry_after=86_400),
    "an empty account": refuse(402),
    "a refused credential": refuse(401),
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
def test_what_one_projects_calls_meet_with_keeps_the_other_from_nothing(
    upstream: Upstream, provider: Provider, ours: Begin, theirs: Begin, settings: Settings, harm: Answer
) -> None:
    settings.MAX_ATTEMPTS = 50
    upstream.behave(to_the_bad(harm))
    bad = ours()
    with executors(1):
        upstream.wait_until(lambda u: len(u.requests) >= SLOTS)
        good = theirs(60)
        done_within(good, 4.0)
        assert not all_succeeded(bad)
        assert max(sent(upstream)[name] for name in sent(upstream) if name.startswith("good")) == 1
        until(lambda: health(provider).breaker == "closed" and not health(provider).hold_kind)
        paused(bad)
    assert_counts_are_true(good)


def test_one_that_comes_late_waits_for_no_breaker_of_the_others(
    upstream: Upstream, provider: Provider, ours: Begin, theirs: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "OPEN_SECONDS", 60.0)
    upstream.behave(to_the_bad(drop()))
    bad = ours(30)
    with executors(1):
        until(lambda: ProviderHealth.objects.filter(breaker="open").exists())
        done_within(theirs(), 4.0)
        until(lambda: health(provider).breaker == "closed")
        assert Batch.objects.get(pk=bad.pk).throttled_by == "breaker", "its own is seen on its batch"
        found = waiting(Batch.objects.get(pk=bad.pk), now=timezone.now())
        assert found is not None
        assert found.cause is Cause.BREAKER_OPEN
        paused(bad)


def test_an_upstream_that_comes_back_is_used_by_all_as_soon_as_one_has_found_out(
    upstream: Upstream, provider: Provider, ours: Begin, theirs: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.behave(lambda _: drop())
    bad, good = ours(30), theirs(30)
    with executors(1):
        until(lambda: Batch.objects.filter(throttled_by="breaker").count() == 2)
        assert health(provider).breaker != "closed", "all see it"
        monkeypatch.setattr(breaker, "MAX_OPEN_SECONDS", 4.0)
        upstream.behave(lambda _: succeed())
        until(lambda: all_succeeded(bad) and all_succeeded(good))
        until(lambda: health(provider).breaker == "closed")


def test_answered_failures_use_up_attempts_even_of_probes(
    upstream: Upstream, provider: Provider, ours: Begin, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "FAILURES", 3)
    monkeypatch.setattr(breaker, "MAX_OPEN_SECONDS", 0.05)
    settings.MAX_ATTEMPTS, settings.BACKOFF_CAP_SECONDS = 2, 0.01
    upstream.behave(lambda _: refuse(500))
    bad = ours(8)
    run_executor()
    assert set(statuses(bad).values()) == {"failed"}
    assert set(sent(upstream).values()) == {2}
    assert set(Attempt.objects.values_list("counted", flat=True)) == {True}


def test_what_is_asked_of_the_simulator_says_nothing_of_it(
    project: Project, other_project: Project, simulator: Provider, settings: Settings
) -> None:
    settings.MAX_ATTEMPTS = 3
    staged = [{"status": 500}, {"status": 429}, {"status": 402}, {"failure": "timeout"}, {"status": 429, "retry_after": 3600}]
    lines = (request_line(f"bad-{number}", messages=[1], simulate=staged[number % 5]) for number in range(200))
    bad = started(project, b"".join(lines))
    with executors(1):
        until(lambda: "failed" in statuses(bad).values())
        good = started(other_project, b"".join(request_line(f"good-{number}", messages=[1]) for number in range(20)))
        done_within(good, 4.0)
        until(lambda: ProviderHealth.objects.filter(provider=simulator, model="").exists())
        row = health(simulator)
        assert (row.breaker, row.hold_kind, row.concurrency) == ("closed", "", simulator.max_concurrency)
        assert Batch.objects.get(pk=bad.pk).throttled_by != "breaker"
        paused(bad)

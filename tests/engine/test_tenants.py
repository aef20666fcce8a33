"""Two projects at one provider: whatever one sends, the other gets its share, and is judged by its own answers (S2, S5)."""

from collections.abc import Callable
from datetime import datetime
from time import monotonic

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.engine.executor.lanes import upstreams
from batches.engine.limits import breaker, keeping
from batches.models import Attempt, Batch, Project, ProviderHealth
from batches.services.insight.waiting import Cause, waiting
from providers.models import Provider
from tests.cast import assert_counts_are_true, request_line, request_lines, run_executor, started, statuses
from tests.engine.executor.test_execute import executors, named, sent, wait_until
from tests.upstream import Answer, Request, Upstream, drop, refuse, succeed

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]

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
    wait_until(lambda: all_succeeded(batch))
    assert monotonic() - began < seconds


# --- Failures ----------------------------------------------------------------------------------------------------

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
        wait_until(lambda: health(provider).breaker == "closed" and not health(provider).hold_kind)
        paused(bad)
    assert_counts_are_true(good)


def test_one_that_comes_late_waits_for_no_breaker_of_the_others(
    upstream: Upstream, provider: Provider, ours: Begin, theirs: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "OPEN_SECONDS", 60.0)
    upstream.behave(to_the_bad(drop()))
    bad = ours(30)
    with executors(1):
        wait_until(lambda: ProviderHealth.objects.filter(breaker="open").exists())
        done_within(theirs(), 4.0)
        wait_until(lambda: health(provider).breaker == "closed")
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
        wait_until(lambda: Batch.objects.filter(throttled_by="breaker").count() == 2)
        assert health(provider).breaker != "closed", "all see it"
        monkeypatch.setattr(breaker, "MAX_OPEN_SECONDS", 4.0)
        upstream.behave(lambda _: succeed())
        wait_until(lambda: all_succeeded(bad) and all_succeeded(good))
        wait_until(lambda: health(provider).breaker == "closed")


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
        wait_until(lambda: "failed" in statuses(bad).values())
        good = started(other_project, b"".join(request_line(f"good-{number}", messages=[1]) for number in range(20)))
        done_within(good, 4.0)
        wait_until(lambda: ProviderHealth.objects.filter(provider=simulator, model="").exists())
        row = health(simulator)
        assert (row.breaker, row.hold_kind, row.concurrency) == ("closed", "", simulator.max_concurrency)
        assert Batch.objects.get(pk=bad.pk).throttled_by != "breaker"
        paused(bad)


# --- Slots -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2])
def test_slow_calls_leave_a_slot_to_who_comes_late_and_half_of_them_later(
    upstream: Upstream, provider: Provider, ours: Begin, theirs: Begin, settings: Settings, count: int
) -> None:
    settings.EXECUTORS = count
    upstream.behave(to_the_bad(succeed(delay=3.0), otherwise=succeed(delay=0.3)))
    bad = ours(60)
    with executors(count):
        upstream.wait_until(lambda u: u.in_flight == SLOTS - 1)
        good, began = theirs(40), monotonic()
        upstream.wait_until(lambda u: bool(of(u, "good")))
        assert of(upstream, "good")[0].at - began < 1.5, "at once, and not when the others' calls have ended"
        done_within(good, 3 * (40 * 0.3 / SLOTS) + 3.0)
        assert upstream.peak_in_flight <= SLOTS
        paused(bad)


def test_with_one_slot_a_newcomer_waits_for_the_call_in_flight_and_is_told_that_others_use_it(
    upstream: Upstream, provider: Provider, ours: Begin, theirs: Begin
) -> None:
    Provider.objects.update(max_concurrency=1)
    upstream.behave(to_the_bad(succeed(delay=4.0)))
    bad = ours(20)
    with executors(1):
        upstream.wait_until(lambda u: u.in_flight == 1)
        good = theirs(3)
        wait_until(lambda: _cause(good) is Cause.OTHERS_USE_IT)
        upstream.wait_until(lambda u: bool(of(u, "good")))
        assert len(of(upstream, "bad")) == 1, "the next call is not the other's"
        done_within(good, 2.0)
        assert upstream.peak_in_flight == 1
        paused(bad)


def _cause(batch: Batch) -> Cause | None:
    found = waiting(Batch.objects.get(pk=batch.pk), now=timezone.now())
    return None if found is None else found.cause


def test_two_projects_with_much_to_do_get_the_same(upstream: Upstream, provider: Provider, ours: Begin, theirs: Begin) -> None:
    upstream.behave(lambda _: succeed(delay=0.05))
    bad, good = ours(300), theirs(300)
    with executors(1):
        upstream.wait_until(lambda u: len(u.requests) > 400)
        counts = len(of(upstream, "bad")), len(of(upstream, "good"))
    assert min(counts) > 0.75 * max(counts)
    assert all_succeeded(bad)
    assert all_succeeded(good)


def test_many_small_batches_get_no_more_than_a_large_one(
    project: Project, upstream: Upstream, provider: Provider, theirs: Begin
) -> None:
    upstream.behave(lambda _: succeed(delay=0.05))
    small = [started(project, request_line(f"bad-{number}")) for number in range(80)]
    good = theirs(80)
    with executors(1):
        wait_until(lambda: all_succeeded(good))
        counts = len(of(upstream, "bad")), len(of(upstream, "good"))
    assert counts[0] < 1.5 * counts[1]
    assert all(map(all_succeeded, small))


@pytest.mark.parametrize("way", ["priority", "deadline"])
def test_neither_a_priority_nor_a_deadline_passes_another_project(
    upstream: Upstream, provider: Provider, ours: Begin, theirs: Begin, settings: Settings, way: str
) -> None:
    """S5"""
    settings.EXECUTOR_CONCURRENCY = settings.SLICE_LINES = 5
    Provider.objects.update(max_concurrency=5)
    upstream.behave(lambda _: succeed(delay=0.05))
    bad = [ours(100, priority=100) for _ in range(3)] if way == "priority" else [ours(100) for _ in range(3)]
    if way == "deadline":
        Batch.objects.update(at_risk_since=timezone.now())
    good = theirs(60)
    with executors(1):
        wait_until(lambda: all_succeeded(good))
        counts = len(of(upstream, "bad")), len(of(upstream, "good"))
        paused(*bad)
    assert counts[0] < 1.7 * counts[1]


def test_inside_a_project_a_priority_goes_first(upstream: Upstream, project: Project, provider: Provider) -> None:
    Provider.objects.update(max_concurrency=2)
    upstream.behave(lambda _: succeed(delay=0.05))
    first = started(project, request_lines(200, prefix="usual"))
    urgent = started(project, request_lines(10, prefix="urgent"), priority=5)
    with executors(1):
        wait_until(lambda: all_succeeded(urgent))
        assert len(of(upstream, "usual")) < 60
        paused(first)


def test_an_administrators_precedence_passes_other_projects(
    upstream: Upstream, provider: Provider, ours: Begin, theirs: Begin, settings: Settings
) -> None:
    """S5: slices of it are taken up first. What is in flight is still divided."""
    settings.EXECUTOR_CONCURRENCY = settings.SLICE_LINES = 2
    usual, raised = ours(40), theirs(40)
    Batch.objects.filter(pk=raised.pk).update(precedence=1)
    upstream.behave(lambda _: succeed(delay=0.02))
    with executors(1):
        wait_until(lambda: all_succeeded(raised))
        assert "pending" in statuses(usual).values()


# --- What else one may fill ------------------------------------------------------------------------------------------


def test_a_buffer_that_one_project_fills_keeps_no_other_from_being_taken_up(
    upstream: Upstream, project: Project, provider: Provider, theirs: Begin, settings: Settings
) -> None:
    settings.EXECUTOR_BUFFER_BYTES, settings.EXECUTOR_CONCURRENCY = 50_000, SLOTS
    upstream.behave(to_the_bad(succeed(delay=30.0)))
    lines = b"".join(request_line(f"bad-{number}", filler="x" * 10_000) for number in range(60))
    bad = started(project, lines)
    with executors(1):
        upstream.wait_until(lambda u: u.in_flight == SLOTS - 1)
        done_within(theirs(), 4.0)
        Batch.objects.filter(pk=bad.pk).update(status="cancelling", cancelling_at=_long_ago())


def _long_ago() -> datetime:
    return timezone.now().replace(year=2020)


def test_the_permits_of_a_minute_are_divided(
    upstream: Upstream, provider: Provider, ours: Begin, theirs: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "WINDOW_SECONDS", 6.0)
    keeping.limits.cache_clear()
    Provider.objects.update(requests_per_minute=120)
    bad = ours(400)
    with executors(1):
        upstream.wait_until(lambda u: len(u.requests) >= 10)
        good = theirs(30)
        wait_until(lambda: all_succeeded(good))
        since = of(upstream, "good")[0].at
        counts = sum(request.at >= since for request in of(upstream, "bad")), len(of(upstream, "good"))
        paused(bad)
    assert counts[0] < 1.5 * counts[1]

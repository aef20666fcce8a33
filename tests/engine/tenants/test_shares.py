"""Two projects at one provider get the same, whatever one of them sends: slots, priorities, permits, buffers."""

from datetime import datetime

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.engine.limits import keeping
from batches.models import Batch, Project
from batches.services.insight.waiting import Cause, waiting
from providers.models import Provider
from tests.answers import succeed
from tests.cast import request_line, request_lines, started, statuses
from tests.engine.executors import executors
from tests.engine.tenants.conftest import SLOTS, Begin, all_succeeded, done_within, of, paused, to_the_bad
from tests.upstream import Upstream
from tests.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]

# --- Slots -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2])
def test_slow_calls_leave_a_slot_to_who_comes_late_and_half_of_them_later(
    upstream: Upstream, provider: Provider, ours: Begin, theirs: Begin, settings: Settings, count: int
) -> None:
    settings.EXECUTORS = count
    upstream.behave(to_the_bad(succeed(delay=5.0), otherwise=succeed(delay=0.3)))
    bad = ours(60)
    with executors(count):
        upstream.wait_until(lambda u: u.in_flight == SLOTS - 1)
        good = theirs(40)
        upstream.wait_until(lambda u: bool(of(u, "good")))
        assert len(of(upstream, "bad")) == SLOTS - 1, "at once, and not when the others' calls have ended"
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
        until(lambda: _cause(good) is Cause.OTHERS_USE_IT)
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
        until(lambda: all_succeeded(good))
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
        until(lambda: all_succeeded(good))
        counts = len(of(upstream, "bad")), len(of(upstream, "good"))
        paused(*bad)
    assert counts[0] < 1.7 * counts[1]


def test_inside_a_project_a_priority_goes_first(upstream: Upstream, project: Project, provider: Provider) -> None:
    Provider.objects.update(max_concurrency=2)
    upstream.behave(lambda _: succeed(delay=0.05))
    first = started(project, request_lines(200, prefix="usual"))
    urgent = started(project, request_lines(10, prefix="urgent"), priority=5)
    with executors(1):
        until(lambda: all_succeeded(urgent))
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
        until(lambda: all_succeeded(raised))
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
        until(lambda: all_succeeded(good))
        since = of(upstream, "good")[0].at
        counts = sum(request.at >= since for request in of(upstream, "bad")), len(of(upstream, "good"))
        paused(bad)
    assert counts[0] < 1.5 * counts[1]

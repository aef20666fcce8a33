"""The engine under limits: those an operator sets, those an upstream tells, and those that a broken one asks for."""

from decimal import Decimal
from time import monotonic

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.engine.limits import breaker, keeping
from batches.models import Attempt, Batch, BatchObject, Dialect, Project, ProviderHealth
from batches.services.control.cancel import cancel
from batches.services.lifecycle.validate import validate
from providers.models import Provider, ProviderModel
from tests.answers import drop, refuse, succeed
from tests.cast import TESTER, assert_counts_are_true, request_line, request_lines, run_executor, started, statuses, submitted
from tests.engine.executors import executors, named, sent
from tests.upstream import Upstream
from tests.waiting import allowed, until

pytestmark = pytest.mark.django_db(transaction=True)

WINDOW = 6.0  # seconds in place of a minute
UNDER_WAY = 0.4  # by so much more than another may a request be on its way; of a minute that is little, of this window much


@pytest.fixture(autouse=True)
def short_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute is short, and no limits are known from another test."""
    monkeypatch.setattr(keeping, "WINDOW_SECONDS", WINDOW)
    keeping.limits.cache_clear()


def worst(upstream: Upstream, *, model: str = "") -> int:
    """The most requests (of a model) that arrived within any window."""
    times = [request.at for request in upstream.requests if not model or request.json["model"] == model]
    return max(sum(start <= at < start + WINDOW - UNDER_WAY for at in times) for start in times)


def fresh(batch: Batch) -> Batch:
    return Batch.objects.get(pk=batch.pk)


def of_several_models(project: Project, content: bytes) -> Batch:
    """A batch that runs, whose lines name different models."""
    batch = submitted(project, content)
    Batch.objects.filter(pk=batch.pk).update(dialect=Dialect.NATIVE)
    validate(batch.id, now=timezone.now())
    assert fresh(batch).model == ""
    return fresh(batch)


def health(provider: Provider, model: str = "") -> ProviderHealth:
    return ProviderHealth.objects.get(provider=provider, model=model)


# --- Limits that an operator sets ---------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2])
def test_requests_per_minute_hold_over_all_executors(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings, count: int
) -> None:
    Provider.objects.update(requests_per_minute=12)
    settings.EXECUTORS, settings.SLICE_LINES = count, 10
    batch = started(project, request_lines(16))
    with executors(count):
        until(lambda: fresh(batch).throttled_until)
        said = fresh(batch)
        assert said.is_throttled(now=timezone.now())
        assert said.throttled_reason == "Provider local: its limit of 12 requests per minute is used up"
    assert set(statuses(batch).values()) == {"succeeded"}
    assert 8 <= worst(upstream) <= 12
    assert set(sent(upstream).values()) == {1}
    assert not Attempt.objects.exists()


def test_tokens_per_minute_are_estimated_and_then_corrected(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    Provider.objects.update(tokens_per_minute=40_000)
    lines = b"".join(request_line(f"row-{number}", max_tokens=10_000) for number in range(20))
    started(project, lines)
    began = monotonic()
    run_executor()
    assert len(upstream.requests) == 20
    assert worst(upstream) > 10, "200,000 tokens as estimated, 240 as used"
    assert monotonic() - began < allowed(2 * WINDOW)
    assert upstream.peak_in_flight <= 4


def test_a_model_is_limited_and_others_pass_it_by(project: Project, provider: Provider, upstream: Upstream) -> None:
    ProviderModel.objects.create(provider=provider, name="slow", requests_per_minute=5)
    lines = [request_line(f"slow-{number}", model="slow") for number in range(7)]
    lines += [request_line(f"quick-{number}", model="quick") for number in range(30)]
    batch = of_several_models(project, b"".join(lines))
    with executors(1):
        until(lambda: sum(named(request).startswith("quick") for request in upstream.requests) == 30)
        assert sum(named(request).startswith("slow") for request in upstream.requests) <= 5
        until(lambda: "5 requests per minute" in fresh(batch).throttled_reason)
    assert set(statuses(batch).values()) == {"succeeded"}
    assert worst(upstream, model="slow") <= 5


def test_a_models_concurrency_holds_besides_the_providers(project: Project, provider: Provider, upstream: Upstream) -> None:
    ProviderModel.objects.create(provider=provider, name="m", max_concurrency=2)
    upstream.behave(lambda _: succeed(delay=0.05))
    batch = started(project, request_lines(20))
    run_executor()
    assert upstream.peak_in_flight == 2
    assert set(statuses(batch).values()) == {"succeeded"}


def test_a_limit_that_is_set_while_a_batch_runs_holds_within_seconds(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.EXECUTOR_CONCURRENCY, settings.SLICE_LINES = 2, 20
    upstream.behave(lambda _: succeed(delay=0.05))
    batch = started(project, request_lines(2000))
    with executors(1):
        upstream.wait_until(lambda u: len(u.requests) > 20)
        ProviderModel.objects.create(provider=provider, name="m", requests_per_minute=1)
        until(lambda: "limit of 1 requests" in fresh(batch).throttled_reason)
        cancel(fresh(batch), actor=TESTER, now=timezone.now())
    assert len(upstream.requests) < 500


# --- Limits that the upstream tells -----------------------------------------------------------------------------


def test_a_used_up_limit_in_the_headers_holds_everything_back_until_its_reset(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.EXECUTOR_CONCURRENCY = 1
    upstream.answer(succeed(), succeed(x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="1s500ms"))
    batch = started(project, request_lines(5))
    with executors(1):
        until(lambda: fresh(batch).throttled_reason)
        assert fresh(batch).throttled_reason == "Provider local: the upstream says that its limit is used up"
    times = [request.at for request in upstream.requests]
    assert times[2] - times[1] >= 1.5
    assert times[1] - times[0] < allowed(1.0) > times[4] - times[2]
    assert set(statuses(batch).values()) == {"succeeded"}


def test_a_lone_429_delays_only_its_own_object(project: Project, provider: Provider, upstream: Upstream) -> None:
    upstream.behave(
        lambda request: refuse(429, retry_after=1.5) if named(request) == "row-3" and request.repeat == 1 else succeed()
    )
    batch = started(project, request_lines(30))
    run_executor()
    assert [named(request) for request in upstream.requests].index("row-3", 30) == 30, "all others came before it came again"
    assert set(statuses(batch).values()) == {"succeeded"}


def test_a_storm_of_429_lowers_the_concurrency_and_costs_no_object(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.MAX_ATTEMPTS, settings.SLICE_LINES, settings.EXECUTOR_CONCURRENCY = 1, 100, 40
    Provider.objects.update(max_concurrency=40)
    quiet_at = monotonic() + 3.0
    upstream.behave(lambda _: refuse(429, delay=0.01) if monotonic() < quiet_at else succeed(delay=0.01))
    batch = started(project, request_lines(300))
    with executors(1):
        until(lambda: ProviderHealth.objects.filter(provider=provider, concurrency__lt=40).exists())
    assert set(statuses(batch).values()) == {"succeeded"}
    assert health(provider).breaker == "closed", "an upstream that says 429 works"
    assert_counts_are_true(batch)


# --- A provider that does not work -------------------------------------------------------------------------------


def test_a_broken_upstream_is_left_alone_and_costs_no_object_its_attempts(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.MAX_ATTEMPTS, settings.EXECUTOR_CONCURRENCY = 12, 8
    upstream.behave(lambda _: drop())
    batch = started(project, request_lines(8))
    with executors(1):
        until(lambda: fresh(batch).throttled_reason)
        said = fresh(batch)
        assert said.throttled_reason.startswith("Provider local: circuit breaker")
        assert "calls in a row failed: The connection ended" in said.throttled_reason
        assert said.throttled_by == "breaker"
        assert health(provider).breaker != "closed"
        until(lambda: monotonic() - upstream.requests[-1].at > 1.2)
        before = len(upstream.requests)
        until(lambda: len(upstream.requests) >= before + 2)
        probes = upstream.requests[before:]
        assert probes[1].at - probes[0].at > 1.0, "one probe at a time, further and further apart"
        upstream.behave(lambda _: succeed())
        until(lambda: set(statuses(batch).values()) == {"succeeded"})
        until(lambda: health(provider).breaker == "closed")
    assert len(upstream.requests) < 8 * 12


def test_requests_that_always_fail_do_not_open_the_breaker_of_a_provider_that_works(
    project: Project, provider: Provider, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O8: at the end of a batch its poison requests alone were sent again and again, which were 20 faults in a row."""
    monkeypatch.setattr(breaker, "OPEN_SECONDS", 600.0)
    poison = {f"row-{number}" for number in range(300) if number % 10 == 3}
    upstream.behave(lambda request: refuse(500) if named(request) in poison else succeed())
    batch = started(project, request_lines(300))
    with executors(1):
        until(lambda: "pending" not in statuses(batch).values())
    assert {name for name, status in statuses(batch).items() if status == "failed"} == poison
    assert {sent(upstream)[name] for name in poison} == {5}, "they were tried as often as any"
    assert health(provider).breaker == "closed"


def test_single_500s_do_not_open_the_breaker(project: Project, provider: Provider, upstream: Upstream) -> None:
    upstream.behave(lambda request: refuse(500) if request.number % 3 and request.repeat < 4 else succeed())
    batch = started(project, request_lines(60))
    run_executor()
    assert set(statuses(batch).values()) == {"succeeded"}
    assert health(provider).breaker == "closed"


def test_a_probe_that_fails_is_nobodys_attempt(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "FAILURES", 3)
    monkeypatch.setattr(breaker, "MAX_OPEN_SECONDS", 0.2)
    settings.MAX_ATTEMPTS = 4
    upstream.answer(refuse(503), refuse(503), refuse(503, retry_after=1.0), *[drop() for _ in range(5)])
    batch = started(project, request_lines(1))
    run_executor()
    assert statuses(batch) == {"row-1": "succeeded"}
    assert BatchObject.objects.get(batch=batch).attempts == 9


def test_objects_that_break_the_upstream_themselves_come_to_an_end(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "FAILURES", 6)
    monkeypatch.setattr(breaker, "OPEN_SECONDS", 0.05)
    monkeypatch.setattr(breaker, "MAX_OPEN_SECONDS", 0.1)
    settings.MAX_ATTEMPTS, settings.BACKOFF_BASE_SECONDS = 4, 0.01
    upstream.behave(lambda _: refuse(500))
    batch = started(project, request_lines(3))
    run_executor()
    assert set(statuses(batch).values()) == {"failed"}


# --- Prices ------------------------------------------------------------------------------------------------------


def test_each_success_is_priced_by_its_model(project: Project, provider: Provider, upstream: Upstream) -> None:
    for name, price in (("cheap", "1"), ("dear", "100")):
        ProviderModel.objects.create(
            provider=provider, name=name, input_price=Decimal(price), output_price=Decimal(price), cached_price=Decimal(0)
        )
    models = ("cheap", "dear", "unknown")
    batch = of_several_models(project, b"".join(request_line(model, model=model) for model in models))
    run_executor()
    costs = dict(BatchObject.objects.filter(batch=batch).values_list("custom_id", "cost_nanos"))
    assert costs == {"cheap": 8_000, "dear": 800_000, "unknown": None}, "5 in, 4 from the cache, 3 out"
    assert (fresh(batch).counts.cost_nanos, fresh(batch).counts.unpriced) == (808_000, 1)


def test_a_price_that_is_added_while_a_batch_runs_counts_within_seconds(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.EXECUTOR_CONCURRENCY = 1
    upstream.behave(lambda _: succeed(delay=0.1))
    batch = started(project, request_lines(60))
    with executors(1):
        upstream.wait_until(lambda u: len(u.requests) > 2)
        ProviderModel.objects.create(provider=provider, name="m", input_price=Decimal(1), output_price=Decimal(1))
    counts = fresh(batch).counts
    assert 0 < counts.unpriced < 40
    assert counts.cost_nanos == (60 - counts.unpriced) * 12_000

"""Guards at work: a batch is paused with the figures, and goes on when somebody says so."""

import re
from decimal import Decimal

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from batches.models import Batch, Event, Project, Slice
from batches.services.control.enforce_guards import enforce_guards
from batches.services.control.pause import pause, resume
from batches.services.policy.guards import OverBudget, set_guards
from batches.services.upkeep.reconcile import reconcile
from providers.models import Provider
from tests.cast import TESTER, request_line, request_lines, run_executor, started

running = pytest.mark.django_db(transaction=True)  # an executor has a connection of its own


@pytest.fixture(autouse=True)
def leisurely(settings: Settings) -> None:
    """About 250 requests in a second, so that a batch takes many flushes and there is something left to stop."""
    settings.SLICE_LINES = settings.FLUSH_ROWS = settings.EXECUTOR_CONCURRENCY = 5
    settings.GUARD_SAMPLE = 10


@pytest.fixture(autouse=True)
def slow(simulator: Provider) -> Provider:
    """The simulator takes its time to answer."""
    simulator.options = {"latency_ms": 20}
    simulator.save()
    return simulator


def failing(count: int) -> bytes:
    """An input whose requests the simulator refuses."""
    return b"".join(request_line(f"row-{number}", simulate={"status": 400}) for number in range(count))


def used(batch: Batch, **counts: int) -> Batch:
    """The batch, being worked on, as if so much had been used."""
    Slice.objects.filter(batch=batch).update(lease_owner=batch.pk, **counts)
    return batch


def seen(batch: Batch) -> Batch:
    return Batch.objects.select_related("provider").get(pk=batch.pk)


@running
def test_a_batch_that_fails_too_much_is_paused_with_the_figures_and_the_most_common_error(
    project: Project, simulator: Provider
) -> None:
    batch = started(project, failing(1000), guards={"max_error_rate": 0.2})
    run_executor()
    batch = seen(batch)
    assert batch.is_paused
    assert batch.paused_by == "guard"
    failed = batch.counts.failed
    assert 10 <= failed <= 300, "it stops soon after the sample, by far not at the end"
    assert batch.counts.pending == 1000 - failed
    assert re.match(r"(\d+) of the first \1 requests failed \(100 %, allowed 20 %\)\. Most: \w+ ", batch.paused_reason)
    event = Event.objects.filter(batch=batch).latest("created_at")
    assert (event.act, event.actor, event.note) == ("guarded", "guard", batch.paused_reason)


@running
def test_a_providers_guard_holds_for_batches_without_one(project: Project, simulator: Provider) -> None:
    Provider.objects.update(max_error_rate=0.2)
    careful, bold = started(project, failing(500)), started(project, failing(30), guards={"max_error_rate": 1.0})
    run_executor()
    assert seen(careful).is_paused
    assert seen(bold).counts.failed == 30


@running
def test_after_a_resume_the_failures_of_before_do_not_count(project: Project, simulator: Provider) -> None:
    batch = started(project, failing(1000), guards={"max_error_rate": 0.2})
    run_executor()
    before = seen(batch).counts.failed
    resume(seen(batch), actor=TESTER, now=timezone.now())
    assert enforce_guards(now=timezone.now()) == frozenset()
    run_executor()
    batch = seen(batch)
    assert batch.is_paused
    assert batch.counts.failed >= before + 10
    assert "requests since it was resumed failed" in batch.paused_reason


@pytest.mark.parametrize(
    ("guards", "use", "sentence", "raised"),
    [
        ({"max_cost": Decimal(1)}, {"cost_nanos": 2 * 10**9}, "It has cost 2 USD (allowed 1 USD).", {"max_cost": Decimal(3)}),
        ({"max_tokens": 10}, {"input_tokens": 9, "output_tokens": 2}, "It has used 11 tokens (allowed 10).", {"max_tokens": 20}),
    ],
)
def test_a_batch_over_its_budget_waits_until_the_budget_is_raised(
    project: Project,
    simulator: Provider,
    guards: dict[str, object],
    use: dict[str, int],
    sentence: str,
    raised: dict[str, object],
) -> None:
    batch = used(started(project, request_lines(1), guards=guards), **use)
    assert enforce_guards(now=timezone.now()) == {batch.pk}
    batch = seen(batch)
    assert batch.paused_reason == sentence
    with pytest.raises(OverBudget, match="Raise the guard"):
        resume(batch, actor=TESTER, now=timezone.now())
    assert seen(batch).is_paused
    set_guards(batch, guards=raised, actor=TESTER, now=timezone.now())
    assert seen(batch).is_paused, "raising a guard is not going on"
    resume(seen(batch), actor=TESTER, now=timezone.now())
    assert enforce_guards(now=timezone.now()) == frozenset()


def test_the_beat_finds_what_no_flush_stopped(project: Project, simulator: Provider) -> None:
    batch = used(started(project, request_lines(1), guards={"max_tokens": 10}), input_tokens=11)
    reconcile(now=timezone.now())
    assert seen(batch).is_paused


def test_what_is_paused_already_or_nobody_works_on_is_left_alone(project: Project, simulator: Provider) -> None:
    paused = used(started(project, request_lines(1), guards={"max_tokens": 10}), input_tokens=11)
    pause(paused, actor=TESTER, now=timezone.now(), reason="lunch")
    used(started(project, request_lines(1), guards={"max_tokens": 10}), input_tokens=11)
    Slice.objects.exclude(batch=paused).update(lease_owner=None)
    assert enforce_guards(now=timezone.now()) == frozenset()
    assert seen(paused).paused_reason == "lunch"


def test_guards_cost_one_query_where_there_are_none_and_two_for_many_batches(
    project: Project, simulator: Provider, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(3):
        used(started(project, request_lines(1)))
    with django_assert_num_queries(1):
        enforce_guards(now=timezone.now())
    for _ in range(3):
        used(started(project, request_lines(1), guards={"max_tokens": 10}))
    with django_assert_num_queries(2):
        enforce_guards(now=timezone.now())

"""What operators do to a batch that executors work on, against upstreams over real HTTP."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from time import monotonic

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, Project
from batches.services.control.pause import pause, resume
from batches.services.control.reroute import reroute
from batches.services.retry.lineage import lineage, merged_counts, merged_results
from providers.models import Provider
from tests.answers import refuse, succeed
from tests.cast import TESTER, assert_counts_are_true, ended, request_lines, run_executor, started, statuses
from tests.engine.executors import executors, named
from tests.rounds import again, child_of, group_of
from tests.upstream import Upstream
from tests.waiting import allowed, until

pytestmark = pytest.mark.django_db(transaction=True)

LINES = 60
AT_ONCE = 2.0  # seconds within which executors heed what was done


@pytest.fixture
def elsewhere() -> Iterator[Upstream]:
    """A second upstream."""
    with Upstream() as upstream:
        yield upstream


def sent(upstream: Upstream) -> Counter[str]:
    return Counter(named(request) for request in upstream.requests)


def test_what_failed_is_sent_once_more_with_a_key_of_its_own(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.SLICE_LINES = 10
    odd = {f"row-{number}" for number in range(1, LINES, 4)}
    upstream.behave(lambda request: refuse(400, code="odd") if named(request) in odd and request.repeat == 1 else succeed())
    batch = started(project, request_lines(LINES))
    # One slice is left over, so that the batch still runs when the others are through.
    last = batch.slices.order_by("first_line").last()
    assert last is not None
    batch.slices.filter(pk=last.pk).update(not_before=timezone.now() + timedelta(hours=1))
    run_executor()
    done = again(Batch.objects.get(pk=batch.pk), group_of(batch, "odd"))
    batch.slices.filter(pk=last.pk).update(not_before=None)
    run_executor()
    assert_counts_are_true(batch)
    again_odd = {name for name, times in sent(upstream).items() if times == 2}
    assert len(again_odd) == done.retried
    assert again_odd < odd
    keys = [request.idempotency_key for request in upstream.requests]
    assert len(set(keys)) == len(keys), "a new round has new keys"
    assert {key.split(".")[1].split("-")[1] for key in keys} == {"1", "2"}


def test_a_child_ends_what_its_parent_began(project: Project, provider: Provider, upstream: Upstream) -> None:
    upstream.behave(lambda request: refuse(400) if request.repeat <= int(named(request)[4:]) % 3 else succeed())
    root = started(project, request_lines(LINES))
    run_executor()
    root = ended(root)
    assert root.failed == LINES * 2 // 3
    child = child_of(root)
    run_executor()
    child = ended(child)
    assert child.failed == LINES // 3
    ended_last = child_of(child)
    run_executor()
    ended_last = ended(ended_last)
    assert ended_last.failed == 0
    members = lineage(root)
    counts = merged_counts(members)
    assert (counts.total, counts.succeeded, counts.input_tokens) == (LINES, LINES, LINES * 9)
    names = [item.result.custom_id for item in merged_results(members)]
    assert names == [f"row-{number}" for number in range(1, LINES + 1)]
    assert Counter(sent(upstream).values()) == Counter(1 + number % 3 for number in range(1, LINES + 1))


def test_a_paused_batch_sends_nothing_more_until_it_is_resumed(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.SLICE_LINES = 20
    Provider.objects.filter(pk=provider.pk).update(max_concurrency=2)
    upstream.behave(lambda _: succeed(delay=0.1))
    batch = started(project, request_lines(LINES))
    with executors(1):
        until(lambda: len(upstream.requests) >= 4)
        pause(Batch.objects.get(pk=batch.pk), actor=TESTER, now=timezone.now())
        paused_at = monotonic()
        until(lambda: not batch.slices.filter(lease_owner__isnull=False).exists())
        assert monotonic() - paused_at < allowed(AT_ONCE + 1)
    assert all(request.at < paused_at + allowed(AT_ONCE) for request in upstream.requests)
    before = len(upstream.requests)
    assert before < LINES
    assert_counts_are_true(batch)
    assert list(statuses(batch).values()).count("succeeded") == before, "what was in flight has settled"
    run_executor()
    assert len(upstream.requests) == before
    resume(Batch.objects.get(pk=batch.pk), actor=TESTER, now=timezone.now())
    run_executor()
    assert set(sent(upstream).values()) == {1}
    assert ended(batch).succeeded == LINES


def test_a_rerouted_batch_goes_on_at_the_other_provider(
    project: Project, provider: Provider, upstream: Upstream, elsewhere: Upstream, settings: Settings
) -> None:
    settings.SLICE_LINES = 20
    Provider.objects.filter(pk=provider.pk).update(max_concurrency=2)
    Provider.objects.create(name="elsewhere", adapter="openai", base_url=elsewhere.base_url)
    upstream.behave(lambda _: succeed(delay=0.1))
    batch = started(project, request_lines(LINES))
    with executors(1):
        until(lambda: len(upstream.requests) >= 4)
        reroute(Batch.objects.get(pk=batch.pk), provider_name="elsewhere", actor=TESTER, now=timezone.now())
        rerouted_at = monotonic()
        until(lambda: len(elsewhere.requests) > 0)
    run_executor()
    assert all(request.at < rerouted_at + allowed(AT_ONCE) for request in upstream.requests)
    assert len(upstream.requests) + len(elsewhere.requests) == LINES
    assert set((sent(upstream) + sent(elsewhere)).values()) == {1}, "what was in flight settled where it was"
    assert_counts_are_true(batch)
    assert ended(batch).succeeded == LINES

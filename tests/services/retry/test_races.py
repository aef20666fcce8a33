"""A retry that meets the end of its batch, its cancellation, a flush or another retry: one wins, the other is told."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic, sleep

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, BatchError, BatchObject, File, Project
from batches.rules.errors import LostRace
from batches.services.control.cancel import cancel
from batches.services.control.reroute import reroute
from batches.services.lifecycle.finalize import finalize
from batches.services.retry.lineage import lineage
from providers.models import Provider
from tests.cast import TESTER, assert_counts_are_true, ended, request_lines, started, statuses
from tests.rounds import again, at, child_of, completed, failed, groups, run
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("simulator")]


@pytest.fixture
def batch(project: Project, settings: Settings) -> Batch:
    """Six objects in three slices; none is settled."""
    settings.SLICE_LINES = 2
    return started(project, request_lines(6))


@contextmanager
def meanwhile(act: Callable[[], object]) -> Iterator[list[BaseException]]:
    """Run the block in a transaction; before it commits, something else begins in a thread, and comes to wait for it.

    Gives what the other raised, once both are over.
    """
    raised: list[BaseException] = []

    def work() -> None:
        try:
            act()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as other:
        held = transaction.atomic()
        held._from_testcase = True  # type: ignore[attr-defined] # as Django marks what only a test began
        with held:
            yield raised
            ending = other.submit(work)
            _wait_until_somebody_waits()
        if error := ending.exception(PATIENCE):
            raised.append(error)


def _wait_until_somebody_waits() -> None:
    deadline = monotonic() + PATIENCE
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT pg_stat_clear_snapshot()")  # a transaction sees the sessions as they were at its first look
            cursor.execute(  # in this database: other processes of the suite have theirs on the same server
                "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
                " WHERE NOT granted AND datname = current_database()"
            )
            if cursor.fetchone()[0]:
                return
            assert monotonic() < deadline, "Nobody came to wait."
            sleep(0.01)


def fresh(batch: Batch) -> Batch:
    return Batch.objects.get(pk=batch.pk)


def test_a_batch_whose_last_failure_is_being_retried_does_not_end(batch: Batch) -> None:
    run(batch, odd={1})
    with meanwhile(lambda: finalize(batch.id, now=timezone.now())) as raised:
        again(fresh(batch))
    assert not raised
    batch = fresh(batch)
    assert (batch.status, batch.counts.pending) == ("in_progress", 1)
    assert_counts_are_true(batch)
    assert completed(batch).succeeded == 6


def test_a_retry_of_a_batch_that_is_ending_is_told_so_and_changes_nothing(batch: Batch) -> None:
    run(batch, odd={1})
    stale = fresh(batch)
    with meanwhile(lambda: again(stale)) as raised:
        finalize(batch.id, now=timezone.now())
    assert [type(error) for error in raised] == [LostRace]
    batch = fresh(batch)
    assert (batch.status, batch.failed, failed(batch)) == ("completed", 1, {1})
    assert groups(batch) == {"odd": 1}
    assert not BatchError.objects.filter(retried_at__isnull=False).exists()
    assert again(batch).batch.parent == batch, "now it is a child batch"


def test_a_retry_of_a_batch_that_is_being_cancelled_is_told_so_and_changes_nothing(batch: Batch) -> None:
    run(batch, odd={1}, keep={2})
    stale = fresh(batch)
    with meanwhile(lambda: again(stale)) as raised:
        cancel(batch, actor=TESTER, now=timezone.now())
    assert [type(error) for error in raised] == [LostRace]
    assert failed(batch) == {1}
    assert_counts_are_true(batch)


def test_what_was_retried_just_before_a_cancellation_is_cancelled(batch: Batch) -> None:
    run(batch, odd={1}, keep={2})
    stale = fresh(batch)
    with meanwhile(lambda: cancel(stale, actor=TESTER, now=timezone.now())) as raised:
        again(fresh(batch))
    assert not raised
    batch = ended(batch)
    assert (batch.status, batch.succeeded, batch.cancelled, batch.failed) == ("cancelled", 4, 2, 0)
    assert statuses(batch)["row-1"] == "cancelled"
    assert_counts_are_true(batch)


def test_two_retries_of_an_ended_batch_make_one_child(batch: Batch) -> None:
    batch = completed(batch, odd={1, 4})
    with meanwhile(lambda: again(fresh(batch))) as raised:
        child = again(fresh(batch)).batch
    assert [type(error) for error in raised] == [LostRace]
    assert lineage(batch) == [batch, child]
    assert File.objects.filter(purpose="batch").count() == 2, "the loser leaves no input behind"


def test_a_retry_of_a_batch_and_one_of_its_child_do_not_take_up_the_same(batch: Batch) -> None:
    batch = completed(batch, odd={1, 4})
    child = completed(child_of(batch), odd={1})
    with meanwhile(lambda: again(fresh(child))) as raised:
        again(fresh(batch))
    assert [type(error) for error in raised] == [LostRace]
    assert len(lineage(batch)) == 3


def test_a_flush_and_a_retry_both_count_in_the_same_error_group(batch: Batch) -> None:
    run(batch, odd={1}, keep={2, 3, 4, 5, 6})
    with meanwhile(lambda: run(batch, odd={5}, keep={2, 3, 4, 6})) as raised:
        again(fresh(batch), at(1))
    assert not raised
    assert groups(batch) == {"odd": 1}
    with meanwhile(lambda: again(fresh(batch), at(5))) as raised:
        run(batch, odd={3}, keep={1, 2, 4, 6})
    assert not raised
    assert groups(batch) == {"odd": 1}
    assert failed(batch) == {3}
    assert_counts_are_true(batch)


def test_two_retries_in_place_send_each_object_once(batch: Batch) -> None:
    run(batch, odd={1, 3}, keep={2})
    with meanwhile(lambda: again(fresh(batch))) as raised:
        again(fresh(batch), at(1))
    assert not raised
    assert dict(BatchObject.objects.filter(line__in=(1, 3)).values_list("line", "round")) == {1: 2, 3: 2}
    assert_counts_are_true(batch)


def test_a_batch_that_is_being_cancelled_is_not_rerouted(batch: Batch) -> None:
    Provider.objects.create(name="other", adapter="simulator", granted_to_all=True)
    stale = fresh(batch)
    with meanwhile(lambda: reroute(stale, provider_name="other", actor=TESTER, now=timezone.now())) as raised:
        cancel(batch, actor=TESTER, now=timezone.now())
    assert [type(error).__name__ for error in raised] == ["NotRunning"]
    assert fresh(batch).provider.name == "simulator"

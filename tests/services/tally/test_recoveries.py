"""What retries recovered is counted once for each request, whichever batch of a lineage ends, goes or is cancelled."""

from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from batches.models import Batch, BatchErrorGroup, BatchObject, Project
from batches.rules.states import ObjectStatus
from batches.services.control.cancel import cancel
from batches.services.control.delete import delete
from batches.services.retry.lineage import lineage
from batches.services.tally import recoveries
from batches.services.tally.recoveries import count_missed_recoveries, count_recoveries, lineages
from batches.services.upkeep.old_batches import remove_old_batches
from tests.cast import TESTER, ended, request_lines, started
from tests.rounds import at, child_of, completed, run

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]

LINES = 8


@pytest.fixture
def root(project: Project, settings: Settings) -> Batch:
    """Eight objects in three slices, of which five failed: two refused, three too late."""
    settings.SLICE_LINES = 3
    return completed(started(project, request_lines(LINES)), odd={1, 2}, late={4, 5, 8})


def fresh(batch: Batch) -> Batch:
    return Batch.objects.get(pk=batch.pk)


def net(batch: Batch) -> tuple[int, int, int, int]:
    counts = fresh(batch).net_counts
    return counts.succeeded, counts.failed, counts.cancelled, counts.expired


def recovered_in_groups(batch: Batch) -> dict[str, int]:
    groups = BatchErrorGroup.objects.filter(batch=batch, recovered__gt=0)
    return dict(groups.values_list("group__code", "recovered"))


def assert_net_is_true(batch: Batch) -> None:
    """The net counts of each batch of the lineage are those of its rows, request by request."""
    members = lineage(fresh(batch))
    rows = BatchObject.objects.filter(batch__in=members).values_list("batch", "custom_id", "status", "batch__ended_at")
    best = {name for _, name, status, ended_at in rows if status == ObjectStatus.SUCCEEDED and ended_at}
    for member in members:
        own = [(name, status) for key, name, status, _ in rows if key == member.pk]
        true = Counter("succeeded" if name in best else status for name, status in own)
        counts = member.net_counts
        assert counts.total == sum(true.values()) == len(own)
        if member.is_terminal:
            assert {status: getattr(counts, status) for status in ObjectStatus.values} == {
                status: true[status] for status in ObjectStatus.values
            }, member


def test_a_batch_counts_what_succeeded_in_its_retry_once_that_has_ended(root: Batch) -> None:
    """O9."""
    child = child_of(root)
    run(child, odd={1})
    assert net(root) == (3, 5, 0, 0), "until the retry ends, nothing is counted"
    ended(child)
    assert net(root) == (7, 1, 0, 0)
    counts = fresh(root).counts
    assert (counts.succeeded, counts.failed) == (3, 5), "the counts of the batch itself stay"
    assert recovered_in_groups(root) == {"odd": 1, "timeout": 3}
    assert_net_is_true(root)


def test_a_retry_of_a_retry_counts_in_both(root: Batch) -> None:
    child = completed(child_of(root), odd={1}, late={3})
    grandchild = completed(child_of(child))
    assert net(root) == (8, 0, 0, 0)
    assert net(child) == (5, 0, 0, 0)
    assert net(grandchild) == (2, 0, 0, 0)
    assert recovered_in_groups(child) == {"odd": 1, "timeout": 1}
    assert_net_is_true(root)


def test_several_retries_of_one_batch_count_each_request_once(root: Batch) -> None:
    first = completed(child_of(root, at(1, 4)), odd={1, 2})
    second = completed(child_of(root, at(4, 5)), late={1})
    third = completed(child_of(root, at(1, 4, 8)))
    assert net(root) == (7, 1, 0, 0)
    assert net(first) == (2, 0, 0, 0), "another retry of its parent recovered them"
    assert net(second) == (2, 0, 0, 0)
    assert net(third) == (3, 0, 0, 0)
    count_recoveries(root)
    count_recoveries(third)
    assert net(root) == (7, 1, 0, 0), "counting again counts nothing twice"
    assert_net_is_true(root)


def test_a_retry_that_is_cancelled_in_the_middle_counts_what_it_had_done(root: Batch) -> None:
    child = child_of(root)
    run(child, keep={4, 5})
    cancel(child, actor=TESTER, now=timezone.now())
    ended(child)
    assert net(root) == (6, 2, 0, 0)
    completed(child_of(child))
    assert net(root) == (8, 0, 0, 0)
    assert net(child) == (5, 0, 0, 0), "what was cancelled there succeeded in a retry of it"
    assert_net_is_true(root)


def test_a_retry_that_its_client_deleted_still_counts_and_one_that_is_removed_does_not(root: Batch, settings: Settings) -> None:
    child = completed(child_of(root))
    delete(child, actor=TESTER, now=timezone.now())
    assert net(root) == (8, 0, 0, 0)
    long_ago = timezone.now() - timedelta(days=9)
    Batch.objects.filter(pk=child.pk).update(created_at=long_ago, ended_at=long_ago)
    settings.BATCH_RETENTION_DAYS = 7
    assert remove_old_batches(now=timezone.now()) == 1
    assert net(root) == (3, 5, 0, 0)
    assert recovered_in_groups(root) == {}


def test_what_ended_before_an_upgrade_is_counted_a_few_lineages_at_a_time(root: Batch) -> None:
    child = completed(child_of(root))
    Batch.objects.update(recovered_failed=0, recoveries_counted=False)
    BatchErrorGroup.objects.update(recovered=0)
    assert count_missed_recoveries() == 1
    assert net(root) == (8, 0, 0, 0)
    assert fresh(child).recoveries_counted
    assert count_missed_recoveries() == 0


def test_a_lineage_that_fails_keeps_no_other_from_being_counted(root: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    other = completed(started(root.project, request_lines(2)), odd={1})
    for parent in (root, other):
        completed(child_of(parent))
    Batch.objects.update(recovered_failed=0, recoveries_counted=False)
    broken = fresh(root).pk

    def count(batch: Batch) -> None:
        if lineages([batch.pk])[batch.pk][0] == broken:
            raise ValueError("A row that nobody expected.")
        count_recoveries(batch)

    monkeypatch.setattr(recoveries, "count_recoveries", count)
    assert count_missed_recoveries() == 1
    assert fresh(other).recovered_failed == 1


def test_the_lineages_of_many_batches_take_one_query(
    root: Batch, project: Project, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    child = child_of(root, at(1))
    alone = started(project, request_lines(1))
    with django_assert_num_queries(1):
        found = lineages([root.pk, child.pk, alone.pk])
    assert found == {root.pk: [root.pk, child.pk], child.pk: [root.pk, child.pk], alone.pk: [alone.pk]}


def test_counting_takes_as_many_queries_however_many_requests_there_are(
    project: Project, settings: Settings, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    settings.SLICE_LINES = 50
    root = completed(started(project, request_lines(200)), late=range(1, 101))
    completed(child_of(root))
    Batch.objects.update(recovered_failed=0)
    with django_assert_max_num_queries(17):
        count_recoveries(root)
    assert net(root) == (200, 0, 0, 0)

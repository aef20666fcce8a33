"""What came of the requests of a batch and of its retries, all together."""

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from batches.models import Batch, Project
from batches.services.control.cancel import cancel
from batches.services.results.results import PAGE
from batches.services.retry.lineage import lineage, merged_counts, merged_results
from tests.cast import TESTER, ended, request_lines, started
from tests.rounds import at, child_of, completed, run

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]

LINES = 7


@pytest.fixture
def root(project: Project, settings: Settings) -> Batch:
    """Seven objects in three slices, of which three failed."""
    settings.SLICE_LINES = 3
    return completed(started(project, request_lines(LINES)), odd={2, 4, 7})


def read(batch: Batch) -> list[tuple[int, str, str, Batch]]:
    """Of each request its line in the root, its name, what came of it, and where."""
    found = merged_results(lineage(batch))
    return [(item.root_line, item.result.custom_id, item.result.status, item.batch) for item in found]


def test_a_batch_without_retries_is_its_own_lineage(root: Batch) -> None:
    assert lineage(root) == [root]
    assert [status for _, _, status, _ in read(root)] == [
        *("succeeded", "failed", "succeeded", "failed"),
        *("succeeded", "succeeded", "failed"),
    ]
    assert merged_counts([root]) == root.counts


def test_a_lineage_is_the_same_whichever_of_its_batches_is_asked_for(root: Batch) -> None:
    first = completed(child_of(root, at(2, 4)), odd={1, 2})
    second = child_of(root, at(7))
    third = child_of(first)
    for member in (root, first, second, third):
        assert lineage(member) == [root, first, second, third]


def test_each_request_has_its_success_wherever_it_is_in_the_order_of_the_root(root: Batch) -> None:
    first = completed(child_of(root), odd={2, 3})
    second = completed(child_of(first), late={1})
    assert read(root) == [
        (1, "row-1", "succeeded", root),
        (2, "row-2", "succeeded", first),
        (3, "row-3", "succeeded", root),
        (4, "row-4", "failed", second),
        (5, "row-5", "succeeded", root),
        (6, "row-6", "succeeded", root),
        (7, "row-7", "succeeded", second),
    ]
    codes = {item.result.custom_id: item.result.error_code for item in merged_results(lineage(root))}
    assert codes["row-4"] == "timeout", "of several failures, the latest"


def test_what_is_being_retried_is_pending_and_never_hides_a_success(root: Batch) -> None:
    child = child_of(root)
    run(child, keep={1, 2})
    states = [status for _, _, status, _ in read(root)]
    assert states == ["succeeded", "pending", "succeeded", "pending", "succeeded", "succeeded", "succeeded"]


def test_a_retry_that_never_ran_says_so(root: Batch) -> None:
    child = child_of(root)
    cancel(child, actor=TESTER, now=timezone.now())
    ended(child)
    assert [status for _, _, status, _ in read(root)].count("cancelled") == 3
    counts = merged_counts(lineage(root))
    assert (counts.total, counts.succeeded, counts.failed, counts.cancelled) == (LINES, 4, 0, 3)


def test_the_counts_of_a_lineage_are_those_of_its_merged_results(root: Batch) -> None:
    first = completed(child_of(root), odd={2, 3})
    second = child_of(first)
    run(second, odd={1}, keep={2})
    counts = merged_counts(lineage(root))
    states = [status for _, _, status, _ in read(root)]
    for name in ("succeeded", "failed", "pending", "cancelled", "expired"):
        assert getattr(counts, name) == states.count(name), name
    assert counts.total == LINES == counts.settled + counts.pending
    assert counts.input_tokens == 9 * 5, "every success was paid for once"


def test_reading_goes_on_behind_any_line(root: Batch) -> None:
    completed(child_of(root))
    members = lineage(root)
    everything = list(merged_results(members))
    for line in range(LINES + 1):
        assert list(merged_results(members, after_line=line)) == everything[line:]


def test_a_long_lineage_is_read_by_pages(
    project: Project, settings: Settings, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    lines = PAGE + 100
    settings.SLICE_LINES = 200
    root = completed(started(project, request_lines(lines)), odd=set(range(1, lines, 2)))
    child = completed(child_of(root), odd={1})
    members = lineage(root)
    with django_assert_max_num_queries(24):
        found = list(merged_results(members))
    assert [item.result.custom_id for item in found] == [f"row-{number}" for number in range(1, lines + 1)]
    assert [item.root_line for item in found if item.result.status == "failed"] == [1]
    assert sum(item.batch == child for item in found) == lines // 2

"""What a retry would do is told beforehand, and is what it then does."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from batches.models import Batch, File, Project
from batches.rules.errors import Gone, InProgress, InvalidRequest
from batches.services.control.cancel import cancel
from batches.services.retry.preview import RetryPreview, preview
from batches.services.retry.retry import NotRetryable, RetryMode
from batches.services.retry.selection import EVERYTHING, Selection
from tests.cast import TESTER, ended, request_lines, started, submitted
from tests.rounds import again, at, child_of, completed, group_of, run

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]


@pytest.fixture
def batch(project: Project, settings: Settings) -> Batch:
    """Eight objects in three slices; none is settled."""
    settings.SLICE_LINES = 3
    return started(project, request_lines(8))


def told(batch: Batch, selection: Selection = EVERYTHING) -> RetryPreview:
    return preview(Batch.objects.get(pk=batch.pk), selection=selection, now=timezone.now())


def test_while_a_batch_runs_its_failures_would_go_in_place(batch: Batch) -> None:
    run(batch, odd={1, 4}, late={5}, keep={8})
    assert told(batch) == RetryPreview(RetryMode.IN_PLACE, 3, 0, 0, 0, hopeless=2)
    assert told(batch, group_of(batch, "timeout")) == RetryPreview(RetryMode.IN_PLACE, 1, 0, 0, 0)
    assert told(batch, at(1, 2, 8)) == RetryPreview(RetryMode.IN_PLACE, 1, 2, 0, 0, hopeless=1), "one succeeded, one is pending"
    done = again(batch, at(1, 2, 8))
    assert (done.retried, done.skipped) == (1, 2)


def test_after_its_end_what_did_not_succeed_would_be_a_child(batch: Batch) -> None:
    run(batch, odd={1}, keep={2, 7})
    cancel(batch, actor=TESTER, now=timezone.now())
    batch = ended(batch)
    assert told(batch) == RetryPreview(RetryMode.CHILD, 3, 0, 0, 0, hopeless=1)
    assert again(batch).retried == 3


def test_what_other_batches_of_the_lineage_have_is_left_out_and_why_is_told(batch: Batch) -> None:
    batch = completed(batch, odd={1, 3, 5, 8})
    completed(child_of(batch, at(1, 3)), odd={2})
    child_of(batch, at(5))
    assert told(batch) == RetryPreview(RetryMode.CHILD, 2, 0, 1, 1, hopeless=2)
    assert told(batch, at(1, 2, 3, 5)) == RetryPreview(RetryMode.CHILD, 1, 1, 1, 1, hopeless=1)
    done = again(batch, at(1, 2, 3, 5))
    assert (done.retried, done.skipped) == (1, 3)


def test_what_succeeded_in_one_batch_is_not_waited_for_in_another(batch: Batch) -> None:
    batch = completed(batch, odd={1, 5})
    child = completed(child_of(batch), odd={1})
    child_of(child)
    assert told(batch) == RetryPreview(RetryMode.CHILD, 0, 0, 1, 1)


def test_the_cost_is_what_the_batch_has_cost_on_average(batch: Batch) -> None:
    batch = completed(batch, odd={1, 4})
    Batch.objects.filter(pk=batch.pk).update(cost_nanos=3_000_000, unpriced=4)
    assert told(batch).cost == Decimal("0.003")
    Batch.objects.filter(pk=batch.pk).update(unpriced=6)
    assert told(batch).cost is None


def test_what_a_retry_would_raise_its_preview_raises(batch: Batch, project: Project) -> None:
    with pytest.raises(NotRetryable):
        told(submitted(project, request_lines(1)))
    run(batch, odd={1})
    for wrong in (at(99), Selection(frozenset({"v1:none"}))):
        with pytest.raises(InvalidRequest):
            told(batch, wrong)
    batch = ended(batch)
    again(batch)
    with pytest.raises(InProgress):
        told(batch)
    File.objects.filter(input_of=batch).update(expires_at=timezone.now() - timedelta(hours=1))
    with pytest.raises(Gone):
        told(batch)


def test_the_number_of_queries_does_not_grow_with_the_batch(
    project: Project, settings: Settings, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    settings.SLICE_LINES = 3
    batch = completed(started(project, request_lines(60)), odd=range(1, 50))
    group = group_of(batch, "odd")
    with django_assert_max_num_queries(9):
        assert told(batch, group).retried == 49

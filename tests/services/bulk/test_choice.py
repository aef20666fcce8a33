"""Which batches an act on many is about."""

from datetime import timedelta

import pytest
from django.utils import timezone

from batches.rules.errors import InvalidRequest
from batches.rules.states import BatchStatus
from batches.services.bulk.choice import matching, these
from batches.services.bulk.create import create
from batches.services.core.access import Access
from tests.console.conftest import MakeBatch
from tests.services.bulk.cast import done, order, outcomes

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("query", ["status=lost", "colour=red", "created=soon", "status=failed&status=lost", "text=%00"])
def test_a_filter_that_is_not_understood_chooses_nothing(root: Access, query: str) -> None:
    with pytest.raises(InvalidRequest):
        matching(root, query, now=timezone.now())


@pytest.mark.parametrize("chosen", [[], ["nonsense"], [f"batch_{number:032x}" for number in range(1001)]])
def test_what_names_no_batches_is_refused(root: Access, chosen: list[str]) -> None:
    with pytest.raises(InvalidRequest):
        these(root, chosen)


def test_a_filter_that_matches_nothing_acts_on_nothing(root: Access, make_batch: MakeBatch) -> None:
    running = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    now = timezone.now()
    operation = create(matching(root, "model=none", now=now), order(shown=0), by=root, now=now)
    assert (operation.total, operation.status) == (0, "done")
    running.refresh_from_db()
    assert running.status == BatchStatus.IN_PROGRESS


def test_late_batches_are_not_caught(root: Access, make_batch: MakeBatch) -> None:
    early = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    shown_at = timezone.now()
    late = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    operation = create(matching(root, "", now=shown_at), order(created_before=shown_at), by=root, now=timezone.now())
    assert list(outcomes(operation)) == [early.pk]
    done(operation)
    late.refresh_from_db()
    assert late.status == BatchStatus.IN_PROGRESS


def test_nobody_can_reach_into_the_future(root: Access, make_batch: MakeBatch) -> None:
    make_batch(BatchStatus.IN_PROGRESS, pending=1)
    now = timezone.now()
    operation = create(matching(root, "", now=now), order(created_before=now + timedelta(days=1)), by=root, now=now)
    assert operation.created_before == now


def test_of_a_filter_those_are_taken_to_which_it_can_be_done(root: Access, make_batch: MakeBatch) -> None:
    make_batch(BatchStatus.COMPLETED)
    running = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    now = timezone.now()
    operation = create(matching(root, "", now=now), order(), by=root, now=now)
    assert list(outcomes(operation)) == [running.pk]

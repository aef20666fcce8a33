"""An act on many batches put on record: once, with a reason, for what was shown."""

from threading import Barrier

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import AuditEntry, BulkAct, BulkItem, BulkOperation, Project
from batches.rules.errors import InvalidRequest
from batches.rules.states import BatchStatus
from batches.services.bulk.choice import matching, these
from batches.services.bulk.create import MoreThanShown, NotConfirmed, TooMany, create
from batches.services.bulk.preview import preview
from batches.services.core.access import Access
from tests.console.conftest import MakeBatch
from tests.services.bulk.cast import done, ids, member_of, order, ordered
from tests.together import thread

pytestmark = pytest.mark.django_db


def test_the_same_token_is_the_same_operation(root: Access, make_batch: MakeBatch) -> None:
    batch, twice = make_batch(BatchStatus.IN_PROGRESS, pending=1), order()
    first = create(these(root, [str(batch)]), twice, by=root, now=timezone.now())
    done(first)
    assert create(these(root, [str(batch)]), twice, by=root, now=timezone.now()) == first
    assert BulkOperation.objects.count() == AuditEntry.objects.count() == 1


def test_a_token_of_somebody_else_is_refused(root: Access, project: Project, make_batch: MakeBatch) -> None:
    batch, twice = make_batch(BatchStatus.IN_PROGRESS, pending=1), order()
    create(these(root, [str(batch)]), twice, by=root, now=timezone.now())
    ada = member_of(project)
    with pytest.raises(InvalidRequest, match="Another person"):
        create(these(ada, [str(batch)]), twice, by=ada, now=timezone.now())


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_the_same_moment_are_one_operation(root: Access, make_batch: MakeBatch) -> None:
    batches = [make_batch(BatchStatus.IN_PROGRESS, pending=1) for _ in range(3)]
    twice, start, found = order(), Barrier(2), []

    def click() -> None:
        start.wait()
        found.append(create(these(root, ids(batches)), twice, by=root, now=timezone.now()).pk)

    clicks = [thread(click) for _ in range(2)]
    for one in clicks:
        one.start()
    for one in clicks:
        one.join()
    assert len(found) == 2
    assert {*found} == {BulkOperation.objects.get().pk}
    assert BulkItem.objects.count() == 3


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "a\0b"])
def test_a_reason_is_given(root: Access, make_batch: MakeBatch, reason: str) -> None:
    with pytest.raises(InvalidRequest, match="reason"):
        ordered(root, [make_batch()], reason=reason)


def test_of_many_the_number_is_typed(root: Access, make_batch: MakeBatch, settings: Settings) -> None:
    settings.BULK_OPERATION_TYPED_ABOVE = 1
    batches = [make_batch(BatchStatus.IN_PROGRESS, pending=1) for _ in range(2)]
    for typed in (None, 1, 3):
        with pytest.raises(NotConfirmed):
            ordered(root, batches, shown=2, typed=typed)
    assert ordered(root, batches, shown=2, typed=2).total == 2
    assert ordered(root, batches[:1], shown=1).total == 1


def test_no_more_is_acted_on_than_was_shown(root: Access, make_batch: MakeBatch) -> None:
    batches = [make_batch(BatchStatus.IN_PROGRESS, pending=1) for _ in range(3)]
    with pytest.raises(MoreThanShown, match="showed 2"):
        ordered(root, batches, shown=2)
    assert not BulkOperation.objects.exists()


def test_more_than_the_maximum_is_refused_whole(root: Access, make_batch: MakeBatch, settings: Settings) -> None:
    settings.BULK_OPERATION_MAX_BATCHES = 2
    batches = [make_batch(BatchStatus.IN_PROGRESS, pending=1) for _ in range(3)]
    now = timezone.now()
    assert preview(matching(root, "", now=now), act=BulkAct.CANCEL, parameters={}, by=root, now=now).is_too_much
    with pytest.raises(TooMany):
        ordered(root, batches)
    assert not BulkOperation.objects.exists()

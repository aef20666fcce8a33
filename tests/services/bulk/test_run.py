"""What a bulk operation does to each batch, whoever works on it, and however often."""

import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from batches.models import AuditEntry, Batch, BulkAct, BulkItem, BulkOperation, Event, Membership, Project, Role
from batches.rules.errors import LostRace, NotFound
from batches.rules.states import BatchStatus, Source
from batches.services.bulk.cancel import OperationEnded, cancel_rest
from batches.services.bulk.retry import NothingFailed, retry_failed
from batches.services.bulk.run import do_one, run, take, wake_unattended
from batches.services.core.access import Access, access_of
from batches.services.upkeep.retention import remove_old_operations
from tests.conftest import Queue
from tests.console.conftest import MakeBatch
from tests.services.bulk.cast import counts, done, member_of, ordered, outcomes

pytestmark = pytest.mark.django_db


# --- Done ----------------------------------------------------------------------------------------------------------


def test_each_batch_is_acted_on_through_its_verb_with_actor_source_and_reason(root: Access, make_batch: MakeBatch) -> None:
    batches = [make_batch(BatchStatus.IN_PROGRESS, pending=1), make_batch(BatchStatus.VALIDATING)]
    operation = done(ordered(root, batches))
    assert counts(operation) == (2, 2, 0, 0)
    assert operation.status == "done"
    assert operation.started_at is not None
    assert operation.ended_at is not None
    for event in Event.objects.filter(to_status=BatchStatus.CANCELLING):
        assert (event.actor, event.source, event.note) == ("user operator", "console", "A wrong prompt")
    entry = AuditEntry.objects.get()
    assert (entry.act, entry.actor, entry.source, entry.reason) == (
        "bulk_cancel",
        "user operator",
        "console",
        "Cancel 2 batches: A wrong prompt",
    )


def test_a_retry_notes_what_it_made(root: Access, make_batch: MakeBatch) -> None:
    over, running = make_batch(succeeded=1, failed=2), make_batch(BatchStatus.IN_PROGRESS, failed=1, pending=1)
    operation = done(ordered(root, [over, running], BulkAct.RETRY))
    child = over.children.get()
    assert outcomes(operation) == {
        over.pk: ("done", f"2 objects in {child}."),
        running.pk: ("done", "1 object in place."),
    }
    assert child.created_by == "user operator"


def test_of_two_operators_the_second_finds_it_done(root: Access, project: Project, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    first, second = ordered(root, [batch]), ordered(member_of(project), [batch])
    assert outcomes(done(first)) == {batch.pk: ("done", "")}
    assert outcomes(done(second)) == {batch.pk: ("skipped", "Already being cancelled.")}
    assert Event.objects.filter(to_status=BatchStatus.CANCELLING).count() == 1


@pytest.mark.parametrize("loss", ["demoted", "removed", "deactivated", "deleted"])
def test_who_has_lost_the_right_meanwhile_acts_on_nothing_more(project: Project, make_batch: MakeBatch, loss: str) -> None:
    batch, ada = make_batch(BatchStatus.IN_PROGRESS, pending=1), member_of(project)
    operation = ordered(ada, [batch])
    if loss == "demoted":
        Membership.objects.update(role=Role.VIEWER)
    elif loss == "removed":
        Membership.objects.all().delete()
    elif loss == "deactivated":
        User.objects.filter(pk=ada.user.pk).update(is_active=False)
    else:
        User.objects.get(pk=ada.user.pk).delete()
    assert outcomes(done(operation)) == {batch.pk: ("skipped", "Not permitted: only operators of the project may.")}
    batch.refresh_from_db()
    assert batch.status == BatchStatus.IN_PROGRESS


def test_what_failed_is_tried_again_alone(root: Access, make_batch: MakeBatch, settings: Settings) -> None:
    settings.PROJECT_MAX_OPEN_BATCHES = 1
    fine, unlucky = make_batch(failed=1), make_batch(failed=1)
    operation = done(ordered(root, [fine, unlucky], BulkAct.RETRY))
    assert counts(operation) == (2, 1, 0, 1)
    assert "may have 1 open batches" in outcomes(operation)[unlucky.pk][1]

    settings.PROJECT_MAX_OPEN_BATCHES = 2
    token = uuid.uuid4()
    second = retry_failed(operation, token=token, by=root, now=timezone.now())
    assert retry_failed(operation, token=token, by=root, now=timezone.now()) == second
    assert (second.retry_of, second.act, second.reason, second.total) == (operation, operation.act, operation.reason, 1)
    assert counts(done(second)) == (1, 1, 0, 0)
    assert unlucky.children.count() == fine.children.count() == 1
    with pytest.raises(NothingFailed):
        retry_failed(second, token=uuid.uuid4(), by=root, now=timezone.now())


def test_the_rest_is_cancelled_and_what_was_done_stays(root: Access, make_batch: MakeBatch) -> None:
    batches = [make_batch(BatchStatus.IN_PROGRESS, pending=1) for _ in range(3)]
    operation = ordered(root, batches)
    held = take(operation.pk, now=timezone.now())
    assert held is not None
    items = list(operation.items.order_by("id").values_list("pk", flat=True))
    do_one(held, items[0], now=timezone.now())
    for _ in range(2):
        assert cancel_rest(operation, by=root, now=timezone.now()).status == "cancelled"
    with pytest.raises(LostRace):
        do_one(held, items[1], now=timezone.now())
    assert counts(done(operation)) == (3, 1, 0, 0)
    assert operation.left == 2
    assert Batch.objects.filter(status=BatchStatus.CANCELLING).count() == 1
    entry = AuditEntry.objects.get(act="cancel_bulk")
    assert (entry.actor, entry.reason) == ("user operator", "2 left alone")


def test_what_has_ended_or_belongs_to_others_is_not_cancelled(root: Access, project: Project, make_batch: MakeBatch) -> None:
    operation = done(ordered(root, [make_batch(BatchStatus.IN_PROGRESS, pending=1)]))
    with pytest.raises(OperationEnded):
        cancel_rest(operation, by=root, now=timezone.now())
    ada = member_of(project)
    with pytest.raises(NotFound):
        cancel_rest(operation, by=ada, now=timezone.now())
    with pytest.raises(NotFound):
        retry_failed(operation, token=uuid.uuid4(), by=ada, now=timezone.now())


# --- Workers -------------------------------------------------------------------------------------------------------


def test_one_worker_at_a_time_holds_an_operation(root: Access, make_batch: MakeBatch) -> None:
    operation = ordered(root, [make_batch(BatchStatus.IN_PROGRESS, pending=1)])
    assert take(operation.pk, now=timezone.now()) is not None
    assert take(operation.pk, now=timezone.now()) is None
    assert counts(done(operation)) == (1, 0, 0, 0)


def test_a_dead_workers_operation_goes_on_where_it_was(root: Access, make_batch: MakeBatch, settings: Settings) -> None:
    batches = [make_batch(BatchStatus.IN_PROGRESS, pending=1) for _ in range(4)]
    operation = ordered(root, batches)
    dead = take(operation.pk, now=timezone.now())
    assert dead is not None
    items = list(operation.items.order_by("id").values_list("pk", flat=True))
    do_one(dead, items[0], now=timezone.now())

    run(operation.pk, now=timezone.now() + timedelta(seconds=settings.LEASE_SECONDS + 1))
    assert counts(operation) == (4, 4, 0, 0)
    assert Event.objects.filter(to_status=BatchStatus.CANCELLING).count() == 4


def test_a_worker_that_lost_its_lease_does_nothing_more(root: Access, make_batch: MakeBatch, settings: Settings) -> None:
    batch = make_batch(BatchStatus.COMPLETED, failed=1)
    operation = ordered(root, [batch], BulkAct.RETRY)
    slow = take(operation.pk, now=timezone.now())
    other = take(operation.pk, now=timezone.now() + timedelta(seconds=settings.LEASE_SECONDS + 1))
    assert slow is not None
    assert other is not None
    item = operation.items.get()
    with pytest.raises(LostRace):
        do_one(slow, item.pk, now=timezone.now())
    assert not batch.children.exists()
    for _ in range(2):
        do_one(other, item.pk, now=timezone.now())
    assert batch.children.count() == 1
    assert counts(operation) == (1, 1, 0, 0)


def test_an_operation_runs_in_the_control_queue_once_it_is_ordered(queue: Queue, operator: User, make_batch: MakeBatch) -> None:
    by = access_of(operator, source=Source.CONSOLE)
    operation = ordered(by, [make_batch(BatchStatus.IN_PROGRESS, pending=1)], BulkAct.PAUSE)
    queue.drain()
    assert counts(operation) == (1, 1, 0, 0)


def test_an_operation_that_nobody_was_told_about_is_found(queue: Queue, operator: User, make_batch: MakeBatch) -> None:
    by = access_of(operator, source=Source.CONSOLE)
    over = make_batch(BatchStatus.COMPLETED, failed=1)
    operation = ordered(by, [over], BulkAct.RETRY)
    queue.clear()
    queue.run_until(lambda: BulkOperation.objects.get(pk=operation.pk).ended_at is not None)
    assert over.children.count() == 1
    wake_unattended(now=timezone.now())
    assert queue.drain() == 0


def test_others_get_their_turn_between_turns(
    queue: Queue, operator: User, make_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batches.services.bulk.run.TURN_SECONDS", 0.0)
    monkeypatch.setattr("batches.services.bulk.run.CHUNK", 1)
    by = access_of(operator, source=Source.CONSOLE)
    operation = ordered(by, [make_batch(BatchStatus.IN_PROGRESS, pending=1) for _ in range(3)], BulkAct.PAUSE)
    queue.clear()
    done(operation)
    assert (counts(operation), operation.status, operation.lease_expires_at) == ((3, 1, 0, 0), "running", None)
    queue.drain()
    assert counts(operation) == (3, 3, 0, 0)


def test_old_operations_are_let_go_of(root: Access, make_batch: MakeBatch, settings: Settings) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    old, waiting = done(ordered(root, [batch])), ordered(root, [batch])
    long_ago = timezone.now() - timedelta(days=settings.BULK_OPERATION_RETENTION_DAYS + 1)
    BulkOperation.objects.update(created_at=long_ago)
    BulkOperation.objects.filter(pk=old.pk).update(ended_at=long_ago)
    assert remove_old_operations(now=timezone.now()) == 1
    assert BulkOperation.objects.get() == waiting
    assert BulkItem.objects.get().operation == waiting
    assert Batch.objects.filter(pk=batch.pk).exists()

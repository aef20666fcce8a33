"""Acts on many batches: what is shown before, what is put on record, what is done, by whom, and how often."""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from batches.errors import InvalidRequest, LostRace, NotFound
from batches.models import AuditEntry, Batch, BulkAct, BulkItem, BulkOperation, Event, Membership, Project, Role
from batches.services.access import Access, access_of
from batches.services.bulk.acts import VERBS, Obstacle
from batches.services.bulk.cancel import OperationEnded, cancel_rest
from batches.services.bulk.choice import matching, these
from batches.services.bulk.create import MoreThanShown, NotConfirmed, Order, TooMany, create
from batches.services.bulk.preview import preview
from batches.services.bulk.retry import NothingFailed, retry_failed
from batches.services.bulk.run import do_one, run, take, wake_unattended
from batches.services.retention import remove_old_operations
from batches.services.store import hide
from batches.states import BatchStatus, Source
from tests.conftest import Queue
from tests.console.conftest import MakeBatch, make_batch

__all__ = ["make_batch"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(operator: User) -> Access:
    """Somebody who may do everything."""
    return access_of(operator, source=Source.CONSOLE)


def member_of(*projects: Project, role: Role = Role.OPERATOR, name: str = "ada") -> Access:
    person = User.objects.get_or_create(username=name)[0]
    for project in projects:
        Membership.objects.create(user=person, project=project, role=role)
    return access_of(person, source=Source.CONSOLE)


def ids(batches: Sequence[Batch]) -> list[str]:
    return [str(batch) for batch in batches]


def order(act: BulkAct = BulkAct.CANCEL, *, shown: int = 99, **more: Any) -> Order:
    defaults: dict[str, Any] = {"reason": "A wrong prompt", "token": uuid.uuid4(), "created_before": timezone.now()}
    return Order(act=act, shown=shown, **(defaults | more))


def ordered(by: Access, batches: Sequence[Batch], act: BulkAct = BulkAct.CANCEL, **more: Any) -> BulkOperation:
    return create(these(by, ids(batches)), order(act, **more), by=by, now=timezone.now())


def done(operation: BulkOperation) -> BulkOperation:
    """The operation after a worker's turn."""
    run(operation.pk, now=timezone.now())
    operation.refresh_from_db()
    return operation


def outcomes(operation: BulkOperation) -> dict[uuid.UUID, tuple[str, str]]:
    return {item.batch_id: (item.status, item.note) for item in operation.items.all()}


def counts(operation: BulkOperation) -> tuple[int, int, int, int]:
    operation.refresh_from_db()
    return operation.total, operation.done, operation.skipped, operation.failed


# --- Looked at beforehand --------------------------------------------------------------------------------------


def test_a_preview_says_how_many_and_why_not_the_others(root: Access, make_batch: MakeBatch) -> None:
    running = [make_batch(BatchStatus.IN_PROGRESS, pending=1), make_batch(BatchStatus.VALIDATING)]
    for status in (BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.CANCELLING, BatchStatus.FINALIZING):
        make_batch(status)
    now = timezone.now()
    shown = preview(matching(root, "", now=now), act=BulkAct.CANCEL, parameters={}, by=root, now=now)
    assert shown.eligible == 2
    assert {reason.obstacle: reason.count for reason in shown.left} == {
        Obstacle.ENDED: 2,
        Obstacle.CANCELLING: 1,
        Obstacle.FINALIZING: 1,
    }
    assert list(shown.sample) == running[::-1]
    assert (shown.query, shown.chosen) == ("view=all", ())
    assert not BulkOperation.objects.exists()


def states(make_batch: MakeBatch) -> list[Batch]:
    """A batch in every state that some act minds."""
    found = [make_batch(status, succeeded=1) for status in BatchStatus]
    found += [make_batch(status, failed=1) for status in (BatchStatus.IN_PROGRESS, BatchStatus.COMPLETED, BatchStatus.CANCELLED)]
    paused = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    gone = make_batch(BatchStatus.COMPLETED, failed=1)
    important = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    Batch.objects.filter(pk=paused.pk).update(paused_at=timezone.now())
    Batch.objects.filter(pk=important.pk).update(priority=7)
    assert gone.input_file is not None
    hide(gone.input_file, now=timezone.now())
    return [*found, paused, gone, important]


@pytest.mark.parametrize("act", BulkAct)
def test_what_is_said_to_be_possible_is_done_and_the_rest_is_left_alone(
    root: Access, make_batch: MakeBatch, act: BulkAct
) -> None:
    batches = states(make_batch)
    parameters = {"priority": 7} if act == BulkAct.REPRIORITISE else {}
    now = timezone.now()
    shown = preview(these(root, ids(batches)), act=act, parameters=parameters, by=root, now=now)
    assert 0 < shown.eligible < shown.matched == len(batches)
    operation = done(ordered(root, batches, act, parameters=parameters))
    assert counts(operation) == (len(batches), shown.eligible, len(batches) - shown.eligible, 0)
    for status, note in outcomes(operation).values():
        assert status == "done" or note.rstrip(".").lower() in {obstacle.label.lower() for obstacle in Obstacle}


def test_every_act_has_a_verb() -> None:
    assert set(VERBS) == set(BulkAct)


def test_rows_of_ones_own_projects_are_seen_and_acted_on_by_role(
    project: Project, other_project: Project, make_batch: MakeBatch
) -> None:
    own, foreign = (
        make_batch(BatchStatus.IN_PROGRESS, pending=1),
        make_batch(BatchStatus.IN_PROGRESS, pending=1, of=other_project),
    )
    member_of(project)
    somebody = member_of(other_project, role=Role.VIEWER)
    now = timezone.now()
    shown = preview(matching(somebody, "", now=now), act=BulkAct.PAUSE, parameters={}, by=somebody, now=now)
    assert (shown.eligible, list(shown.sample)) == (1, [own])
    assert [(reason.obstacle, reason.count) for reason in shown.left] == [(Obstacle.NOT_PERMITTED, 1)]
    operation = done(ordered(somebody, [own, foreign], BulkAct.PAUSE))
    assert {pk: status for pk, (status, _) in outcomes(operation).items()} == {own.pk: "done", foreign.pk: "skipped"}
    refused = AuditEntry.objects.get(outcome="refused")
    assert (refused.act, refused.actor) == ("bulk_pause", "user ada")


def test_what_others_have_is_not_there(project: Project, other_project: Project, make_batch: MakeBatch) -> None:
    foreign = make_batch(BatchStatus.IN_PROGRESS, pending=1, of=other_project)
    somebody, now = member_of(project), timezone.now()
    shown = preview(these(somebody, [str(foreign)]), act=BulkAct.CANCEL, parameters={}, by=somebody, now=now)
    assert (shown.eligible, shown.matched, shown.missing) == (0, 0, 1)
    assert counts(ordered(somebody, [foreign])) == (0, 0, 0, 0)


def test_a_preview_asks_as_much_of_many_as_of_few(
    root: Access, make_batch: MakeBatch, django_assert_max_num_queries: Any
) -> None:
    for _ in range(12):
        make_batch(BatchStatus.IN_PROGRESS, pending=1)
        now = timezone.now()
        with django_assert_max_num_queries(3):
            preview(matching(root, "", now=now), act=BulkAct.RETRY, parameters={}, by=root, now=now)


# --- Chosen ----------------------------------------------------------------------------------------------------


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


# --- Put on record ---------------------------------------------------------------------------------------------


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
    with pytest.raises(InvalidRequest, match="somebody else"):
        create(these(ada, [str(batch)]), twice, by=ada, now=timezone.now())


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_the_same_moment_are_one_operation(root: Access, make_batch: MakeBatch) -> None:
    batches = [make_batch(BatchStatus.IN_PROGRESS, pending=1) for _ in range(3)]
    twice, start, found = order(), Barrier(2), []

    def click() -> None:
        start.wait()
        try:
            found.append(create(these(root, ids(batches)), twice, by=root, now=timezone.now()).pk)
        finally:
            connection.close()

    clicks = [Thread(target=click) for _ in range(2)]
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
    with pytest.raises(MoreThanShown, match="shown 2"):
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


# --- Done ------------------------------------------------------------------------------------------------------


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
    assert outcomes(done(second)) == {batch.pk: ("skipped", "Being cancelled already.")}
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
    assert outcomes(done(operation)) == {batch.pk: ("skipped", "Not permitted: it takes an operator of the project.")}
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


# --- Workers ---------------------------------------------------------------------------------------------------


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

"""Moving a batch along its lifecycle: one edge, one winner, one entry in the timeline."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, BatchError, BatchObject, Event, Project, Slice
from batches.rules.errors import LostRace
from batches.rules.states import MOVES, STAMPS, TERMINAL, BatchStatus
from batches.services.control.cancel import NotCancellable, cancel
from batches.services.core.transition import transition
from batches.services.lifecycle.expire import expire
from batches.services.lifecycle.fail import fail
from batches.services.lifecycle.validate import validate
from providers.failures import Kind
from providers.models import Provider
from tests.cast import TESTER, ended, error_lines, request_line, request_lines, started, statuses, submitted

pytestmark = pytest.mark.django_db

PATHS: dict[BatchStatus, tuple[BatchStatus, ...]] = {
    BatchStatus.VALIDATING: (),
    BatchStatus.IN_PROGRESS: (BatchStatus.IN_PROGRESS,),
    BatchStatus.FINALIZING: (BatchStatus.IN_PROGRESS, BatchStatus.FINALIZING),
    BatchStatus.CANCELLING: (BatchStatus.CANCELLING,),
    BatchStatus.COMPLETED: (BatchStatus.IN_PROGRESS, BatchStatus.FINALIZING, BatchStatus.COMPLETED),
    BatchStatus.FAILED: (BatchStatus.FAILED,),
    BatchStatus.EXPIRED: (BatchStatus.EXPIRED,),
    BatchStatus.CANCELLED: (BatchStatus.CANCELLING, BatchStatus.CANCELLED),
}


@pytest.fixture
def batch(project: Project, simulator: Provider) -> Batch:
    return submitted(project, request_lines(3))


def move(batch: Batch, to: BatchStatus, **more: Any) -> Batch:
    return transition(batch, to, actor=TESTER, now=timezone.now(), **more)


def brought_to(batch: Batch, status: BatchStatus) -> Batch:
    for step in PATHS[status]:
        batch = move(batch, step)
    return batch


def test_a_move_is_stamped_counted_and_told(batch: Batch) -> None:
    now = timezone.now() + timedelta(seconds=5)
    moved = transition(batch, BatchStatus.IN_PROGRESS, actor=TESTER, now=now, note="because", model="m-1")
    assert moved is batch
    assert (moved.status, moved.in_progress_at, moved.updated_at, moved.version, moved.model) == (
        "in_progress",
        now,
        now,
        2,
        "m-1",
    )
    event = Event.objects.filter(batch=batch).last()
    assert event is not None
    assert (event.from_status, event.to_status, event.version) == ("validating", "in_progress", 2)
    assert (event.actor, event.source, event.note, event.created_at) == ("tester", "api", "because", now)


@pytest.mark.parametrize("origin", BatchStatus)
def test_every_edge_of_the_lifecycle_can_be_taken_and_no_other(batch: Batch, origin: BatchStatus) -> None:
    batch = brought_to(batch, origin)
    for to in BatchStatus:
        with transaction.atomic():
            moving = batch_of(batch)
            if to in MOVES[origin]:
                moved = move(moving, to)
                assert getattr(moved, STAMPS[to]) is not None
                assert (moved.ended_at is not None) == (to in TERMINAL)
            else:
                with pytest.raises(AssertionError, match="no edge"):
                    move(moving, to)
            transaction.set_rollback(True)


def test_whoever_loses_the_race_is_told_and_writes_nothing(batch: Batch) -> None:
    late = Batch.objects.get(pk=batch.pk)
    move(batch, BatchStatus.CANCELLING)
    before = Batch.objects.filter(pk=batch.pk).values().get()
    with pytest.raises(LostRace):
        move(late, BatchStatus.IN_PROGRESS, model="other")
    assert Batch.objects.filter(pk=batch.pk).values().get() == before
    assert Event.objects.filter(batch=batch).count() == 2


def test_an_end_forgets_what_held_the_batch_back(batch: Batch) -> None:
    Batch.objects.filter(pk=batch.pk).update(throttled_until=timezone.now(), throttled_reason="slow")
    done = brought_to(batch, BatchStatus.COMPLETED)
    assert (done.throttled_until, done.throttled_reason) == (None, "")


@pytest.mark.parametrize("status", BatchStatus)
def test_cancel_in_every_status(batch: Batch, status: BatchStatus) -> None:
    batch = brought_to(batch, status)
    version = batch.version
    if status is BatchStatus.CANCELLING:
        assert cancel(batch, actor=TESTER, now=timezone.now()).version == version, "unchanged"
    elif BatchStatus.CANCELLING in MOVES[status]:
        assert cancel(batch, actor=TESTER, now=timezone.now()).status == "cancelling"
    else:
        with pytest.raises(NotCancellable, match=status.value):
            cancel(batch, actor=TESTER, now=timezone.now())
        assert Batch.objects.get(pk=batch.pk).version == version


def test_a_cancel_that_loses_a_race_looks_again(batch: Batch) -> None:
    late = Batch.objects.get(pk=batch.pk)
    move(batch, BatchStatus.IN_PROGRESS)
    assert cancel(late, actor=TESTER, now=timezone.now()).status == "cancelling"
    ended_meanwhile = Batch.objects.get(pk=batch.pk)
    ended_meanwhile.status = BatchStatus.IN_PROGRESS
    move(batch_of(batch), BatchStatus.CANCELLED)
    with pytest.raises(NotCancellable, match="cancelled"):
        cancel(ended_meanwhile, actor=TESTER, now=timezone.now())


def batch_of(batch: Batch) -> Batch:
    return Batch.objects.get(pk=batch.pk)


@pytest.mark.parametrize("status", BatchStatus)
def test_expire_in_every_status(batch: Batch, status: BatchStatus) -> None:
    batch = brought_to(batch, status)
    if status is BatchStatus.VALIDATING:
        assert expire(batch, actor=TESTER, now=timezone.now()).status == "expired"
    elif status is BatchStatus.IN_PROGRESS:
        assert expire(batch, actor=TESTER, now=timezone.now()).status == "finalizing"
    else:
        with pytest.raises(AssertionError, match="no edge"):
            expire(batch, actor=TESTER, now=timezone.now())


def test_a_batch_that_expires_while_it_is_validated_leaves_nothing_laid_out(batch: Batch, settings: Settings) -> None:
    settings.SLICE_LINES = 1
    validate(batch.id, now=timezone.now())
    Batch.objects.filter(pk=batch.pk).update(status="validating", in_progress_at=None)  # as its validator would be half way
    assert BatchObject.objects.filter(batch=batch).exists()
    expire(batch_of(batch), actor=TESTER, now=timezone.now())
    assert not BatchObject.objects.filter(batch=batch).exists()
    assert not Slice.objects.filter(batch=batch).exists()
    assert batch_of(batch).total == 0


def test_a_batch_that_fails_as_a_whole_fails_what_has_not_run(project: Project, simulator: Provider) -> None:
    batch = started(project, request_lines(3))
    message = "The account is closed. " * 200
    fail(batch, kind=Kind.PORTAL, message=message, actor=TESTER, now=timezone.now())
    reason = BatchError.objects.get(batch=batch)
    assert (reason.line, reason.code, reason.kind, reason.source) == (None, "portal_error", "portal_error", "portal")
    batch = ended(batch)
    assert (batch.status, batch.failed, batch.output_file) == ("failed", 3, None)
    assert set(statuses(batch).values()) == {"failed"}
    assert {line["error"]["code"] for line in error_lines(batch)} == {"portal_error"}
    assert all(line["error"]["message"].startswith("The account is closed.") for line in error_lines(batch))


def test_a_failure_that_comes_too_late_is_not_recorded(project: Project, simulator: Provider) -> None:
    late = started(project, request_line("a"))
    cancel(batch_of(late), actor=TESTER, now=timezone.now())
    with pytest.raises(LostRace):
        fail(late, kind=Kind.PORTAL, message="x", actor=TESTER, now=timezone.now())
    assert not BatchError.objects.exists()

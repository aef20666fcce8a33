"""Pausing and resuming: a condition of a batch that is not over, told in its timeline."""

from datetime import timedelta

import pytest
from django.utils import timezone

from batches.models import Batch, Project
from batches.rules.actors import GUARD
from batches.rules.states import Act, BatchStatus
from batches.services.control.cancel import cancel
from batches.services.control.pause import pause, resume
from batches.services.core.amend import NotRunning
from batches.services.lifecycle.validate import validate
from tests.cast import TESTER, ended, request_lines, started, submitted

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]


@pytest.fixture
def batch(project: Project) -> Batch:
    return started(project, request_lines(3))


def test_a_batch_is_paused_by_somebody_for_a_reason(batch: Batch) -> None:
    now = timezone.now()
    paused = pause(batch, actor=TESTER, now=now, reason="Too dear.")
    assert paused.is_paused
    assert (paused.paused_at, paused.paused_by, paused.paused_reason) == (now, "tester", "Too dear.")
    assert (paused.status, paused.version, paused.updated_at) == ("in_progress", 3, now)
    event = paused.events.last()
    assert event is not None
    assert (event.act, event.from_status, event.to_status, event.version) == ("paused", "in_progress", "in_progress", 3)
    assert (event.actor, event.source, event.note, event.created_at) == ("tester", "api", "Too dear.", now)


def test_pausing_twice_changes_nothing(batch: Batch) -> None:
    pause(batch, actor=TESTER, now=timezone.now(), reason="First.")
    again = pause(Batch.objects.get(pk=batch.pk), actor=TESTER, now=timezone.now(), reason="Second.")
    assert (again.paused_reason, again.version) == ("First.", 3)
    assert again.events.filter(act=Act.PAUSED).count() == 1


def test_two_who_pause_at_once_leave_one_event(batch: Batch) -> None:
    stale = Batch.objects.get(pk=batch.pk)
    pause(batch, actor=TESTER, now=timezone.now(), reason="First.")
    assert pause(stale, actor=TESTER, now=timezone.now(), reason="Second.").paused_reason == "First."
    assert stale.events.filter(act=Act.PAUSED).count() == 1


def test_a_guard_leaves_an_event_of_its_own(batch: Batch) -> None:
    pause(batch, actor=GUARD, now=timezone.now(), reason="Over its budget.", act=Act.GUARDED)
    event = batch.events.last()
    assert event is not None
    assert (event.act, event.actor) == ("guarded", "guard")
    assert batch.is_paused


def test_a_batch_that_is_resumed_is_as_it_was(batch: Batch) -> None:
    pause(batch, actor=TESTER, now=timezone.now(), reason="Wait.")
    later = timezone.now() + timedelta(minutes=1)
    resumed = resume(batch, actor=TESTER, now=later, reason="Go on.")
    assert not resumed.is_paused
    assert (resumed.paused_at, resumed.paused_by, resumed.paused_reason) == (None, "", "")
    assert [event.act for event in resumed.events.all()][-2:] == ["paused", "resumed"]
    again = resume(resumed, actor=TESTER, now=later)
    assert again.version == resumed.version
    assert again.events.filter(act=Act.RESUMED).count() == 1


def test_resuming_acknowledges_what_has_settled(batch: Batch) -> None:
    batch.slices.update(pending=0, succeeded=1, failed=2)
    pause(batch, actor=GUARD, now=timezone.now(), act=Act.GUARDED)
    resumed = resume(batch, actor=TESTER, now=timezone.now())
    assert (resumed.acknowledged_settled, resumed.acknowledged_failed) == (3, 2)


def test_a_batch_paused_before_its_validation_starts_paused(project: Project) -> None:
    batch = submitted(project, request_lines(3))
    pause(batch, actor=TESTER, now=timezone.now())
    assert not batch.is_paused, "it does not run yet"
    validate(batch.id, now=timezone.now())
    batch.refresh_from_db()
    assert batch.status == BatchStatus.IN_PROGRESS
    assert batch.is_paused


def test_a_paused_batch_can_be_cancelled_and_is_no_longer_paused_when_it_has_ended(batch: Batch) -> None:
    pause(batch, actor=TESTER, now=timezone.now(), reason="Wait.")
    cancel(batch, actor=TESTER, now=timezone.now())
    over = ended(batch)
    assert (over.status, over.paused_at, over.paused_reason) == ("cancelled", None, "")


@pytest.mark.parametrize("verb", [pause, resume])
def test_a_batch_that_is_over_or_winding_up_is_neither_paused_nor_resumed(batch: Batch, verb: type) -> None:
    cancel(batch, actor=TESTER, now=timezone.now())
    with pytest.raises(NotRunning, match="with status 'cancelling' cannot be"):
        verb(batch, actor=TESTER, now=timezone.now())
    with pytest.raises(NotRunning, match="with status 'cancelled' cannot be"):
        verb(ended(batch), actor=TESTER, now=timezone.now())


def test_a_batch_that_was_cancelled_meanwhile_is_not_paused(batch: Batch) -> None:
    stale = Batch.objects.get(pk=batch.pk)
    cancel(batch, actor=TESTER, now=timezone.now())
    with pytest.raises(NotRunning, match="cancelling"):
        pause(stale, actor=TESTER, now=timezone.now())
    assert not stale.events.filter(act=Act.PAUSED).exists()

"""Retrying in place: the failures of a batch that runs begin a new round; what succeeded is never sent again."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import Attempt, Batch, BatchError, BatchObject, BatchResult, Project, Slice
from batches.rules.errors import Conflict, InvalidRequest, LostRace, QuotaExceeded
from batches.rules.states import Act, BatchStatus
from batches.services.control.cancel import cancel
from batches.services.control.pause import pause
from batches.services.lifecycle.claim import Appetite, claim
from batches.services.lifecycle.expire import expire
from batches.services.lifecycle.settle import Report, settle
from batches.services.retry.child import NothingToRetry
from batches.services.retry.lineage import lineage
from batches.services.retry.retry import SLICES_A_TRANSACTION, NotRetryable, Retried, RetryMode
from batches.services.retry.selection import EVERYTHING, MOST_LINES, Selection
from batches.services.tally.outcomes import Settled
from providers.base import Success
from tests.cast import TESTER, assert_counts_are_true, ended, pending, request_lines, started, submitted
from tests.rounds import again, at, failed, group_of, groups, run

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]

LINES = 8


@pytest.fixture
def batch(project: Project, settings: Settings) -> Batch:
    """Eight objects in three slices; none is settled."""
    settings.SLICE_LINES = 3
    return started(project, request_lines(LINES))


def test_what_failed_begins_a_new_round_and_nothing_else_does(batch: Batch) -> None:
    run(batch, odd={1, 4}, late={5}, keep={8})
    succeeded = list(BatchObject.objects.filter(batch=batch, status="succeeded").values())
    done = again(batch, reason="Fixed.")
    assert done == Retried(RetryMode.IN_PLACE, batch, 3, 0)
    for line in (1, 4, 5):
        fresh = BatchObject.objects.get(batch=batch, line=line)
        assert (fresh.status, fresh.round, fresh.attempts, fresh.settled_at) == ("pending", 2, 0, None)
        assert (fresh.http_status, fresh.latency_ms, fresh.kind, fresh.request_id) == (None, None, "", "")
    assert list(BatchObject.objects.filter(batch=batch, status="succeeded").values()) == succeeded
    assert_counts_are_true(batch)
    assert (batch.counts.pending, batch.counts.failed, batch.counts.succeeded) == (4, 0, 4)


def test_earlier_rounds_stay_as_history(batch: Batch) -> None:
    run(batch, odd={1}, keep={8})
    again(batch)
    run(batch, odd={1}, keep={8})
    again(batch)
    run(batch)
    rounds = BatchResult.objects.filter(batch=batch, line=1).order_by("round").values_list("round", "status")
    assert list(rounds) == [(1, "failed"), (2, "failed"), (3, "succeeded")]
    assert BatchError.objects.filter(batch=batch, line=1, retried_at__isnull=False).count() == 2
    over = ended(batch)
    assert (over.status, over.succeeded, over.failed) == ("completed", LINES, 0)
    assert_counts_are_true(batch)


def test_groups_count_what_was_not_sent_for_again(batch: Batch) -> None:
    run(batch, odd={1, 2, 7}, late={5}, keep={8})
    assert groups(batch) == {"odd": 3, "timeout": 1}
    again(batch, at(1, 2, 5))
    assert groups(batch) == {"odd": 1, "timeout": 0}
    run(batch, odd={1}, keep={8})
    assert groups(batch) == {"odd": 2, "timeout": 0}


def test_one_error_group_alone_can_be_retried(batch: Batch) -> None:
    run(batch, odd={1, 4, 7}, late={2, 5}, keep={8})
    assert again(batch, group_of(batch, "timeout")).retried == 2
    assert failed(batch) == {1, 4, 7}
    assert groups(batch) == {"odd": 3, "timeout": 0}


def test_an_object_that_failed_otherwise_before_is_of_its_latest_group(batch: Batch) -> None:
    run(batch, late={1}, keep={8})
    again(batch)
    run(batch, odd={1}, keep={8})
    with pytest.raises(NothingToRetry):
        again(batch, group_of(batch, "timeout"))
    assert again(batch, group_of(batch, "odd")).retried == 1


def test_of_selected_objects_only_those_that_failed_are_sent_again(batch: Batch) -> None:
    run(batch, odd={1, 4, 7}, keep={8})
    done = again(batch, at(1, 2, 8))
    assert (done.retried, done.skipped) == (1, 2)
    assert failed(batch) == {4, 7}
    assert_counts_are_true(batch)


def test_the_timeline_tells_how_many_and_why_however_many_transactions_it_takes(project: Project, settings: Settings) -> None:
    settings.SLICE_LINES = 1
    lines = 2 * SLICES_A_TRANSACTION + 1
    batch = started(project, request_lines(lines))
    run(batch, odd=set(range(1, lines)), keep={lines})
    before = Batch.objects.get(pk=batch.pk).version
    again(batch, reason="The prompt was wrong.")
    event = batch.events.get(act=Act.RETRIED)
    assert (event.note, event.actor) == (f"{lines - 1} objects in place. The prompt was wrong.", "tester")
    assert Batch.objects.get(pk=batch.pk).version == before + 1 == event.version
    assert_counts_are_true(batch)


def test_a_slice_that_is_leased_keeps_its_lease_and_is_leased_again_afterwards(batch: Batch) -> None:
    run(batch, odd={1}, keep={2, 3})
    lease, *_ = claim(executor=uuid.uuid4(), appetite=Appetite(100), now=timezone.now())
    again(batch)
    rows = [Settled(lease.piece.pk, batch.pk, line, 1, 1, 5, Success(200, b"{}", "req_ok")) for line in (2, 3)]
    receipt = settle(
        Report(batches={batch.pk: batch}, epochs={lease.piece.pk: lease.epoch}, settled=rows, done={lease.piece.pk: None}),
        now=timezone.now(),
    )
    assert not receipt.lost
    [following] = claim(executor=uuid.uuid4(), appetite=Appetite(100), now=timezone.now())
    assert [(item.line, item.round) for item in pending(following)] == [(1, 2)]
    assert_counts_are_true(batch)


def test_attempts_of_an_earlier_round_do_not_hold_the_next_one_back(batch: Batch) -> None:
    run(batch, odd={1}, keep={2})
    later = timezone.now() + timedelta(hours=1)
    Attempt.objects.create(
        batch=batch, line=1, round=1, number=1, kind="timeout", answered=True, latency_ms=1, retry_at=later, created_at=later
    )
    Slice.objects.filter(batch=batch, first_line=1).update(not_before=later)
    again(batch)
    [lease] = claim(executor=uuid.uuid4(), appetite=Appetite(100), now=timezone.now())
    assert [(item.line, item.round, item.failures, item.not_before) for item in pending(lease)] == [
        (1, 2, {}, None),
        (2, 1, {}, None),
    ]


def test_a_paused_batch_can_be_retried_and_stays_paused(batch: Batch) -> None:
    run(batch, odd={1}, keep={2})
    pause(batch, actor=TESTER, now=timezone.now())
    assert again(batch).batch.is_paused


def test_failures_that_a_resume_acknowledged_are_forgotten_with_their_retry(batch: Batch) -> None:
    run(batch, odd={1, 2}, keep={3})
    Batch.objects.filter(pk=batch.pk).update(acknowledged_settled=7, acknowledged_failed=1)
    batch = again(Batch.objects.get(pk=batch.pk)).batch
    assert (batch.acknowledged_settled, batch.acknowledged_failed) == (5, 0)


def test_a_second_click_finds_nothing_to_retry(batch: Batch) -> None:
    run(batch, odd={1}, keep={2})
    again(batch)
    with pytest.raises(NothingToRetry):
        again(batch)
    assert BatchObject.objects.get(batch=batch, line=1).round == 2


def test_another_provider_is_refused_in_favour_of_rerouting(batch: Batch) -> None:
    run(batch, odd={1}, keep={2})
    with pytest.raises(InvalidRequest, match="reroute it") as refused:
        again(batch, provider_name="simulator")
    assert refused.value.param == "provider"


def test_a_project_without_room_for_more_pending_objects_is_refused(batch: Batch, project: Project) -> None:
    run(batch, odd={1, 4}, keep={2})
    Project.objects.filter(pk=project.pk).update(max_pending_objects=2)
    with pytest.raises(QuotaExceeded):
        again(Batch.objects.get(pk=batch.pk))
    assert failed(batch) == {1, 4}
    assert_counts_are_true(batch)


def test_what_is_sent_again_takes_its_room_once(batch: Batch, project: Project) -> None:
    run(batch, odd={1, 4}, keep={2})
    Project.objects.filter(pk=project.pk).update(max_pending_objects=3)
    assert again(Batch.objects.get(pk=batch.pk)).retried == 2


@pytest.mark.parametrize("to", [BatchStatus.CANCELLING, BatchStatus.FINALIZING])
def test_a_batch_that_moved_on_meanwhile_is_left_as_it_is(batch: Batch, to: BatchStatus) -> None:
    run(batch, odd={1}, keep={2} if to == BatchStatus.CANCELLING else set())
    stale = Batch.objects.get(pk=batch.pk)
    act = cancel if to == BatchStatus.CANCELLING else expire
    act(batch, actor=TESTER, now=timezone.now())
    with pytest.raises(LostRace):
        again(stale)
    assert failed(batch) == {1}
    assert groups(batch) == {"odd": 1}
    assert not BatchError.objects.filter(retried_at__isnull=False).exists()
    with pytest.raises(NotRetryable, match=f"with status '{to}'"):
        again(batch)


def test_a_batch_that_is_still_validated_is_refused(project: Project) -> None:
    with pytest.raises(NotRetryable, match="validating"):
        again(submitted(project, request_lines(1)))


@pytest.fixture(params=["running", "over"])
def failing(batch: Batch, request: pytest.FixtureRequest) -> Batch:
    """A batch with failures, running or ended."""
    run(batch, odd={1}, keep={2})
    if request.param == "over":
        cancel(batch, actor=TESTER, now=timezone.now())
        ended(batch)
    return Batch.objects.get(pk=batch.pk)


@pytest.mark.parametrize(
    ("selection", "param", "message"),
    [
        (Selection(frozenset({"v1:unknown"})), "error_group", "No object of this batch failed"),
        (Selection(lines=frozenset()), "lines", "Name 1 to 1000 lines"),
        (Selection(lines=frozenset(range(1, MOST_LINES + 2))), "lines", "Name 1 to 1000 lines"),
        (at(1, 9), "lines", "no object at line 9"),
    ],
    ids=["group", "no line", "too many", "unknown line"],
)
def test_a_selection_that_the_batch_does_not_have_is_refused_by_name(
    failing: Batch, selection: Selection, param: str, message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message) as refused:
        again(failing, selection)
    assert refused.value.param == param
    assert BatchObject.objects.get(batch=failing, line=1).round == 1


def test_a_batch_without_failures_has_nothing_to_retry(batch: Batch) -> None:
    run(batch, keep={8})
    for lines in (EVERYTHING, at(1, 2)):
        with pytest.raises(NothingToRetry):
            again(batch, lines)
    run(batch)
    over = ended(batch)
    with pytest.raises(Conflict):
        again(over)
    assert lineage(over) == [over]


def test_who_saw_an_older_version_of_the_batch_sends_nothing(batch: Batch) -> None:
    run(batch, odd={1, 4})
    version = batch.version
    assert again(batch, at(1), version=version).retried == 1
    with pytest.raises(LostRace):
        again(Batch.objects.get(pk=batch.pk), at(4), version=version)
    assert failed(batch) == {4}
    assert_counts_are_true(batch)

"""A settled outcome is recorded once: under a valid lease, whatever is reported again."""

import uuid

import pytest
from django.utils import timezone

from batches.models import Attempt, Batch, BatchError, BatchResult, Slice
from batches.services.lifecycle.claim import Lease, claim
from batches.services.lifecycle.settle import Receipt
from providers.base import Failure
from providers.failures import Kind
from tests.cast import assert_counts_are_true, pending, statuses
from tests.services.lifecycle.conftest import BAD, EAGER, hand_in, settled, tried

pytestmark = pytest.mark.django_db


def test_a_failed_attempt_is_a_row_of_the_ledger_and_changes_no_object(batch: Batch, leases: list[Lease]) -> None:
    hand_in(leases[0], tried=[tried(leases[0], 1, 1), tried(leases[0], 1, 2, Failure(Kind.TIMEOUT, "Late"))])
    first, second = Attempt.objects.filter(batch=batch)
    assert (first.line, first.number, first.kind, first.answered) == (1, 1, "rate_limited", True)
    assert (first.http_status, first.code, first.message, first.retry_after) == (429, "slow", "Slow down", 7.5)
    assert (second.number, second.kind, second.answered, second.http_status) == (2, "timeout", False, None)
    assert set(statuses(batch).values()) == {"pending"}
    assert_counts_are_true(batch)


def test_the_next_executor_knows_what_was_tried(batch: Batch, leases: list[Lease]) -> None:
    lost = Failure(Kind.TIMEOUT, "Late")
    hand_in(leases[0], tried=[tried(leases[0], 1, 1), tried(leases[0], 1, 2, lost)], done={leases[0].piece.pk: None})
    [again] = claim(executor=uuid.uuid4(), appetite=EAGER, now=timezone.now())
    first, *others = pending(again)
    assert (first.line, first.failures, first.answered) == (1, {"rate_limited": 1, "timeout": 1}, 1)
    assert first.not_before == max(Attempt.objects.values_list("retry_at", flat=True))
    assert [(other.failures, other.answered, other.not_before) for other in others] == [({}, 0, None)] * 2


def test_what_comes_under_a_stale_lease_changes_nothing(batch: Batch, leases: list[Lease]) -> None:
    stale, fresh = leases
    Slice.objects.filter(pk=stale.piece.pk).update(lease_epoch=stale.epoch + 1)
    before = Slice.objects.filter(pk=stale.piece.pk).values().get()
    receipt = hand_in(
        stale,
        fresh,
        settled=[settled(stale, 1), settled(stale, 2, BAD), settled(fresh, 4)],
        tried=[tried(stale, 3, 1)],
        done={stale.piece.pk: None},
    )
    assert receipt == Receipt(lost=frozenset({stale.piece.pk}), dropped=2)
    assert Slice.objects.filter(pk=stale.piece.pk).values().get() == before
    assert [row.line for row in BatchResult.objects.all()] == [4]
    assert not Attempt.objects.exists()
    assert not BatchError.objects.exists()
    assert_counts_are_true(batch)


def test_a_slice_that_is_gone_is_lost(batch: Batch, leases: list[Lease]) -> None:
    Slice.objects.filter(pk=leases[0].piece.pk).delete()
    assert hand_in(leases[0], settled=[settled(leases[0], 1)]).lost == {leases[0].piece.pk}
    assert not BatchResult.objects.exists()


def test_the_same_report_twice_is_recorded_once(batch: Batch, leases: list[Lease]) -> None:
    """Its commit went through the first time, although the answer was lost."""
    first = [settled(leases[0], 1), settled(leases[0], 2, BAD)]
    attempts = [tried(leases[0], 3, 1)]
    hand_in(leases[0], settled=first, tried=attempts)
    more = [*first, settled(leases[0], 3)]
    hand_in(leases[0], settled=more, tried=[*attempts, tried(leases[0], 3, 2)], done={leases[0].piece.pk: None})
    assert [row.line for row in BatchResult.objects.all()] == [1, 2, 3]
    assert [row.number for row in Attempt.objects.all()] == [1, 2]
    assert BatchError.objects.count() == 1
    assert_counts_are_true(batch)


def test_a_repeated_report_of_attempts_alone_is_recorded_once(batch: Batch, leases: list[Lease]) -> None:
    for _ in range(2):
        hand_in(leases[0], tried=[tried(leases[0], 3, 1)])
    assert Attempt.objects.count() == 1


def test_a_result_is_never_replaced(batch: Batch, leases: list[Lease]) -> None:
    hand_in(leases[0], settled=[settled(leases[0], 1)])
    hand_in(leases[0], settled=[settled(leases[0], 1, BAD)])
    assert statuses(batch)["row-1"] == "succeeded"
    assert BatchResult.objects.get().status == "succeeded"

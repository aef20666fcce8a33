"""The outbox: what is handed in, in what portions, and what it counts."""

import uuid

import pytest
from pytest_django import Settings

from batches.engine.executor import outbox as module
from batches.engine.executor.outbox import Outbox
from batches.services.tally.outcomes import Settled
from providers.base import Success
from providers.budget import Budget

MINE, LOST = uuid.uuid4(), uuid.uuid4()


def settled(line: int, *, size: int = 10, piece: uuid.UUID = MINE) -> Settled:
    return Settled(piece, uuid.uuid4(), line, 1, 1, 5, Success(200, b"x" * size))


@pytest.fixture
def budget() -> Budget:
    return Budget(1000)


@pytest.fixture
def outbox(budget: Budget, monkeypatch: pytest.MonkeyPatch) -> Outbox:
    monkeypatch.setattr(module, "HAND_IN_BYTES", 100)
    return Outbox(budget)


def test_everything_small_is_handed_in_at_once(outbox: Outbox, budget: Budget) -> None:
    for line in range(9):
        outbox.add_settled(settled(line))
    taken = outbox.take()
    assert (len(taken.settled), taken.size, outbox.has_rows, budget.used) == (9, 90, False, 90)


def test_large_answers_are_handed_in_some_at_a_time_and_one_at_least(outbox: Outbox, budget: Budget) -> None:
    """E10: recording takes a few times the memory of what is recorded."""
    for line, size in enumerate((60, 30, 20, 500, 10)):
        outbox.add_settled(settled(line, size=size))
    portions = []
    while outbox.has_rows:
        taken = outbox.take()
        portions.append([item.line for item in taken.settled])
        outbox.has_handed_in(taken)
    assert portions == [[0, 1], [2], [3], [4]]


def test_what_is_left_over_keeps_its_slice(outbox: Outbox) -> None:
    """E10: a slice is let go of with its last answer."""
    outbox.add_settled(settled(1, size=90))
    outbox.add_settled(settled(2, size=90, piece=LOST))
    outbox.take()
    assert outbox.slices() == {LOST}


def test_what_was_not_recorded_comes_first_again(outbox: Outbox) -> None:
    for line in range(3):
        outbox.add_settled(settled(line, size=60))
    outbox.put_back(outbox.take())
    assert [item.line for item in outbox.take().settled] == [0]


def test_answers_of_a_lost_slice_are_forgotten(outbox: Outbox) -> None:
    """E1"""
    outbox.add_settled(settled(1))
    outbox.add_settled(settled(2, piece=LOST))
    outbox.forget(frozenset({LOST}))
    assert [item.line for item in outbox.take().settled] == [1]


def test_it_is_full_when_it_holds_too_much(budget: Budget, settings: Settings) -> None:
    settings.EXECUTOR_BUFFER_BYTES = 50
    outbox = Outbox(budget)
    outbox.add_settled(settled(1, size=50))
    assert not outbox.is_full
    outbox.add_settled(settled(2, size=1))
    assert outbox.is_full

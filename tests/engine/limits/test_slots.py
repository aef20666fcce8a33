"""How slots are divided among projects, and among the executors of each: tables, and what always holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.engine.limits.slots import MOST_OWED, SHARE_SECONDS, TURN_SECONDS, Claim, divide, kept_free
from tests.engine.limits.divided import Slots

PLENTY = 99


@pytest.mark.parametrize(
    ("slots", "wants", "parts"),
    [
        (10, [], []),
        (10, [3], [3]),
        (10, [PLENTY], [10]),
        (10, [PLENTY, PLENTY], [5, 5]),
        (9, [PLENTY, PLENTY], [5, 4]),
        (10, [2, PLENTY], [2, 8]),
        (10, [PLENTY, 0, PLENTY], [5, 0, 5]),
        (10, [1, 4, PLENTY], [1, 4, 5]),
        (10, [4, 4, PLENTY], [4, 3, 3]),
        (2, [5, 5, 5], [1, 1, 0]),
        (1, [5, 5], [1, 0]),
        (0, [5, 5], [0, 0]),
        (-3, [5], [0]),
    ],
)
def test_each_gets_what_it_wants_or_an_equal_part(slots: int, wants: list[int], parts: list[int]) -> None:
    assert divide(slots, wants) == parts


@given(st.integers(0, 300), st.lists(st.integers(0, 300), max_size=40))
def test_a_division_is_fair_and_leaves_nothing_that_is_wanted(slots: int, wants: list[int]) -> None:
    parts = divide(slots, wants)
    assert sum(parts) == min(slots, sum(wants))
    assert all(part <= want for part, want in zip(parts, wants, strict=True))
    short = [part for part, want in zip(parts, wants, strict=True) if part < want]
    assert all(max(parts, default=0) <= part + 1 for part in short), "who gets less than it wants has as much as any other"


@pytest.mark.parametrize(
    ("limit", "there", "projects", "kept"),
    [
        (10, 1, 2, 1),
        (10, 2, 3, 1),
        (10, 2, 2, 0),  # nobody else may come
        (10, 1, 1, 0),
        (256, 1, 2, 8),
        (2, 1, 2, 1),
        (2, 2, 3, 0),  # or one of the two would have none
        (10, 10, 20, 0),
        (1, 1, 2, 0),
        (1, 0, 2, 0),
    ],
)
def test_a_slot_is_kept_for_a_project_that_may_come(limit: int, there: int, projects: int, kept: int) -> None:
    assert kept_free(limit, there=there, projects=projects) == kept


def test_a_project_that_is_alone_leaves_a_slot_to_a_newcomer_which_has_it_at_once() -> None:
    slots = Slots()
    assert slots.ask(a=(0, PLENTY)) == {"a": 9}
    assert slots.ask(a=(9, PLENTY), b=(0, PLENTY)) == {"a": 5, "b": 1}
    assert slots.ask(a=(5, PLENTY), b=(1, PLENTY)) == {"a": 5, "b": 5}


def test_in_a_portal_of_one_project_it_has_all() -> None:
    assert Slots(projects=1).ask(a=(0, PLENTY)) == {"a": 10}


def test_calls_in_flight_are_waited_for_and_never_exceeded() -> None:
    slots = Slots()
    slots.ask(a=(9, PLENTY))
    for in_flight in (9, 8, 7, 6, 5):
        assert slots.ask(a=(in_flight, PLENTY), b=(10 - in_flight, PLENTY)) == {"a": 5, "b": min(10 - in_flight, 5)}


def test_who_wants_little_gets_it_and_the_others_share_the_rest() -> None:
    assert Slots(12, projects=3).ask(a=(0, PLENTY), b=(0, 2), c=(0, PLENTY)) == {"a": 5, "b": 2, "c": 5}


def test_a_slot_that_cannot_be_divided_goes_to_who_was_served_least() -> None:
    slots = Slots(9)
    assert slots.ask(a=(0, PLENTY), b=(0, PLENTY)) == {"a": 5, "b": 4}
    slots.after(2 * TURN_SECONDS)
    assert slots.ask(a=(4, PLENTY), b=(4, PLENTY)) == {"a": 4, "b": 5}


def test_what_its_own_faults_leave_a_project_is_another_projects() -> None:
    claims = {"a": Claim(0, PLENTY, most=2), "b": Claim(0, PLENTY, most=10)}
    assert Slots().claim("x", claims) == {"a": 2, "b": 8}


class TestOneSlot:
    """What happens with one slot: the projects take turns, of a second at least, as long as their calls."""

    def test_nothing_is_kept_free(self) -> None:
        assert Slots(1).ask(a=(0, PLENTY)) == {"a": 1}

    def test_a_newcomer_waits_for_the_call_in_flight_and_is_next(self) -> None:
        slots = Slots(1)
        slots.ask(a=(0, PLENTY))
        slots.after(30.0)
        assert slots.ask(a=(1, PLENTY), b=(0, PLENTY)) == {"a": 0, "b": 0}
        assert slots.ask(a=(0, PLENTY), b=(0, PLENTY)) == {"a": 0, "b": 1}

    def test_short_calls_take_turns_by_the_second(self) -> None:
        slots, turns = Slots(1), ""
        flying = {"a": 0, "b": 0}
        for _ in range(100):
            granted = slots.ask(**{name: (count, PLENTY) for name, count in flying.items()})
            flying = granted
            turns += "".join(name for name in "ab" if granted[name]) or "-"
            slots.after(0.25)
        assert turns.count("a") == pytest.approx(turns.count("b"), abs=8)
        assert "aaaaaaaaaaaaaaaaa" not in turns

    def test_who_had_a_long_call_waits_until_the_other_had_as_much(self) -> None:
        slots = Slots(1)
        slots.ask(a=(0, 1), b=(0, 1))
        slots.after(100.0)
        had = 0.0
        while slots.ask(a=(0, 1), b=(0, 1)) == {"a": 0, "b": 1}:
            slots.after(10.0)
            had += 10.0
        assert 90.0 <= had <= 120.0


def test_nobody_owes_more_than_the_longest_call() -> None:
    slots = Slots(1)
    slots.ask(a=(1, 1), b=(0, 1))
    slots.after(100_000.0)
    assert slots.holdings["a"].served == MOST_OWED


# --- Executors of one project --------------------------------------------------------------------------------------


class Shares:
    """The slots of one project, which is alone."""

    def __init__(self, *, capacity: int = 256) -> None:
        self.slots = Slots(projects=1, capacity=capacity)

    def ask(self, executor: str, *, wanted: int, in_flight: int = 0, limit: int = 10, now: float = 0.0) -> int:
        self.slots.limit, self.slots.now = limit, now
        return self.slots.ask(executor, a=(in_flight, wanted))["a"]


def test_a_lone_executor_gets_what_it_wants_up_to_the_limit() -> None:
    shares = Shares()
    assert [shares.ask("x", wanted=wanted) for wanted in (0, 3, 10, PLENTY)] == [0, 3, 10, 10]


def test_another_executor_waits_until_the_first_has_given_back_half() -> None:
    shares = Shares()
    assert shares.ask("x", wanted=50) == 10
    assert shares.ask("y", wanted=50) == 0
    assert shares.ask("x", wanted=50, in_flight=10) == 5
    assert shares.ask("y", wanted=50) == 0, "the other still has ten in flight"
    assert shares.ask("x", wanted=50, in_flight=5) == 5
    assert shares.ask("y", wanted=50) == 5


def test_what_one_does_not_want_another_may_have() -> None:
    shares = Shares()
    assert shares.ask("x", wanted=2) == 2
    assert shares.ask("y", wanted=50) == 8
    assert shares.ask("x", wanted=0) == 0
    assert shares.ask("y", wanted=50, in_flight=8) == 10


def test_an_executor_that_wants_nothing_more_still_uses_what_it_may_be_sending() -> None:
    shares = Shares()
    shares.ask("x", wanted=10)
    assert shares.ask("x", wanted=0, in_flight=10) == 0
    assert shares.ask("y", wanted=10) == 0
    shares.ask("x", wanted=0)
    assert shares.ask("y", wanted=10) == 10


def test_more_executors_than_slots_still_get_on() -> None:
    shares = Shares()
    assert [shares.ask(executor, wanted=5, limit=1) for executor in "xyz"] == [1, 0, 0]
    assert shares.ask("x", wanted=5, in_flight=1, limit=1) == 1
    shares.ask("x", wanted=0, limit=1)
    assert shares.ask("y", wanted=5, limit=1) == 1


def test_a_dead_executors_share_is_free_soon() -> None:
    shares = Shares()
    assert shares.ask("x", wanted=10) == 10
    assert shares.ask("y", wanted=10, now=SHARE_SECONDS - 0.1) == 0
    assert shares.ask("y", wanted=10, now=SHARE_SECONDS + 0.1) == 10


def test_an_executor_keeps_no_more_in_flight_than_it_can_and_divides_that_too() -> None:
    assert Shares(capacity=4).ask("x", wanted=50) == 4
    assert Slots(100, projects=2, capacity=8).ask(a=(0, PLENTY), b=(0, PLENTY)) == {"a": 4, "b": 4}
    assert Slots(100, projects=3, capacity=8).ask(a=(0, PLENTY)) == {"a": 7}, "a newcomer finds a slot at each executor"

"""How many requests a provider gets at a time: adapted to what it takes, and shared among executors."""

import random

import pytest

from batches.engine.limits.concurrency import SHARE_SECONDS, Adaptive, Share, share

Report = tuple[float, int, int]  # when, answers, of which turned away
PLENTY = 99


def after(*reports: Report, limit: int = 100) -> int:
    """What is allowed after these reports."""
    adaptive, allowed = Adaptive(), limit
    for now, answers, turned_away in reports:
        allowed = adaptive.note(answers=answers, turned_away=turned_away, drained=False, limit=limit, now=now)
    return allowed


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([], 100),
        ([(10.0, 1, 1)], 100),
        ([(10.0, 1, 1), (11.0, 0, 0)], 100),
        ([(10.0, 100, 10)], 100),
        ([(10.0, 100, 11)], 70),
        ([(10.0, 50, 6), (10.2, 50, 6)], 70),
        ([(10.0, 1000, 100)], 100),
        ([(10.0, 1000, 101)], 70),
        ([(10.0, 11, 11)], 70),
        ([(10.0, 5, 5), (11.1, 0, 0)], 70),
        ([(10.0, 5, 4), (11.1, 0, 0)], 100),
        ([(10.0, 100, 50), (10.5, 100, 50)], 70),
        ([(10.0, 100, 50), (11.1, 100, 50)], 49),
        ([(10.0, 100, 50), (11.1, 100, 0)], 75),
        ([(10.0, 100, 50), (11.1, 0, 0)], 70),
        ([(10.0, 100, 50), (11.1, 10, 0), (11.5, 10, 0), (12.2, 10, 0)], 80),
        ([(10.0, 100, 11), (11.0, 100, 5), (12.0, 100, 5)], 80),
        ([(float(second), 100, 100) for second in range(60)], 1),
        ([(0.0, 100, 100), *((float(second), 1, 0) for second in range(1, 60))], 100),
    ],
)
def test_it_falls_and_rises_by_the_rules(reports: list[Report], expected: int) -> None:
    assert after(*reports) == expected


def test_it_falls_when_headers_say_that_nothing_is_left() -> None:
    adaptive = Adaptive()
    assert adaptive.note(answers=1, turned_away=0, drained=True, limit=100, now=5.0) == 70


def test_a_lower_limit_holds_at_once_and_a_higher_one_when_nothing_was_turned_away() -> None:
    adaptive = Adaptive()
    allowed = [adaptive.note(answers=1, turned_away=0, drained=False, limit=limit, now=5.0) for limit in (100, 10, 200)]
    assert allowed == [100, 10, 200]


# --- Shares --------------------------------------------------------------------------------------------------


class Shares:
    """The shares of one provider."""

    def __init__(self) -> None:
        self.shares: dict[str, Share] = {}

    def ask(self, executor: str, *, wanted: int, in_flight: int = 0, limit: int = 10, now: float = 0.0) -> int:
        return share(self.shares, executor, wanted=wanted, in_flight=in_flight, limit=limit, now=now)


def test_a_lone_executor_gets_what_it_wants_up_to_the_limit() -> None:
    shares = Shares()
    assert [shares.ask("a", wanted=wanted) for wanted in (0, 3, 10, PLENTY)] == [0, 3, 10, 10]


def test_a_newcomer_waits_until_the_other_has_given_back_half() -> None:
    shares = Shares()
    assert shares.ask("a", wanted=50) == 10
    assert shares.ask("b", wanted=50) == 0
    assert shares.ask("a", wanted=50, in_flight=10) == 5
    assert shares.ask("b", wanted=50) == 0, "the other still has ten in flight"
    assert shares.ask("a", wanted=50, in_flight=5) == 5
    assert shares.ask("b", wanted=50) == 5


def test_what_one_does_not_want_another_may_have() -> None:
    shares = Shares()
    assert shares.ask("a", wanted=2) == 2
    assert shares.ask("b", wanted=50) == 8
    assert shares.ask("a", wanted=0) == 0
    assert shares.ask("b", wanted=50, in_flight=8) == 10


def test_an_executor_that_wants_nothing_more_still_uses_what_it_may_be_sending() -> None:
    shares = Shares()
    shares.ask("a", wanted=10)
    assert shares.ask("a", wanted=0, in_flight=10) == 0
    assert shares.ask("b", wanted=10) == 0
    shares.ask("a", wanted=0)
    assert shares.ask("b", wanted=10) == 10


def test_more_executors_than_places_still_get_on() -> None:
    shares = Shares()
    assert [shares.ask(executor, wanted=5, limit=1) for executor in "abc"] == [1, 0, 0]
    assert shares.ask("a", wanted=5, in_flight=1, limit=1) == 1
    shares.ask("a", wanted=0, limit=1)
    assert shares.ask("b", wanted=5, limit=1) == 1


def test_a_dead_executors_share_is_free_soon() -> None:
    shares = Shares()
    assert shares.ask("a", wanted=10) == 10
    assert shares.ask("b", wanted=10, now=SHARE_SECONDS - 0.1) == 0
    assert shares.ask("b", wanted=10, now=SHARE_SECONDS + 0.1) == 10


@pytest.mark.parametrize("seed", range(20))
def test_together_they_never_have_more_in_flight_than_the_limit(seed: int) -> None:
    chance, shares = random.Random(seed), Shares()
    limit = chance.randint(1, 12)
    granted, flying = dict.fromkeys("abc", 0), dict.fromkeys("abc", 0)
    for _ in range(500):
        executor = chance.choice("abc")
        # What is in flight changes at any time, up to what was granted last; the executor says what it may have meanwhile.
        flying[executor] = chance.randint(0, granted[executor]) if granted[executor] else flying[executor] // 2
        may_be = max(flying[executor], granted[executor])
        wanted = max(chance.choice((0, 1, 5, 50)), flying[executor])
        granted[executor] = shares.ask(executor, wanted=wanted, in_flight=may_be, limit=limit)
        assert sum(max(flying[one], granted[one]) for one in granted) <= limit

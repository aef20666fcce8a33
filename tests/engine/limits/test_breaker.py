"""The circuit breaker, as a table of what is reported and what follows."""

import pytest

from batches.engine.limits.blame import PROBE_SECONDS, Vote
from batches.engine.limits.breaker import (
    CALM_SECONDS,
    FAILURES,
    FAULTS,
    MAX_OPEN_SECONDS,
    OPEN_SECONDS,
    Breaker,
    Broken,
    is_own_fault,
)
from providers.failures import Kind, Source

DOWN = Kind.CONNECT


def broken(*, at: float = 100.0) -> Breaker:
    breaker = Breaker()
    note(breaker, FAILURES, at=at)
    return breaker


def note(breaker: Breaker, failures: int, *, at: float, lived: bool = False, executor: str = "a") -> None:
    breaker.note(executor, lived=lived, failures=failures, kind=DOWN.value if failures else "", now=at)


@pytest.mark.parametrize(
    ("reports", "opens"),
    [
        ([(False, FAILURES)], True),
        ([(False, FAILURES - 1)], False),
        ([(False, 5)] * 4, True),
        ([(False, 15), (True, 0), (False, 15)], False),
        ([(False, 15), (True, 15), (False, 4)], False),
        ([(True, FAILURES)], True),
        ([(True, 1)] * 100, False),
        ([(True, 0)], False),
        ([(False, 0)], False),
    ],
)
def test_it_opens_after_so_many_failures_in_a_row_over_all_reports(reports: list[tuple[bool, int]], opens: bool) -> None:
    breaker = Breaker()
    for number, (lived, failures) in enumerate(reports):
        note(breaker, failures, at=100 + number / 10, lived=lived, executor="ab"[number % 2])
    assert (breaker.until is not None) is opens


def test_a_half_open_breaker_lets_one_probe_through_over_all_executors() -> None:
    breaker = broken()
    assert breaker.until == 101.0
    asked = [(executor, breaker.lets_probe(executor, in_flight=0, now=101.5)) for executor in "abc"]
    assert asked == [("a", True), ("b", False), ("c", False)]


@pytest.mark.parametrize(("in_flight", "again"), [(1, False), (0, True)])
def test_the_prober_gets_another_only_when_it_has_not_sent_the_first(in_flight: int, again: bool) -> None:
    breaker = broken()
    assert breaker.lets_probe("a", in_flight=0, now=101.5)
    assert breaker.lets_probe("a", in_flight=in_flight, now=102.0) is again
    assert not breaker.lets_probe("b", in_flight=0, now=101.9 + PROBE_SECONDS), "it is heard of"


def test_the_probe_of_an_executor_that_is_gone_becomes_anothers() -> None:
    breaker = broken()
    assert breaker.lets_probe("a", in_flight=0, now=101.5)
    assert not breaker.lets_probe("b", in_flight=0, now=101.4 + PROBE_SECONDS)
    assert breaker.lets_probe("b", in_flight=0, now=101.6 + PROBE_SECONDS)


def test_a_successful_probe_closes_it() -> None:
    breaker = broken()
    breaker.lets_probe("a", in_flight=0, now=101.5)
    note(breaker, 0, at=101.7, lived=True)
    assert breaker.until is None
    note(breaker, FAILURES - 1, at=102)
    assert breaker.until is None, "it counts from nothing again"


def test_a_failed_probe_opens_it_for_twice_as_long_up_to_a_minute() -> None:
    breaker, now, times = broken(), 101.0, []
    for _ in range(2000):
        breaker.lets_probe("a", in_flight=0, now=now)
        note(breaker, 1, at=now)
        assert breaker.until is not None
        times.append(breaker.until - now)
        now = breaker.until
    assert times[:5] == [2, 4, 8, 16, 32]
    assert set(times[5:]) == {MAX_OPEN_SECONDS}


def test_what_others_had_sent_before_it_opened_does_not_fail_the_probe() -> None:
    breaker = broken()
    note(breaker, 50, at=100.5, executor="b")
    assert breaker.until == 101.0
    breaker.lets_probe("a", in_flight=0, now=101.5)
    note(breaker, 50, at=101.6, executor="b")
    assert breaker.until == 101.0


@pytest.mark.parametrize(("pause", "seconds"), [(1.0, 2.0), (CALM_SECONDS + 1, 1.0)])
def test_one_that_opens_again_soon_stays_open_for_longer(pause: float, seconds: float) -> None:
    breaker = broken()
    breaker.lets_probe("a", in_flight=0, now=101.5)
    note(breaker, 0, at=102.0, lived=True)
    note(breaker, FAILURES, at=102.0 + pause)
    assert breaker.until == 102.0 + pause + seconds


def test_it_says_how_many_failed_and_how() -> None:
    assert broken().snapshot(now=100.0) == Broken(FAILURES, DOWN.value, 1.0)
    assert Broken(FAILURES, DOWN.value, 1.0).reason == f"20 calls in a row failed: {DOWN.sentence}"


def test_a_newcomer_begins_with_a_probe_and_its_own_answer_decides() -> None:
    breaker = Breaker.of_newcomer(Broken(FAILURES, DOWN.value, 50.0), now=100.0)
    assert breaker.lets_probe("a", in_flight=0, now=100.0), "at once, however long the others' are open"
    note(breaker, 1, at=100.5)
    assert breaker.until == 101.5
    breaker.lets_probe("a", in_flight=0, now=101.5)
    note(breaker, 0, at=101.6, lived=True)
    assert breaker.until is None


@pytest.mark.parametrize(("at", "until"), [(100.5, 100.5), (103.0, 101.0)])
def test_an_operators_order_ends_its_wait_and_a_failed_probe_begins_the_waits_anew(at: float, until: float) -> None:
    """O8: there was no way to try a provider before its breaker's wait was over."""
    breaker = broken()
    breaker.times = 7
    breaker.try_now(now=at)
    assert breaker.until == until
    assert breaker.lets_probe("b", in_flight=0, now=at)
    note(breaker, 1, at=at + 0.1, executor="b")
    assert breaker.until == at + 0.1 + OPEN_SECONDS


def test_an_order_changes_nothing_about_a_closed_breaker() -> None:
    breaker = Breaker()
    breaker.try_now(now=100.0)
    assert breaker == Breaker()


@pytest.mark.parametrize(
    ("reports", "vote"),
    [
        ([], Vote.UNDECIDED),
        ([(False, 3)], Vote.UNDECIDED),
        ([(True, 0)], Vote.WELL),
        ([(True, 0), (False, 1)], Vote.UNDECIDED),
        ([(True, 0), (False, 1), (True, 0)], Vote.WELL),
        ([(True, 0), (False, FAILURES)], Vote.TROUBLED),
    ],
)
def test_what_it_says_of_its_provider(reports: list[tuple[bool, int]], vote: Vote) -> None:
    breaker = Breaker()
    for lived, failures in reports:
        note(breaker, failures, at=100.0, lived=lived)
    assert breaker.vote is vote


@pytest.mark.parametrize(("was_in_trouble", "until"), [(True, 100.2), (False, 101.0)])
def test_what_opened_while_the_provider_was_in_trouble_is_tried_when_that_is_over(was_in_trouble: bool, until: float) -> None:
    breaker = broken()
    breaker.hear_of_others(in_trouble=was_in_trouble, now=100.1)
    breaker.hear_of_others(in_trouble=False, now=100.2)
    assert breaker.until == until
    breaker.hear_of_others(in_trouble=False, now=100.9)
    assert breaker.until == until, "once"


@pytest.mark.parametrize(
    ("kind", "first_fault", "worked_at", "own"),
    [
        (Kind.SERVER_ERROR, None, 100.0, False),  # it has not faulted before
        (Kind.SERVER_ERROR, 50.0, 100.0, True),  # the provider has worked since
        (Kind.SERVER_ERROR, 100.0, 50.0, False),  # nothing has succeeded since: it may be the provider
        (Kind.SERVER_ERROR, 50.0, float("-inf"), False),
        (Kind.TIMEOUT, 50.0, 100.0, True),
        (Kind.CONNECTION_LOST, 50.0, 100.0, True),
        (Kind.OVERLOADED, 50.0, 100.0, True),
        (Kind.CONNECT, 50.0, 100.0, False),  # it was not even sent
    ],
)
def test_a_fault_is_the_requests_own_when_others_succeeded_since_its_first(
    kind: Kind, first_fault: float | None, worked_at: float, own: bool
) -> None:
    """O8: each poison request was counted with each of its attempts."""
    assert is_own_fault(kind, first_fault=first_fault, worked_at=worked_at) is own


@pytest.mark.parametrize("kind", Kind)
def test_only_what_says_that_the_upstream_does_not_work_counts(kind: Kind) -> None:
    alive = {Kind.RATE_LIMITED, Kind.UNCONFIRMED, Kind.RESPONSE_TOO_LARGE}
    assert (kind in FAULTS) is (kind.source in {Source.PROVIDER, Source.NETWORK} and kind not in alive)

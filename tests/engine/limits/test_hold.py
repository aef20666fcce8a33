"""The hold of a provider, as tables of what is reported and what follows (U5, U7)."""

import math

import msgspec
import pytest

from batches.engine.limits.hold import (
    CALM_SECONDS,
    FIRST_SECONDS,
    LONG_WAIT_SECONDS,
    STRIKES,
    AccountHeld,
    Hold,
    Orders,
    Seen,
    counts,
    is_strike,
)
from providers.base import Failure
from providers.failures import Kind

LONGEST = 300.0
QUOTA = Kind.QUOTA.value
GOOD = Seen(worked=True)
FAULT = Seen(faulted=True)
REFUSED = Seen(answered=True)


def strikes(number: int, *, worked: bool = False) -> Seen:
    return Seen(worked=worked, strikes=number, kind=QUOTA)


def after(*reports: Seen, hold: Hold | None = None, at: float = 100.0) -> Hold:
    """The hold after these reports, one each tenth of a second, of two executors in turn."""
    hold = hold or Hold()
    for number, seen in enumerate(reports):
        hold.note("ab"[number % 2], seen, longest=LONGEST, now=at + number / 10)
    return hold


def held() -> Hold:
    """AccountHeld since 100, with the first probe at 105."""
    return after(strikes(STRIKES))


def probed(hold: Hold, seen: Seen, *, now: float, executor: str = "a") -> Hold:
    assert hold.lets_probe(executor, in_flight=0, now=now)
    hold.note(executor, seen, longest=LONGEST, now=now)
    return hold


# --- How it begins ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reports", "begins"),
    [
        ([strikes(STRIKES)], True),
        ([strikes(STRIKES - 1)], False),
        ([strikes(1)] * STRIKES, True),
        ([strikes(3), GOOD, strikes(3)], False),
        ([strikes(3), strikes(4, worked=True)], False),
        ([strikes(3), strikes(STRIKES, worked=True)], True),
        ([strikes(3), FAULT, REFUSED, strikes(2)], True),
        ([GOOD] * 100, False),
        ([REFUSED] * 100, False),
        ([FAULT] * 100, False),
        ([Seen()], False),
    ],
)
def test_it_begins_after_a_few_strikes_in_a_row_without_a_success_over_all_reports(reports: list[Seen], begins: bool) -> None:
    assert after(*reports).held is begins


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("wait", [None, 1.0, LONG_WAIT_SECONDS, LONG_WAIT_SECONDS + 1, 86_400.0])
def test_a_strike_is_what_every_other_request_would_get_too(kind: Kind, wait: float | None) -> None:
    asks_for_long = kind is Kind.RATE_LIMITED and wait is not None and wait > LONG_WAIT_SECONDS
    assert is_strike(Failure(kind, "x", retry_after=wait)) is (kind in {Kind.AUTHENTICATION, Kind.QUOTA} or asks_for_long)


@pytest.mark.parametrize("kind", [Kind.PERMISSION, Kind.NOT_FOUND])
def test_what_one_model_is_refused_is_not_the_accounts_fault(kind: Kind) -> None:
    assert not is_strike(Failure(kind, "This key may not use the model.", http_status=403))


# --- Its probes ------------------------------------------------------------------------------------------------


def test_one_probe_at_a_time_and_none_before_it_is_due() -> None:
    hold = held()
    assert [hold.lets_probe(name, in_flight=0, now=104.9) for name in "ab"] == [False, False]
    assert [hold.lets_probe(name, in_flight=0, now=105.0) for name in "aba"] == [True, False, True]
    assert not hold.lets_probe("a", in_flight=1, now=105.1), "it is under way"


def test_the_probe_of_an_executor_that_is_gone_becomes_anothers() -> None:
    hold = held()
    assert hold.lets_probe("a", in_flight=0, now=105.0)
    assert hold.lets_probe("b", in_flight=0, now=110.1)


def test_the_interval_doubles_up_to_the_longest() -> None:
    hold, now, intervals = held(), 105.0, []
    for _ in range(3000):  # more than a week
        probed(hold, strikes(1), now=now)
        intervals.append(hold.until - now)
        now = hold.until
    assert intervals[:7] == [10, 20, 40, 80, 160, 300, 300]
    assert set(intervals[6:]) == {LONGEST}
    assert hold.strikes == STRIKES + 3000


@pytest.mark.parametrize(
    ("seen", "goes_on", "on_trial"),
    [
        (GOOD, True, False),
        (REFUSED, True, True),  # an account that is refused would not have come so far, or is held again at once
        (strikes(1), False, False),
        (FAULT, False, False),
        (Seen(), False, False),
    ],
)
def test_what_came_of_the_probe_decides(seen: Seen, goes_on: bool, on_trial: bool) -> None:
    hold = probed(held(), seen, now=105.0)
    assert (not hold.held, hold.on_trial) == (goes_on, on_trial)


def test_a_probe_that_comes_to_nothing_is_followed_by_another_as_soon() -> None:
    hold = probed(probed(held(), FAULT, now=105.0), FAULT, now=110.0)
    assert hold.until == 115.0


@pytest.mark.parametrize("seen", [GOOD, REFUSED, strikes(40), FAULT])
def test_what_was_in_flight_when_it_began_changes_nothing(seen: Seen) -> None:
    hold = held()
    hold.note("b", seen, longest=LONGEST, now=103.0)
    assert hold.lets_probe("a", in_flight=0, now=105.0)
    hold.note("b", seen, longest=LONGEST, now=105.5)
    assert (hold.held, hold.until, hold.strikes) == (True, 105.0, STRIKES)


# --- How it ends, and begins again -------------------------------------------------------------------------------


def test_on_trial_one_strike_begins_it_again_as_of_its_first_day() -> None:
    hold = after(strikes(1), hold=probed(held(), REFUSED, now=105.0), at=106.0)
    assert (hold.held, hold.since, hold.until) == (True, 100.0, 116.0)


def test_a_success_ends_the_trial() -> None:
    hold = after(GOOD, strikes(STRIKES - 1), hold=probed(held(), REFUSED, now=105.0), at=106.0)
    assert not hold.held


@pytest.mark.parametrize(("calm", "interval"), [(1.0, 10.0), (CALM_SECONDS - 1, 10.0), (CALM_SECONDS + 1, FIRST_SECONDS)])
def test_one_that_begins_again_soon_goes_on_with_its_intervals(calm: float, interval: float) -> None:
    hold = after(strikes(STRIKES), hold=probed(held(), GOOD, now=105.0), at=105.0 + calm)
    assert hold.until == pytest.approx(105.0 + calm + interval)


@pytest.mark.parametrize(("seconds", "excuses"), [(5.0, False), (CALM_SECONDS - 1, False), (CALM_SECONDS, True), (3600.0, True)])
def test_a_hold_that_lasts_excuses_what_failed_before_it(seconds: float, excuses: bool) -> None:
    hold = probed(held(), GOOD, now=100.0 + seconds)
    assert hold.excused_at == (100.0 + seconds if excuses else -math.inf)


# --- What operators ask for -------------------------------------------------------------------------------------


def test_a_probe_that_is_asked_for_may_be_sent_at_once_and_intervals_begin_anew() -> None:
    hold = held()
    for now in (105.0, 115.0, 135.0):
        probed(hold, strikes(1), now=now)
    hold.carry_out(Orders(probe=1.0), now=140.0)
    assert probed(hold, strikes(1), now=140.0).until == 145.0


def test_a_hold_that_is_resumed_is_on_trial() -> None:
    hold = held()
    hold.carry_out(Orders(resume=1.0), now=101.0)
    assert (hold.held, hold.on_trial) == (False, True)


@pytest.mark.parametrize("orders", [Orders(probe=1.0), Orders(resume=1.0)])
def test_an_order_is_carried_out_once_whoever_brings_it(orders: Orders) -> None:
    hold = held()
    hold.carry_out(orders, now=101.0)
    after(strikes(1), hold=hold, at=101.0)
    state = msgspec.msgpack.encode(hold)
    hold.carry_out(orders, now=101.2)
    assert msgspec.msgpack.encode(hold) == state


def test_orders_mean_nothing_without_a_hold_nor_for_the_next_one() -> None:
    hold = Hold()
    hold.carry_out(Orders(1.0, 1.0), now=1.0)
    after(strikes(STRIKES), hold=hold)
    hold.carry_out(Orders(1.0, 1.0), now=101.0)
    assert hold.held


def test_what_was_known_of_it_is_remembered_with_a_probe_at_once() -> None:
    hold = Hold()
    hold.remember(AccountHeld(Kind.QUOTA, 12, held_for=3600.0), Orders(5.0, 5.0), now=7000.0)
    assert hold.snapshot(now=7000.0) == AccountHeld(Kind.QUOTA, 12, 3600.0, 0.0)
    hold.carry_out(Orders(5.0, 5.0), now=7000.0)
    assert hold.held, "the orders are older than the hold"
    assert hold.lets_probe("a", in_flight=0, now=7000.0)


@pytest.mark.parametrize("kind", [Kind.AUTHENTICATION, Kind.QUOTA, Kind.RATE_LIMITED])
def test_its_reason_says_a_kind_and_a_number(kind: Kind) -> None:
    reason = AccountHeld(kind, 1234, 1.0).reason
    assert "1,234 calls" in reason
    assert kind.sentence in reason


# --- Which failures use up attempts ------------------------------------------------------------------------------

NEVER = -math.inf


@pytest.mark.parametrize(
    ("last_strike", "worked_at", "excused_at", "is_held", "counted"),
    [
        (None, 99.0, NEVER, False, False),  # the first: nobody knows yet whose fault it is
        (50.0, NEVER, NEVER, False, False),  # nothing has ever worked: a few more, and the provider is held
        (50.0, 49.0, NEVER, False, False),  # nothing worked since
        (50.0, 60.0, NEVER, False, True),  # the provider works for others: the request alone is the reason
        (50.0, 60.0, 40.0, False, True),  # an earlier hold excuses nothing, nor does a short one
        (50.0, 60.0, 55.0, False, False),  # it was held for long meanwhile: the account was the reason then
        (50.0, 60.0, NEVER, True, False),  # it is held: this was its probe, or was in flight
    ],
)
def test_a_failure_of_the_account_counts_when_the_request_alone_is_the_reason(
    last_strike: float | None, worked_at: float, excused_at: float, is_held: bool, counted: bool
) -> None:
    assert counts(last_strike=last_strike, worked_at=worked_at, excused_at=excused_at, held=is_held) is counted

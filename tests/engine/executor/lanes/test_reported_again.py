"""E13: reports and returned permits that the limiter did not hear are reported again, and not lost."""

import time
import uuid

import pytest
import redis

from batches.engine.executor.lanes.lane import Lane
from batches.engine.executor.lanes.roads import Road
from batches.engine.executor.lanes.upstreams import Demand, Opened
from batches.engine.executor.permits import PermitGate
from batches.engine.executor.slices import HeldSlice, Item
from batches.engine.limits.asks import Ask, Bid, Caps, Permit, Tally, Want
from batches.engine.limits.breaker import FAILURES
from batches.engine.limits.hold import STRIKES, Seen
from batches.engine.limits.keeping import MayHaveHeard, RedisLimits
from batches.engine.limits.state import WHOLE
from batches.models import Batch, Slice
from batches.services.lifecycle.claim import Lease
from providers.base import Connection, Failure
from providers.failures import Kind
from providers.online.simulator.adapter import SimulatorAdapter

FAULT = Failure(Kind.SERVER_ERROR, "The upstream failed.", http_status=500)


PROJECT = uuid.uuid4()


@pytest.fixture
def road() -> Road:
    adapter = SimulatorAdapter(Connection("simulator", "", ""))
    return Road(Opened(uuid.uuid4(), adapter, Caps(8, requests=600), {}))


@pytest.fixture
def lane(road: Road) -> Lane:
    return road.lane(PROJECT)


def item() -> Item:
    """A request of a slice that is held here."""
    held = HeldSlice(Batch(), Lease(Slice(batch_id=uuid.uuid4()), 1, None), deadline=0.0, open=1, size=1)
    return Item(held, line=1, round=1, body=b"{}", attempts=0, counted=0, answered=0, model="")


def ask_of(demand: Demand) -> Ask:
    assert demand.ask is not None
    return demand.ask


def test_failures_that_nobody_heard_of_still_open_the_breaker(road: Road, lane: Lane) -> None:
    for _ in range(FAILURES // 2):
        lane.note_failure(item(), FAULT)
    lane.tally.answers = FAILURES // 2
    unheard = ask_of(road.demand(now=time.monotonic()))
    assert lane.tally == Tally()
    road.report_again(unheard)
    for _ in range(FAILURES // 2):
        lane.note_failure(item(), FAULT)
    assert ask_of(road.demand(now=time.monotonic() + 1)).bids[PROJECT.hex].tally.failures == FAILURES


@pytest.mark.parametrize(
    ("earlier", "later", "both"),
    [
        (Tally(5, 2, True, 3, "a"), Tally(), Tally(5, 2, True, 3, "a")),
        (Tally(5, 2, False, 3, "a"), Tally(4, 1, False, 4, "b"), Tally(9, 3, False, 7, "b")),
        (Tally(5, 2, False, 3, "a"), Tally(4, 1, True, 1, "b"), Tally(9, 3, True, 1, "b")),
        (Tally(1, 0, True, 0), Tally(1, 0, False, 1, "b"), Tally(2, 0, True, 1, "b")),
    ],
)
def test_two_reports_become_one(earlier: Tally, later: Tally, both: Tally) -> None:
    assert later.after(earlier) == both


@pytest.mark.parametrize(
    ("earlier", "later", "both"),
    [
        (Seen(strikes=2, kind="quota_exhausted"), Seen(strikes=1, kind="authentication"), Seen(strikes=3, kind="authentication")),
        (Seen(strikes=2, kind="quota_exhausted"), Seen(worked=True), Seen(worked=True, kind="quota_exhausted")),
        (Seen(faulted=True), Seen(answered=True), Seen(answered=True, faulted=True)),
    ],
)
def test_what_two_reports_say_of_an_account_becomes_one(earlier: Seen, later: Seen, both: Seen) -> None:
    assert later.after(earlier) == both


def test_strikes_that_nobody_heard_of_still_stop_what_is_sent() -> None:
    gate, now = PermitGate(Caps()), time.monotonic()
    for _ in range(STRIKES):
        gate.note_strike(Kind.QUOTA)
    unheard = gate.want(Caps(), wanted=1, in_flight=0, could_send=1, now=now)
    gate.report_again(unheard)
    assert not gate.admits(b"{}", now=now)
    assert gate.want(Caps(), wanted=1, in_flight=0, could_send=1, now=now).seen.strikes == STRIKES


def test_permits_that_were_not_used_are_given_back_once_somebody_hears_it() -> None:
    gate, now = PermitGate(Caps(None, requests=60)), time.monotonic()
    gate.grant(Permit(None, 5, None, cell=7), asked_at=now, valid=0.5)
    unheard = gate.want(Caps(), wanted=1, in_flight=0, could_send=1, now=now + 1)
    assert unheard.returned == ((7, 5, 0),)
    assert gate.want(Caps(), wanted=1, in_flight=0, could_send=1, now=now + 1).returned == ()
    gate.report_again(unheard)
    assert gate.want(Caps(), wanted=1, in_flight=0, could_send=1, now=now + 1).returned == ((7, 5, 0),)


def test_that_an_upstream_has_nothing_left_is_told_until_somebody_hears_it() -> None:
    gate, now = PermitGate(Caps()), time.monotonic()
    gate.hold(30)
    unheard = gate.want(Caps(), wanted=1, in_flight=0, could_send=1, now=now)
    assert unheard.held_for > 29
    gate.report_again(unheard)
    assert gate.want(Caps(), wanted=1, in_flight=0, could_send=1, now=now).held_for > 29
    assert gate.want(Caps(), wanted=1, in_flight=0, could_send=1, now=now).held_for == 0


def test_what_may_have_been_heard_is_reported_again_but_gives_no_permit_back_twice() -> None:
    bid = Bid({WHOLE: Want(Caps(8), returned=((1, 2, 3),), held_for=4.0)}, Tally(answers=1))
    again = Ask({"acme": bid}, 256).without_returned().bids["acme"]
    assert (again.wants[WHOLE].returned, again.wants[WHOLE].held_for, again.tally) == ((), 4.0, bid.tally)


def test_a_redis_that_cannot_be_reached_has_heard_nothing() -> None:
    limits = RedisLimits("redis://127.0.0.1:1/0")
    with pytest.raises(redis.RedisError) as raised:
        limits.ask(uuid.uuid4(), uuid.uuid4(), Ask({"acme": Bid({WHOLE: Want(Caps(8))})}, 256))
    assert not isinstance(raised.value, MayHaveHeard)

"""What an executor asks the limiter for: one ask for a provider, with a bid for each project that has something there."""

import time
import uuid

import pytest
from pytest_django import Settings

from batches.engine.executor.lanes.gates import MOST_GATES
from batches.engine.executor.lanes.lane import Lane
from batches.engine.executor.lanes.roads import ASK_SECONDS, EMPTY_SECONDS, Road
from batches.engine.executor.lanes.upstreams import Granted, Need, Opened
from batches.engine.executor.slices import HeldSlice, Item
from batches.engine.limits.asks import Award, Caps, Grant, Permit, Why
from batches.engine.limits.breaker import Broken
from batches.engine.limits.state import WHOLE
from batches.models import Batch, Slice
from batches.models.provider_health import model_key
from batches.services.lifecycle.claim import Lease
from providers.base import Connection, Failure, Success
from providers.failures import Kind
from providers.models import ProviderModel
from providers.online.simulator.adapter import SimulatorAdapter

ACME, GLOBEX = uuid.UUID(int=1), uuid.UUID(int=2)
LONG_WAIT = Failure(Kind.RATE_LIMITED, "Come back tomorrow.", retry_after=86_400.0)


def road_of(*, held_models: frozenset[str] = frozenset(), **models: ProviderModel) -> Road:
    adapter = SimulatorAdapter(Connection("simulator", "", ""))
    return Road(Opened(uuid.uuid4(), adapter, Caps(8), models, held_models))


def item(*, model: str = "") -> Item:
    """A request of a slice that is held here."""
    held = HeldSlice(Batch(), Lease(Slice(batch_id=uuid.uuid4()), 1, None), deadline=0.0, open=1, size=1)
    return Item(held, line=1, round=1, body=b"{}", attempts=0, counted=0, answered=0, model=model)


def granted(road: Road, project: uuid.UUID, permit: Permit, *, broken: Broken | None = None) -> Lane:
    award = Award({WHOLE: permit}, broken)
    road.grant(Granted(time.monotonic(), Grant({project.hex: award}, {}, 8, 0.5)), now=time.monotonic())
    return road.lane(project)


def free(share: int) -> Permit:
    return Permit(share, None, None)


def test_each_project_that_has_something_there_bids_and_no_other() -> None:
    road = road_of()
    road.lane(ACME).push(item())
    road.lane(GLOBEX)
    demand = road.demand(now=time.monotonic())
    assert demand.ask is not None
    assert set(demand.ask.bids) == {ACME.hex}
    assert demand.needs == {ACME.hex: Need(0, 1, 0)}


def test_an_executor_with_nothing_there_says_so_once_and_asks_no_more() -> None:
    road, now = road_of(), time.monotonic()
    road.lane(ACME).push(item())
    assert road.demand(now=now).ask is not None
    assert road.lane(ACME).pop() is not None
    last = road.demand(now=now + ASK_SECONDS + 0.1).ask
    assert last is not None
    assert last.bids == {}
    assert road.demand(now=now + 2 * ASK_SECONDS + 0.2).ask is None


def test_a_lane_with_nothing_on_it_is_removed_after_a_while() -> None:
    road, now = road_of(), time.monotonic()
    road.lane(ACME)
    road.demand(now=now)
    assert list(road)
    road.demand(now=now + EMPTY_SECONDS + 1)
    assert not list(road)


def test_a_model_that_no_operator_has_configured_is_named_by_its_digest() -> None:
    """S1"""
    road = road_of(known=ProviderModel(name="known", requests_per_minute=5))
    lane = road.lane(ACME)
    lane.hold("my secret prompt", 5.0)
    ask = road.demand(now=time.monotonic()).ask
    assert ask is None or "my secret prompt" not in str(ask)
    lane.push(item(model="my secret prompt"))
    ask = road.demand(now=time.monotonic() + 1).ask
    assert ask is not None
    assert set(ask.bids[ACME.hex].wants) == {WHOLE, "known", model_key("my secret prompt")}


def test_a_model_that_was_held_when_the_provider_was_opened_is_asked_for_by_what_is_pushed() -> None:
    lane = road_of(held_models=frozenset({model_key("m")})).lane(ACME)
    lane.push(item(model="other"))
    assert set(lane.gates) == set()
    lane.push(item(model="m"))
    assert set(lane.gates) == {"m"}
    assert lane.gated


def test_models_that_a_client_makes_up_are_looked_after_up_to_a_number() -> None:
    lane = road_of().lane(ACME)
    for number in range(MOST_GATES + 10):
        lane.note_failure(item(model=f"model-{number}"), LONG_WAIT)
    assert len(lane.gates) == MOST_GATES
    assert lane.gate.want(Caps(), wanted=1, in_flight=0, could_send=1, now=0.0).seen.strikes == 0


@pytest.mark.parametrize(("permit", "outdone"), [(Permit(0, None, None, reason="x", why=Why.OTHERS), True), (free(0), False)])
def test_a_lane_without_a_share_knows_who_has_it(permit: Permit, outdone: bool) -> None:
    road = road_of()
    road.lane(ACME).push(item())
    lane = granted(road, ACME, permit)
    assert (lane.outdone_since is not None, lane.shut_since is not None) == (outdone, not outdone)
    assert granted(road, ACME, free(3)).outdone_since is None


def test_a_lane_whose_breaker_is_open_sends_probes_and_needs_no_more_slices_until_one_fails() -> None:
    road = road_of()
    road.lane(ACME).push(item())
    lane = granted(road, ACME, Permit(1, 1, None, reason="x", why=Why.BREAKER), broken=Broken(20, Kind.CONNECT.value, 0.0))
    assert lane.probing
    assert lane.probes_with_what_it_has()
    lane.note_failure(item(), Failure(Kind.CONNECT, "No."))
    assert [lane.probes_with_what_it_has() for _ in range(2)] == [False, True]


def test_a_success_is_as_old_as_its_call() -> None:
    lane, sent = road_of().lane(ACME), item()
    sent.sent_at = time.time() - 30.0
    lane.note_success(sent)
    seen = lane.gate.want(Caps(), wanted=1, in_flight=0, could_send=1, now=0.0).seen
    assert seen.worked
    assert 29.0 < seen.worked_ago < 40.0
    assert Success(200, b"{}").exhausted_for is None


def test_a_lane_keeps_no_more_than_an_executor_may_have_in_flight(settings: Settings) -> None:
    settings.EXECUTOR_CONCURRENCY = 3
    road = road_of()
    for _ in range(9):
        road.lane(ACME).push(item())
    ask = road.demand(now=time.monotonic()).ask
    assert ask is not None
    assert (ask.capacity, ask.bids[ACME.hex].wants[WHOLE].wanted) == (3, 3)

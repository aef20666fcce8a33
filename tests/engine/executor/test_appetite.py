"""How much an executor takes up, of which projects: what it has free slots for, within its buffer."""

import uuid

import pytest
from pytest_django import Settings

from batches.engine.executor.appetite import FAR_TOO_MUCH, appetite
from batches.engine.executor.lanes.lane import Lane
from batches.engine.executor.lanes.roads import Road
from batches.engine.executor.lanes.upstreams import Opened
from batches.engine.executor.slices import HeldSlice
from batches.engine.limits.asks import Caps
from batches.models import Batch, Slice
from batches.services.lifecycle.claim import Lease, Tenancy
from providers.base import Connection
from providers.online.simulator.adapter import SimulatorAdapter

P = uuid.UUID(int=1)
ACME, GLOBEX = (P, uuid.UUID(int=11)), (P, uuid.UUID(int=12))


@pytest.fixture(autouse=True)
def small(settings: Settings) -> None:
    settings.EXECUTOR_CONCURRENCY, settings.SLICE_LINES, settings.EXECUTOR_BUFFER_BYTES = 20, 10, 1000


def lane(*, slice_bytes: int = 100) -> Lane:
    adapter = SimulatorAdapter(Connection("simulator", "", ""))
    found = Road(Opened(P, adapter, Caps(20), {})).lane(ACME[1])
    found.usual_slice = (10, slice_bytes)
    return found


def held(tenancy: Tenancy, size: int) -> HeldSlice:
    batch = Batch(provider_id=tenancy[0], project_id=tenancy[1])
    return HeldSlice(batch, Lease(Slice(batch_id=batch.pk), 1, None), deadline=0.0, open=1, size=size)


def test_of_what_it_knows_nothing_of_it_wants_what_it_could_send() -> None:
    found = appetite({}, [])
    assert found is not None
    assert (found.otherwise, found.wanted, found.full) == (2, {}, frozenset())


def test_each_lane_gets_what_it_has_free_slots_for_within_the_buffer() -> None:
    found = appetite({ACME: lane(slice_bytes=400), GLOBEX: lane()}, [held(ACME, 500)])
    assert found is not None
    assert found.wanted == {GLOBEX: 2, ACME: 0}, "who holds least comes first"
    assert found.full == frozenset()


def test_while_it_holds_too_much_only_those_get_something_of_whom_it_holds_nothing() -> None:
    found = appetite({ACME: lane(), GLOBEX: lane()}, [held(ACME, 1500)])
    assert found is not None
    assert (found.otherwise, set(found.wanted.values()), found.full) == (0, {0}, frozenset({ACME}))


def test_while_it_holds_far_too_much_it_takes_nothing() -> None:
    assert appetite({ACME: lane()}, [held(ACME, 1000 * (FAR_TOO_MUCH + 1) + 1)]) is None


def test_a_lane_that_only_sends_probes_has_enough() -> None:
    probing = lane()
    probing.probing = True
    found = appetite({ACME: probing}, [held(ACME, 10)])
    assert found is not None
    assert found.full == {ACME}

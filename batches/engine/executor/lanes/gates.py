"""The gates of a lane: one for its provider as a whole, and one for each model with limits of its own."""

import random
import time
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from batches.engine.executor.lanes.backlog import Backlog
from batches.engine.executor.permits import PermitGate
from batches.engine.executor.slices import Item
from batches.engine.limits.asks import Caps
from batches.engine.limits.state import WHOLE

if TYPE_CHECKING:
    from batches.engine.executor.lanes.roads import Road

PROBES_MET = 8  # how many objects are looked at for one without a fault
MOST_GATES = 16  # for models that no operator has configured; requests of further models wait one by one


class GatedBacklog(Backlog):
    """A backlog behind gates. A queue that only its model's gate holds back is parked."""

    def __init__(self, road: "Road") -> None:
        super().__init__()
        self.road = road
        self.probing = False  # whether the breaker is not closed or there is a hold, so that requests are probes
        self.gate = PermitGate(_whole(road.caps))
        self.gates: dict[str, PermitGate] = {}  # by model, for models with limits of their own
        self.gated = False  # whether a gate may hold ready objects back, so that the gates must be looked at
        self._held_models = set(road.held_models)  # models under a hold when the provider was opened, without a gate yet
        self.update_caps()

    def update_caps(self) -> None:
        """Take over the limits that an operator has set for the road and its models."""
        self.gate.set_caps(_whole(self.road.caps))
        for name in self.gates.keys() | self.road.models.keys():
            caps = self.road.caps_of_model(name)
            if name in self.gates:
                self.gates[name].set_caps(caps)
            elif caps != Caps() or name in self._held_models:
                self.gates[name] = PermitGate(caps)
        self._look_at_gates()

    def _look_at_gates(self) -> None:
        self.gated = bool(self.gates) or not self.gate.is_open

    def _gates_by_key(self, keys: Iterable[str]) -> list[tuple[PermitGate, str]]:
        """The existing gates that the limiter calls by these keys, with their keys."""
        found = {WHOLE: self.gate, **{self.road.key_of(name): gate for name, gate in self.gates.items()}}
        return [(found[key], key) for key in keys if key in found]

    def _gate_of(self, model: str) -> PermitGate | None:
        """The gate of a model, or of the provider if no model is named. None if there are MOST_GATES already."""
        if not model:
            return self.gate
        if model not in self.gates and len(self.gates.keys() - self.road.models.keys()) >= MOST_GATES:
            return None
        return self.gates.setdefault(model, PermitGate(Caps()))

    def push(self, item: Item) -> None:
        """Add an object that may be sent."""
        if self._held_models:
            self._look_up(item.model)
        super().push(item)

    def pop(self) -> Item | None:
        """The next object to send, or None. Objects of stopped slices are dropped on the way."""
        while self._turns:
            key = self._turns[0]
            queue = self._queues[key]
            if self.probing:
                _turn_to_a_probe(queue)
            item = queue[0]
            stopped = item.held.stopped_at is not None
            if self.gated and not stopped and (gate := self._closed_gate_for(item)):
                if gate is self.gate:
                    return None
                self._park(key)
                continue
            self._take_from(key, queue)
            if not stopped:
                if self.gated:
                    self._let_through(item)
                return item
        return None

    def _look_up(self, model: str) -> None:
        """Give a model its gate if it was under a hold when the provider was opened."""
        if model and (key := self.road.key_of(model)) in self._held_models:
            self._held_models.discard(key)
            if self._gate_of(model) is not None:
                self.gated = True

    def _closed_gate_for(self, item: Item) -> PermitGate | None:
        """The gate that holds an object back at present; None if it may pass."""
        now = time.monotonic()
        if not self.gate.admits(item.body, now=now):
            return self.gate
        gate = self.gates.get(item.model)
        return gate if gate is not None and not gate.admits(item.body, now=now) else None

    def _let_through(self, item: Item) -> None:
        item.gate = self.gates.get(item.model)
        if item.gate is not None:
            item.gate.in_flight += 1
        passes = (gate.let_through() for gate in (self.gate, item.gate) if gate is not None)
        item.passes = tuple(found for found in passes if found is not None)

    def landed(self, item: Item) -> None:
        """Note that a request is no longer in flight, so that another one of its model may be sent."""
        if item.gate is not None:
            item.gate.in_flight -= 1
            item.gate = None
            self._unpark(item.model)


def _turn_to_a_probe(queue: deque[Item]) -> None:
    """Bring a random object to the front, one without a fault if it is met, so that another probe is another kind of request."""
    for _ in range(PROBES_MET):
        queue.rotate(random.randrange(len(queue)))
        if queue[0].first_fault is None:
            return


def _whole(caps: Caps) -> Caps:
    """The limits for the gate of a provider as a whole. The concurrency is not one of them: the lane itself keeps to it."""
    return Caps(None, caps.requests, caps.tokens)

"""The gates of a lane: of its provider as a whole and of models, which let through what their limits allow."""

import random
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from batches.engine.executor.lanes.backlog import Backlog
from batches.engine.executor.permits import PermitGate
from batches.engine.executor.slices import Item
from batches.engine.limits.asks import Caps
from batches.engine.limits.state import WHOLE

if TYPE_CHECKING:
    from batches.engine.executor.lanes.roads import Road

MOST_GATES = 16  # of models that no operator has configured; of others, each request waits for itself


class GatedBacklog(Backlog):
    """Objects that are ready, behind gates. What only its model's limits keep back is parked."""

    def __init__(self, road: "Road") -> None:
        super().__init__()
        self.road = road
        self.probing = False  # the circuit breaker is not closed, or there is a hold: what is sent is a probe
        self.gate = PermitGate(_whole(road.caps))
        self.gates: dict[str, PermitGate] = {}  # of models that have limits of their own
        self.gated = False  # not everything that is ready may be sent: to be asked first
        self._held_models = set(road.held_models)  # that were held when the provider was opened, and have no gate yet
        self.heed()

    def heed(self) -> None:
        """What the operator has set for its road holds from now on."""
        self.gate.heed(_whole(self.road.caps))
        for name in self.gates.keys() | self.road.models.keys():
            caps = self.road.caps_of_model(name)
            if name in self.gates:
                self.gates[name].heed(caps)
            elif caps != Caps() or name in self._held_models:
                self.gates[name] = PermitGate(caps)
        self._look_at_gates()

    def _look_at_gates(self) -> None:
        self.gated = bool(self.gates) or not self.gate.is_open

    def _gates_by_key(self, keys: Iterable[str]) -> list[tuple[PermitGate, str]]:
        """The gates that these keys of the limiter mean, of those that there are."""
        found = {WHOLE: self.gate, **{self.road.key_of(name): gate for name, gate in self.gates.items()}}
        return [(found[key], key) for key in keys if key in found]

    def _gate_of(self, model: str) -> PermitGate | None:
        """The gate of a model, or of the provider where no model is named. None for one model too many."""
        if not model:
            return self.gate
        if model not in self.gates and len(self.gates.keys() - self.road.models.keys()) >= MOST_GATES:
            return None
        return self.gates.setdefault(model, PermitGate(Caps()))

    def push(self, item: Item) -> None:
        """An object may be sent."""
        if self._held_models:
            self._look_up(item.model)
        super().push(item)

    def pop(self) -> Item | None:
        """The next object to send, or None. Whatever belongs to a stopped slice is dropped on the way."""
        while self._turns:
            key = self._turns[0]
            queue = self._queues[key]
            if self.probing:
                queue.rotate(random.randrange(len(queue)))  # another probe, another kind of request
            item = queue[0]
            stopped = item.held.stopped_at is not None
            if self.gated and not stopped and (gate := self._in_the_way_of(item)):
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
        """Give a model its gate, if it was held when the provider was opened."""
        if model and (key := self.road.key_of(model)) in self._held_models:
            self._held_models.discard(key)
            if self._gate_of(model) is not None:
                self.gated = True

    def _in_the_way_of(self, item: Item) -> PermitGate | None:
        """The gate that does not let it through at present."""
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
        """It is not in flight any more: another of its model may be."""
        if item.gate is not None:
            item.gate.in_flight -= 1
            item.gate = None
            self._unpark(item.model)


def _whole(caps: Caps) -> Caps:
    """The limits that the gate of a provider as a whole sees to: the lane itself sees to the concurrency."""
    return Caps(None, caps.requests, caps.tokens)

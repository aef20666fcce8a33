"""Lanes: what one executor has to send. One lane for each provider, with the objects that are ready to be sent."""

import asyncio
import math
import random
import time
import uuid
from collections import deque
from collections.abc import Mapping
from datetime import timedelta

import msgspec
from django.conf import settings
from django.utils import timezone

from batches.engine.held import Item
from batches.engine.limits.breaker import FAILURES, FAULTS
from batches.engine.limits.concurrency import TURNED_AWAY
from batches.engine.limits.gates import Gate, Stay
from batches.engine.limits.hold import counts, is_strike
from batches.engine.limits.limiter import WHOLE, Ask, Caps, Tally
from batches.engine.limits.upstreams import Demand, Granted, Opened, caps_of
from providers.base import Failure
from providers.models import ProviderModel

ASK_SECONDS = 0.5  # how often the limiter is asked while there is no need to
SHUT_SECONDS = 1.0  # a lane that has no share for longer was not just without a wish for one when it asked
PROBE_SECONDS = 1.0  # a half-open breaker is said to stay shut for so long

_IN_USE = "all requests that may be in flight at a time are in use"
Key = tuple[uuid.UUID, str]  # of a queue: its batch and model


class Lane:
    """The objects for one provider. Its batches take turns, so that a small one does not wait behind a large one.

    Objects that only the limits of their model keep back are parked, and do not count as ready meanwhile.
    """

    def __init__(self, opened: Opened) -> None:
        assert opened.adapter is not None
        self.adapter = opened.adapter
        self.share = 0  # requests this executor may have in flight
        self.shut_since: float | None = None  # since when that is none, as others use all, although there is something to send
        self.probing = False  # the circuit breaker is not closed: what is sent is a probe
        self.in_flight = 0
        self.senders: set[asyncio.Task[None]] = set()
        self.ready = 0
        self.parked = 0
        self.usual_slice = (settings.SLICE_LINES, 1)  # lines and bytes of the last one
        self.tally = Tally()
        self.gate = Gate(_whole(opened.caps))
        self.gates = {name: Gate(Caps()) for name in opened.held_models}  # of models that have limits of their own
        self.models: Mapping[str, ProviderModel] = {}
        self.gated = False  # not everything that is ready may be sent: to be asked first
        self.must_ask = False  # a gate was shut after strikes: nothing of it is sent before the desk was asked
        self._probe_failed = False
        self._asked_at = -math.inf
        # Over all executors, in seconds since 1970: the end of the last hold and of the last long one, the last success.
        self._lifted_at = self._excused_at = self._worked_at = -math.inf
        self._turns: deque[Key] = deque()
        self._queues: dict[Key, deque[Item]] = {}
        self._parked: set[Key] = set()
        self.heed(opened)

    def heed(self, opened: Opened) -> None:
        """What the operator has set, from now on."""
        self.models = opened.models
        self.caps = opened.caps
        self.gate.heed(_whole(opened.caps))
        for name in self.gates.keys() | opened.models.keys():
            model = opened.models.get(name)
            caps = Caps() if model is None else caps_of(model)
            if name in self.gates:
                self.gates[name].heed(caps)
            elif caps != Caps():
                self.gates[name] = Gate(caps)
        self._look_at_gates()

    def _look_at_gates(self) -> None:
        self.gated = bool(self.gates) or not self.gate.is_open

    # --- What may be in flight -------------------------------------------------------------------------------

    @property
    def free_slots(self) -> int:
        return max(self.share - len(self.senders), 0)

    @property
    def sendable(self) -> int:
        """How many senders there is work for, beside those that run."""
        some = min(self.free_slots, self.ready)
        return int(min(some, self.gate.left(now=time.monotonic()))) if self.gated and some else some

    def demand(self, *, now: float) -> Demand:
        """What to bring to the desk. It asks the limiter where more could be sent, and otherwise now and then."""
        wanted = self.in_flight + self.ready + self.parked
        waits = self.must_ask or (self.gated and self.ready + self.parked)
        if waits or wanted > self.share or now - self._asked_at > ASK_SECONDS:
            self._asked_at, self.must_ask = now, False
            return Demand(self.in_flight, wanted, self.share, self._ask(wanted, now=now))
        return Demand(self.in_flight, wanted, self.share)

    def _ask(self, wanted: int, *, now: float) -> Ask:
        could_send = self.share or settings.EXECUTOR_CONCURRENCY
        whole = self.gate.want(
            wanted=min(wanted, settings.EXECUTOR_CONCURRENCY),
            in_flight=max(self.in_flight, self.share),  # it goes on sending until it hears the answer
            could_send=min(self.ready + self.parked, could_send),
            now=now,
        )
        wants = {WHOLE: msgspec.structs.replace(whole, caps=self.caps)}
        for name, gate in self.gates.items():
            queued = sum(len(queue) for (_, model), queue in self._queues.items() if model == name)
            in_flight = gate.in_flight if gate.share == math.inf else max(gate.in_flight, int(gate.share))
            wanted = min(gate.in_flight + queued, settings.EXECUTOR_CONCURRENCY)
            wants[name] = gate.want(wanted=wanted, in_flight=in_flight, could_send=min(queued, could_send), now=now)
        tally, self.tally = self.tally, Tally()
        return Ask(wants, tally)

    def tell_again(self, ask: Ask) -> None:
        """The limiter did not get this demand. The next demand repeats what it told and gave back."""
        self.tally = self.tally.after(ask.tally)
        for name, want in ask.wants.items():
            if gate := self.gate if name == WHOLE else self.gates.get(name):
                gate.tell_again(want)
                self.must_ask |= gate.is_struck_out

    def grant(self, granted: Granted, *, now: float) -> None:
        """So much may be sent from now on."""
        grant = granted.grant
        for name, permit in grant.permits.items():
            gate = self.gate if name == WHOLE else self.gates.get(name)
            if gate is not None:
                gate.grant(permit, asked_at=granted.asked_at, valid=grant.valid)
                self._unpark(name)
                if gate.is_open and name in self.gates:
                    del self.gates[name]  # the upstream had it held; that is over
        self.share = grant.permits[WHOLE].share or 0
        self.probing = grant.open_for is not None or self.gate.held is not None
        if grant.open_for is not None:
            self.gate.stay = _stay_of_breaker(granted, open_for=grant.open_for)
        asked_at = time.time() - (now - granted.asked_at)
        self._lifted_at, self._excused_at = asked_at - grant.lifted_for, asked_at - grant.excused_for
        self._worked_at = asked_at - grant.worked_for
        self._look_at_gates()
        if self.share or self.gate.stay or not self.ready:
            self.shut_since = None
        elif self.shut_since is None:
            self.shut_since = now

    def hold(self, model: str, seconds: float) -> None:
        """The upstream says that a limit is used up: that of the model, if the request named one."""
        self._gate_of(model).hold(seconds)
        self.gated = True

    def note_success(self, model: str) -> None:
        """The upstream works."""
        self.tally.lived, self.tally.failures = True, 0
        self.gate.note_success()
        if self.gates and (gate := self.gates.get(model)):
            gate.note_success()

    def note_failure(self, item: Item, failure: Failure) -> bool:
        """Something went wrong; whether it counts against the request's attempts, as far as the provider decides that.

        After many faults, or a few strikes, in a row nothing more is sent until the limiter has been asked.
        """
        tally = self.tally
        tally.turned_away += failure.kind in TURNED_AWAY
        if failure.kind in FAULTS:
            tally.failures += 1
            tally.sentence = failure.kind.sentence
            if tally.failures >= FAILURES:
                self.share = 0
        elif failure.kind.answered:
            tally.lived, tally.failures = True, 0
        is_own = failure.kind.is_of_account and self._counts(item)
        # What was sent during a hold says nothing of now.
        self._note_at_gates(item, failure, strikes=is_strike(failure) and not is_own and item.sent_at >= self._lifted_at)
        return is_own or not failure.kind.is_of_account

    def _note_at_gates(self, item: Item, failure: Failure, *, strikes: bool) -> None:
        """An account is the whole provider's; what else is a strike is the model's, if the request named one."""
        gates = [self.gate, *filter(None, (self.gates.get(item.model),))]
        if failure.kind in FAULTS:
            for gate in gates:
                gate.note_fault()
        elif not strikes:
            for gate in gates:
                gate.note_answer()
        else:
            struck = self.gate if failure.kind.is_of_account else self._gate_of(item.model)
            struck.note_strike(failure.kind)
            item.held.strikes += 1
            self.gated, self._probe_failed = True, True
            self.must_ask |= struck.is_struck_out

    def _counts(self, item: Item) -> bool:
        """By the rule of `hold.counts`; from now on this is the request's last strike."""
        last_strike, item.last_strike = item.last_strike, time.time()
        worked_at = max(self.gate.worked_at, self._worked_at)
        held = self.gate.held is not None
        return counts(last_strike=last_strike, worked_at=worked_at, excused_at=self._excused_at, held=held)

    def _gate_of(self, model: str) -> Gate:
        return self.gates.setdefault(model, Gate(Caps())) if model else self.gate

    # --- What is to be sent ----------------------------------------------------------------------------------

    def probes_with_what_it_has(self) -> bool:
        """Whether it is held and needs no more slices. After a probe that failed it looks once for those of other projects."""
        failed, self._probe_failed = self._probe_failed, False
        return self.gate.held is not None and not failed

    def drop_stopped(self) -> None:
        """Forget the objects of stopped slices; a gate that is shut keeps them from being dropped on the way."""
        for key, queue in list(self._queues.items()):
            left = deque(item for item in queue if item.held.stopped_at is None)
            dropped = len(queue) - len(left)
            if key in self._parked:
                self.parked -= dropped
            else:
                self.ready -= dropped
            if left:
                self._queues[key] = left
            else:
                del self._queues[key]
                self._parked.discard(key)
                if key in self._turns:
                    self._turns.remove(key)

    def slices_of(self, *, lines: float, size: int) -> int:
        """How many slices, if they are as usual, have so many lines, but no more than so many bytes."""
        usual_lines, usual_size = self.usual_slice
        return max(min(math.ceil(lines / usual_lines), size // usual_size), 0)

    def push(self, item: Item) -> None:
        """An object may be sent."""
        key = (item.held.batch_id, item.model)
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = deque()
            self._turns.append(key)
        queue.append(item)
        if self._parked and key in self._parked:
            self.parked += 1
        else:
            self.ready += 1

    def pop(self) -> Item | None:
        """The next object to send, or None. Whatever belongs to a stopped slice is dropped on the way."""
        while self._turns:
            key = self._turns[0]
            queue = self._queues[key]
            if self.gate.held is not None:
                queue.rotate(random.randrange(len(queue)))  # another probe, another kind of request
            item = queue[0]
            stopped = item.held.stopped_at is not None
            if self.gated and not stopped and (gate := self._in_the_way_of(item)):
                if gate is self.gate:
                    return None
                self._park(key)
                continue
            queue.popleft()
            self.ready -= 1
            if not queue:
                self._turns.popleft()
                del self._queues[key]
            elif len(self._turns) > 1:
                self._turns.rotate(-1)
            if not stopped:
                if self.gated:
                    self._let_through(item)
                return item
        return None

    def stay_of(self, batch_id: uuid.UUID) -> Stay | None:
        """What keeps everything of this batch back that could be sent otherwise; None when something can be sent."""
        if self.gate.stay is not None:
            return self.gate.stay
        if self.shut_since is not None and time.monotonic() > self.shut_since + SHUT_SECONDS:
            return Stay(self.shut_since, _IN_USE)
        keys = [key for key in self._queues if key[0] == batch_id]
        stays = [self.gates[model].stay for _, model in keys if model in self.gates]
        held_back = [stay for stay in stays if stay is not None]
        return min(held_back, key=lambda stay: stay.until) if held_back and len(held_back) == len(keys) else None

    def _in_the_way_of(self, item: Item) -> Gate | None:
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

    def _park(self, key: Key) -> None:
        self._turns.remove(key)
        self._parked.add(key)
        self.ready -= len(self._queues[key])
        self.parked += len(self._queues[key])

    def _unpark(self, model: str) -> None:
        for key in [key for key in self._parked if key[1] == model]:
            self._parked.discard(key)
            self._turns.append(key)
            self.ready += len(self._queues[key])
            self.parked -= len(self._queues[key])

    def landed(self, item: Item) -> None:
        """It is not in flight any more: another of its model may be."""
        if item.gate is not None:
            item.gate.in_flight -= 1
            item.gate = None
            self._unpark(item.model)


def _whole(caps: Caps) -> Caps:
    """The limits that the gate of a provider as a whole sees to: the lane itself sees to the concurrency."""
    return Caps(None, caps.requests, caps.tokens)


def _stay_of_breaker(granted: Granted, *, open_for: float) -> Stay:
    grant = granted.grant
    if not open_for:
        return Stay(granted.asked_at + PROBE_SECONDS, f"circuit breaker half open, {grant.open_reason}")
    until = timezone.now() + timedelta(seconds=open_for)
    return Stay(granted.asked_at + open_for, f"circuit breaker open until {until:%H:%M:%S} UTC, {grant.open_reason}")

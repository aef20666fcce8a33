"""Lanes: the ready objects of an executor. There is one lane for each project at each provider."""

import asyncio
import math
import time
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

from batches.engine.executor.lanes.gates import GatedBacklog
from batches.engine.executor.permits import Barrier
from batches.engine.executor.slices import Item
from batches.engine.limits.adaptive import TURNED_AWAY
from batches.engine.limits.asks import Award, Bid, Tally, Why
from batches.engine.limits.breaker import FAILURES, FAULTS, Broken, is_own_fault
from batches.engine.limits.hold import counts, is_strike
from batches.engine.limits.permits import OTHERS_USE_IT
from batches.engine.limits.state import WHOLE
from providers.base import Failure
from providers.failures import Kind

if TYPE_CHECKING:
    from batches.engine.executor.lanes.roads import Road

SHUT_SECONDS = 1.0  # a lane without a share for longer than this is shut, and not only waiting for its first share
PROBE_SECONDS = 1.0  # how long a half-open breaker is reported to stay shut

_IN_USE = "all requests that may be in flight at a time are in use"


class Lane(GatedBacklog):
    """A project's ready objects for one provider, and its share of the concurrency there."""

    def __init__(self, road: "Road") -> None:
        super().__init__(road)
        self.share = 0  # how many requests this executor may have in flight
        # When the share fell to 0 because other executors use all slots of the project while there is work; None otherwise.
        self.shut_since: float | None = None
        # When the share fell to 0 because other projects use all slots of the provider while there is work; None otherwise.
        self.outdone_since: float | None = None
        self.in_flight = 0
        self.senders: set[asyncio.Task[None]] = set()
        self.ask_below = 0  # with fewer ready objects than this the executor takes its turn at once to take up more work
        self.answered = 0  # requests answered since the last turn
        self.rate = 0.0  # requests answered a second, lately
        self.usual_slice = (settings.SLICE_LINES, 1)  # lines and bytes of the last slice
        self.tally = Tally()
        self.must_ask = False  # whether strikes have shut a gate, so that nothing passes it until the limiter has answered
        self.used_at = time.monotonic()  # when the lane was last in use
        self._probe_failed = False
        # In seconds since 1970: the end of the last hold, the end of the last long hold, the last success of any project.
        self._lifted_at = self._excused_at = self._worked_at = -math.inf

    # --- What may be in flight -------------------------------------------------------------------------------

    @property
    def free_slots(self) -> int:
        return max(self.share - len(self.senders), 0)

    @property
    def sendable(self) -> int:
        """How many more senders there is work for."""
        some = min(self.free_slots, self.ready)
        return int(min(some, self.gate.left(now=time.monotonic()))) if self.gated and some else some

    @property
    def wanted(self) -> int:
        """How many requests could be in flight."""
        return self.in_flight + self.ready + self.parked

    @property
    def is_busy(self) -> bool:
        """Whether the lane has objects, senders or a share, or answers to report."""
        return bool(self.wanted or self.share or self.senders or self.tally.answers)

    @property
    def is_urgent(self) -> bool:
        """Whether the lane could send more than it may."""
        return bool(self.must_ask or (self.gated and self.ready + self.parked)) or self.wanted > self.share

    def bid(self, *, now: float) -> Bid:
        """The bid of this lane. The tally of its answers moves into the bid, and begins anew."""
        self.must_ask = False
        could_send = self.share or settings.EXECUTOR_CONCURRENCY
        whole = self.gate.want(
            self.road.caps,
            wanted=min(self.wanted, settings.EXECUTOR_CONCURRENCY),
            in_flight=max(self.in_flight, self.share),  # the lane goes on sending until the answer comes
            could_send=min(self.ready + self.parked, could_send),
            now=now,
        )
        wants = {WHOLE: whole}
        for name, gate in self.gates.items():
            queued = self.queued(name)
            wants[self.road.key_of(name)] = gate.want(
                gate.caps,
                wanted=min(gate.in_flight + queued, settings.EXECUTOR_CONCURRENCY),
                in_flight=gate.in_flight if gate.share == math.inf else max(gate.in_flight, int(gate.share)),
                could_send=min(queued, could_send),
                now=now,
            )
        tally, self.tally = self.tally, Tally()
        return Bid(wants, tally)

    def report_again(self, bid: Bid) -> None:
        """Repeat the reports and returned permits of a bid that the limiter did not hear in the next bid."""
        self.tally = self.tally.after(bid.tally)
        for gate, name in self._gates_by_key(bid.wants):
            gate.report_again(bid.wants[name])
            self.must_ask |= gate.is_struck_out

    def grant(self, award: Award, *, asked_at: float, valid: float, now: float) -> None:
        """Take over the share and the permits that the limiter has granted."""
        names = {self.road.key_of(name): name for name in self.gates}
        for gate, key in self._gates_by_key(award.permits):
            gate.grant(award.permits[key], asked_at=asked_at, valid=valid)
            if key != WHOLE:
                self._unpark(names[key])
                if gate.is_open:
                    del self.gates[names[key]]  # the gate was there only for a hold or a wait, which is over
        whole = award.permits[WHOLE]
        self.share = whole.share or 0
        self.probing = award.broken is not None or self.gate.held is not None
        if award.broken is not None:
            self.gate.barrier = _barrier_of_breaker(award.broken, asked_at=asked_at)
        since = time.time() - (now - asked_at)
        self._lifted_at, self._excused_at = since - award.lifted_for, since - award.excused_for
        self._worked_at = since - award.worked_for
        is_outdone = whole.why is Why.OTHERS
        if is_outdone:
            self.gate.barrier = None  # `outdone_since` announces it, and only once it lasts
        self._look_at_gates()
        is_shut = not self.share and self.gate.barrier is None and bool(self.ready)
        self.outdone_since = (self.outdone_since or now) if is_shut and is_outdone else None
        self.shut_since = (self.shut_since or now) if is_shut and not is_outdone else None

    def hold(self, model: str, seconds: float) -> None:
        """Note that an upstream's limit is used up: the limit of the model, or of the provider if no model is named."""
        if (gate := self._gate_of(model)) is not None:
            gate.hold(seconds)
            self.gated = True

    def note_success(self, item: Item) -> None:
        """Note a success."""
        self.tally.lived, self.tally.failures = True, 0
        self.gate.note_success(item.sent_at)
        if self.gates and (gate := self.gates.get(item.model)):
            gate.note_success(item.sent_at)

    def note_failure(self, item: Item, failure: Failure) -> bool:
        """Note a failure. Return whether it counts against the request's attempts, as far as the provider decides that.

        After FAILURES faults or STRIKES strikes in a row nothing more is sent until the limiter has answered. A fault of which
        the request itself is the reason is not counted among them, unless the request was a probe.
        """
        tally = self.tally
        tally.failed += 1
        tally.refused += failure.kind is Kind.RATE_LIMITED
        tally.turned_away += failure.kind in TURNED_AWAY
        tally.unanswered += failure.kind in FAULTS and not failure.kind.answered
        if failure.kind in FAULTS:
            if not self._is_own_fault(item, failure) or self.probing:
                tally.failures += 1
                tally.kind = failure.kind.value
            if self.probing:
                self._probe_failed = True
                item.held.strikes += 1
            if tally.failures >= FAILURES:
                self.share = 0
        elif failure.kind.answered:
            tally.lived, tally.failures = True, 0
        is_own = failure.kind.is_of_account and self._counts(item)
        # The answer to a request from before the end of a hold says nothing about the account now.
        self._note_at_gates(item, failure, strikes=is_strike(failure) and not is_own and item.sent_at >= self._lifted_at)
        return is_own or not failure.kind.is_of_account

    def _note_at_gates(self, item: Item, failure: Failure, *, strikes: bool) -> None:
        """Note a failure at the gates. A failure of the account is a strike at the provider's gate, any other at the model's."""
        gates = [self.gate, *filter(None, (self.gates.get(item.model),))]
        struck = (self.gate if failure.kind.is_of_account else self._gate_of(item.model)) if strikes else None
        if failure.kind in FAULTS:
            for gate in gates:
                gate.note_fault()
        elif struck is None:
            for gate in gates:
                gate.note_answer()
        else:
            struck.note_strike(failure.kind)
            item.held.strikes += 1
            self.gated, self._probe_failed = True, True
            self.must_ask |= struck.is_struck_out

    def _is_own_fault(self, item: Item, failure: Failure) -> bool:
        """Whether the request is the reason for its fault, by the rule of `breaker.is_own_fault`. Its first fault is noted."""
        first, worked_at = item.first_fault, max(self.gate.worked_at, self._worked_at)
        if first is None:
            item.first_fault = item.sent_at
        return is_own_fault(failure.kind, first_fault=first, worked_at=worked_at)

    def _counts(self, item: Item) -> bool:
        """Whether a failure of the account counts, by the rule of `hold.counts`. It becomes the request's last strike."""
        last_strike, item.last_strike = item.last_strike, time.time()
        worked_at = max(self.gate.worked_at, self._worked_at)
        held = self.gate.held is not None
        return counts(last_strike=last_strike, worked_at=worked_at, excused_at=self._excused_at, held=held)

    # --- What is to be sent ----------------------------------------------------------------------------------

    def probes_with_what_it_has(self) -> bool:
        """Whether the lane sends probes and needs no more slices. After a failed probe it takes up slices of others once."""
        failed, self._probe_failed = self._probe_failed, False
        return self.probing and not failed

    def slices_of(self, *, lines: float, size: int) -> int:
        """How many slices of the usual size have so many lines together, and no more than `size` bytes."""
        usual_lines, usual_size = self.usual_slice
        return max(min(math.ceil(lines / usual_lines), size // usual_size), 0)

    def barrier_for(self, batch_id: uuid.UUID) -> Barrier | None:
        """Why no ready object of this batch can be sent; None if one of them can."""
        if self.gate.barrier is not None:
            return self.gate.barrier
        long_ago = time.monotonic() - SHUT_SECONDS
        if self.outdone_since is not None and self.outdone_since < long_ago:
            return Barrier(self.outdone_since, OTHERS_USE_IT, Why.OTHERS)
        if self.shut_since is not None and self.shut_since < long_ago:
            return Barrier(self.shut_since, _IN_USE, Why.LIMIT)
        models = self.models_of(batch_id)
        barriers = [self.gates[model].barrier for model in models if model in self.gates]
        held_back = [barrier for barrier in barriers if barrier is not None]
        return min(held_back, key=lambda barrier: barrier.until) if held_back and len(held_back) == len(models) else None


def _barrier_of_breaker(broken: Broken, *, asked_at: float) -> Barrier:
    if not broken.open_for:
        return Barrier(asked_at + PROBE_SECONDS, f"circuit breaker half open, {broken.reason}", Why.BREAKER)
    until = timezone.now() + timedelta(seconds=broken.open_for)
    return Barrier(asked_at + broken.open_for, f"circuit breaker open until {until:%H:%M:%S} UTC, {broken.reason}", Why.BREAKER)

"""Lanes: what one executor has to send. One lane for each project at each provider, with the objects that are ready."""

import asyncio
import math
import time
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

from batches.engine.executor.lanes.gated import GatedBacklog
from batches.engine.executor.permits import Stay
from batches.engine.executor.slices import Item
from batches.engine.limits.adaptive import TURNED_AWAY
from batches.engine.limits.asks import Award, Bid, Tally, Why
from batches.engine.limits.breaker import FAILURES, FAULTS, Broken
from batches.engine.limits.hold import counts, is_strike
from batches.engine.limits.permits import OTHERS_USE_IT
from batches.engine.limits.state import WHOLE
from providers.base import Failure

if TYPE_CHECKING:
    from batches.engine.executor.lanes.roads import Road

SHUT_SECONDS = 1.0  # a lane that has no share for longer was not just without a wish for one when it asked
PROBE_SECONDS = 1.0  # a half-open breaker is said to stay shut for so long

_IN_USE = "all requests that may be in flight at a time are in use"


class Lane(GatedBacklog):
    """A project's objects for one provider, and what may be sent of them. What only its model's limits keep back is parked."""

    def __init__(self, road: "Road") -> None:
        super().__init__(road)
        self.share = 0  # requests this executor may have in flight
        # When the share fell to 0 although there was something to send, since other executors use all of the project's.
        self.shut_since: float | None = None
        self.outdone_since: float | None = None  # the same, since other projects use all of the provider's
        self.in_flight = 0
        self.senders: set[asyncio.Task[None]] = set()
        self.ask_below = 0  # ready objects; with fewer than these, more work is asked for, once
        self.answered = 0  # requests, since the last turn
        self.rate = 0.0  # of them a second, lately
        self.usual_slice = (settings.SLICE_LINES, 1)  # lines and bytes of the last one
        self.tally = Tally()
        self.must_ask = False  # a gate was shut after strikes: nothing of it is sent before the desk was asked
        self.used_at = time.monotonic()  # when there was something on it
        self._probe_failed = False
        # In seconds since 1970: the end of the last hold and of the last long one, and the last success of any project.
        self._lifted_at = self._excused_at = self._worked_at = -math.inf

    # --- What may be in flight -------------------------------------------------------------------------------

    @property
    def free_slots(self) -> int:
        return max(self.share - len(self.senders), 0)

    @property
    def sendable(self) -> int:
        """How many senders there is work for, beside those that run."""
        some = min(self.free_slots, self.ready)
        return int(min(some, self.gate.left(now=time.monotonic()))) if self.gated and some else some

    @property
    def wanted(self) -> int:
        """Requests that could be in flight."""
        return self.in_flight + self.ready + self.parked

    @property
    def is_busy(self) -> bool:
        """Whether there is anything on it, or anything to tell."""
        return bool(self.wanted or self.share or self.senders or self.tally.answers)

    @property
    def is_urgent(self) -> bool:
        """Whether more could be sent than may be."""
        return bool(self.must_ask or (self.gated and self.ready + self.parked)) or self.wanted > self.share

    def bid(self, *, now: float) -> Bid:
        """What it wants, and what came back. That is taken out on the way."""
        self.must_ask = False
        could_send = self.share or settings.EXECUTOR_CONCURRENCY
        whole = self.gate.want(
            self.road.caps,
            wanted=min(self.wanted, settings.EXECUTOR_CONCURRENCY),
            in_flight=max(self.in_flight, self.share),  # it goes on sending until it hears the answer
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

    def tell_again(self, bid: Bid) -> None:
        """The limiter did not get this bid. The next one repeats what it told and gave back."""
        self.tally = self.tally.after(bid.tally)
        for gate, name in self._gates_by_key(bid.wants):
            gate.tell_again(bid.wants[name])
            self.must_ask |= gate.is_struck_out

    def grant(self, award: Award, *, asked_at: float, valid: float, now: float) -> None:
        """So much may be sent from now on."""
        names = {self.road.key_of(name): name for name in self.gates}
        for gate, key in self._gates_by_key(award.permits):
            gate.grant(award.permits[key], asked_at=asked_at, valid=valid)
            if key != WHOLE:
                self._unpark(names[key])
                if gate.is_open:
                    del self.gates[names[key]]  # the upstream had it held; that is over
        whole = award.permits[WHOLE]
        self.share = whole.share or 0
        self.probing = award.broken is not None or self.gate.held is not None
        if award.broken is not None:
            self.gate.stay = _stay_of_breaker(award.broken, asked_at=asked_at)
        since = time.time() - (now - asked_at)
        self._lifted_at, self._excused_at = since - award.lifted_for, since - award.excused_for
        self._worked_at = since - award.worked_for
        is_outdone = whole.why is Why.OTHERS
        if is_outdone:
            self.gate.stay = None  # said once that lasts
        self._look_at_gates()
        is_shut = not self.share and self.gate.stay is None and bool(self.ready)
        self.outdone_since = (self.outdone_since or now) if is_shut and is_outdone else None
        self.shut_since = (self.shut_since or now) if is_shut and not is_outdone else None

    def hold(self, model: str, seconds: float) -> None:
        """The upstream says that a limit is used up: that of the model, if the request named one."""
        if (gate := self._gate_of(model)) is not None:
            gate.hold(seconds)
            self.gated = True

    def note_success(self, item: Item) -> None:
        """The upstream works."""
        self.tally.lived, self.tally.failures = True, 0
        self.gate.note_success(item.sent_at)
        if self.gates and (gate := self.gates.get(item.model)):
            gate.note_success(item.sent_at)

    def note_failure(self, item: Item, failure: Failure) -> bool:
        """Something went wrong; whether it counts against the request's attempts, as far as the provider decides that.

        After many faults, or a few strikes, in a row nothing more is sent until the limiter has been asked.
        """
        tally = self.tally
        tally.turned_away += failure.kind in TURNED_AWAY
        if failure.kind in FAULTS:
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
        # What was sent during a hold says nothing of now.
        self._note_at_gates(item, failure, strikes=is_strike(failure) and not is_own and item.sent_at >= self._lifted_at)
        return is_own or not failure.kind.is_of_account

    def _note_at_gates(self, item: Item, failure: Failure, *, strikes: bool) -> None:
        """An account is the whole provider's; what else is a strike is the model's, if the request named one."""
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

    def _counts(self, item: Item) -> bool:
        """By the rule of `hold.counts`; from now on this is the request's last strike."""
        last_strike, item.last_strike = item.last_strike, time.time()
        worked_at = max(self.gate.worked_at, self._worked_at)
        held = self.gate.held is not None
        return counts(last_strike=last_strike, worked_at=worked_at, excused_at=self._excused_at, held=held)

    # --- What is to be sent ----------------------------------------------------------------------------------

    def probes_with_what_it_has(self) -> bool:
        """Whether it sends probes and needs no more slices. After one that failed it looks once for those of other batches."""
        failed, self._probe_failed = self._probe_failed, False
        return self.probing and not failed

    def slices_of(self, *, lines: float, size: int) -> int:
        """How many slices, if they are as usual, have so many lines, but no more than so many bytes."""
        usual_lines, usual_size = self.usual_slice
        return max(min(math.ceil(lines / usual_lines), size // usual_size), 0)

    def stay_of(self, batch_id: uuid.UUID) -> Stay | None:
        """What keeps everything of this batch back that could be sent otherwise; None when something can be sent."""
        if self.gate.stay is not None:
            return self.gate.stay
        long_ago = time.monotonic() - SHUT_SECONDS
        if self.outdone_since is not None and self.outdone_since < long_ago:
            return Stay(self.outdone_since, OTHERS_USE_IT, Why.OTHERS)
        if self.shut_since is not None and self.shut_since < long_ago:
            return Stay(self.shut_since, _IN_USE, Why.LIMIT)
        models = self.models_of(batch_id)
        stays = [self.gates[model].stay for model in models if model in self.gates]
        held_back = [stay for stay in stays if stay is not None]
        return min(held_back, key=lambda stay: stay.until) if held_back and len(held_back) == len(models) else None


def _stay_of_breaker(broken: Broken, *, asked_at: float) -> Stay:
    if not broken.open_for:
        return Stay(asked_at + PROBE_SECONDS, f"circuit breaker half open, {broken.reason}", Why.BREAKER)
    until = timezone.now() + timedelta(seconds=broken.open_for)
    return Stay(asked_at + broken.open_for, f"circuit breaker open until {until:%H:%M:%S} UTC, {broken.reason}", Why.BREAKER)

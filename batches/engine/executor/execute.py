"""The executor: leases slices, keeps many requests in flight on one event loop, and hands in what came of them.

Two things go on at once. Senders (`senders`) take ready objects, call the provider's adapter and put what came of them
into an outbox. The keeper, one coroutine here, takes turns at the desk (`desk`), a thread with its own database
connection, to hand the outbox in, renew leases, take up new slices and ask for a share of concurrency.
"""

import asyncio
import logging
import math
import time
import uuid
from collections.abc import Mapping, Set
from datetime import datetime, timedelta

import uvloop
from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone
from uuid_utils.compat import uuid7

from batches.engine import gc_tuning as collector
from batches.engine import shutdown
from batches.engine.executor import backoff
from batches.engine.executor.appetite import AHEAD_SECONDS, appetite
from batches.engine.executor.db_turn import Answer, Desk, Turn
from batches.engine.executor.lanes.lane import Lane
from batches.engine.executor.lanes.roads import Road
from batches.engine.executor.lanes.upstreams import Demand
from batches.engine.executor.outbox import HandedIn, Outbox
from batches.engine.executor.senders import Senders
from batches.engine.executor.slices import Held, Item, beyond_probes
from batches.engine.executor.take_up import Taken
from batches.engine.executor.throttle_notices import Announcements
from batches.services.core import wake
from batches.services.lifecycle.claim import Appetite, anything_to_claim
from batches.services.lifecycle.settle import Report
from batches.services.tally.workers import take_seat
from providers.base import Adapter
from providers.budget import Budget
from providers.failures import Kind

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.25  # how often a free executor looks for new slices
LET_GO_SECONDS = 2.0  # a slice whose objects all wait longer than this is given back meanwhile
HAND_IN_SECONDS = 1.0  # before others give a stopped batch its end, to hand in what is in flight, or give it up
OBSTRUCTED_SECONDS = 60.0  # after so long an executor leaves its seat to one that may carry out what it cannot


def run() -> None:
    """Run an executor in this thread until it has been idle for a while, had its time, or its process is to end.

    Returns at once when enough executors run already, or none should any more.
    """
    if shutdown.stopping.is_set():
        return  # without a wake: this very process would hear it
    executor = Executor()
    if not take_seat(executor.id, now=timezone.now()):
        return
    collector.tune()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(executor.run())
    close_old_connections()  # this thread's own has not been used for long
    if anything_to_claim(now=timezone.now()):
        wake.execute()  # it came up too late for this one, or its process is to end


class Executor:
    """One run of an executor."""

    def __init__(self) -> None:
        self.id = uuid7()
        self.roads: dict[uuid.UUID, Road] = {}
        self._retired: list[Adapter] = []  # of providers whose settings have changed; they may have calls in flight
        self.held: dict[uuid.UUID, Held] = {}
        self._turned_at = time.monotonic()
        self._ends_at = time.monotonic() + settings.EXECUTOR_SECONDS
        self._takes_up = True
        self._budget = Budget(settings.EXECUTOR_ANSWER_BYTES)
        self._outbox = Outbox(self._budget)
        self._due = asyncio.Event()  # the keeper should take its turn now
        self._senders = Senders(self.roads, self._outbox, self._due)
        self._announcements = Announcements()

    async def run(self) -> None:
        """Work until idle, told to stop or at the end of its time; let what is in flight settle; hand everything in, and go."""
        Budget.current.set(self._budget)
        desk = Desk(self.id)
        try:
            await self._work(desk)
            await self._bring_home(desk)
        finally:
            await self._close()
            await desk.close()

    async def _close(self) -> None:
        for lane in self._lanes():
            for task in lane.senders:
                task.cancel()
        adapters = [*(road.adapter for road in self.roads.values()), *self._retired]
        await asyncio.gather(*(adapter.close() for adapter in adapters), return_exceptions=True)  # each, whatever another says

    def _lanes(self) -> list[Lane]:
        return [lane for road in self.roads.values() for lane in road]

    # --- The keeper ------------------------------------------------------------------------------------------

    async def _work(self, desk: Desk) -> None:
        idle_since = time.monotonic()
        while self._takes_up and not shutdown.stopping.is_set() and time.monotonic() < self._ends_at:
            await self._take_turn(desk)
            if self.held:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > settings.EXECUTOR_IDLE_SECONDS:
                return
            await self._until_due()

    async def _bring_home(self, desk: Desk) -> None:
        """Send nothing more. What is in flight may take its time, unless the process is to end; another goes on meanwhile."""
        self._takes_up = False
        if self.held and not shutdown.stopping.is_set():
            await desk.leave_seat()
        while self.held:
            now = time.monotonic()
            for held in self.held.values():
                if shutdown.stopping.is_set():
                    held.end(now=now)
                else:
                    held.hold_back(now=now)
            await self._take_turn(desk)
            if self.held:
                await self._until_due()

    async def _until_due(self) -> None:
        seconds = settings.FLUSH_SECONDS if self._outbox.has_rows else LOOK_SECONDS
        try:
            async with asyncio.timeout(seconds):
                await self._due.wait()
        except TimeoutError:
            pass
        self._due.clear()

    async def _take_turn(self, desk: Desk) -> None:
        """Take a turn at the desk. Whatever goes wrong with it, the next one is taken: others' calls are in flight here."""
        try:
            await self._hand_in_and_take_up(desk)
        except Exception:
            logger.exception("a turn failed; the next one goes on")
            await asyncio.sleep(LOOK_SECONDS)

    async def _hand_in_and_take_up(self, desk: Desk) -> None:
        """What was not recorded stays in the outbox; what nobody heard is told again."""
        self._abort_overdue()
        began = time.monotonic()
        handed_in = self._outbox.take()
        demands: dict[uuid.UUID, Demand] = {}
        try:
            report = self._report(handed_in)
            demands = self._demands()
            answer = await desk.take(Turn(report, demands, self._appetite()))
        except BaseException:
            self._outbox.put_back(handed_in)
            self._tell_again(demands)
            raise
        if answer is None:
            self._outbox.put_back(handed_in)
            self._tell_again(demands)
            for slice_id, until in report.done.items():
                if until is not None:
                    self._senders.resume(self.held[slice_id])
            return
        self._outbox.has_handed_in(handed_in)
        self._senders.leased_until = began + settings.LEASE_SECONDS
        now = time.monotonic()
        self._note_rates(now=now)
        self._tell_again(demands, heard=answer.granted.keys(), unsure=answer.unsure)
        self._apply(answer, report)

    def _tell_again(
        self, demands: Mapping[uuid.UUID, Demand], *, heard: Set[uuid.UUID] = frozenset(), unsure: Set[uuid.UUID] = frozenset()
    ) -> None:
        """The limiter did not answer to these demands, but for those that it has heard."""
        for provider_id, demand in demands.items():
            if demand.ask is not None and provider_id not in heard:
                self.roads[provider_id].tell_again(demand.ask.without_returned() if provider_id in unsure else demand.ask)

    def _report(self, handed_in: HandedIn) -> Report:
        # Before slices are stopped in order to let go of them.
        throttled = self._announcements.due(self.held.values(), self._senders.lane_of)
        self._let_go_of_held()
        # If two slices of one batch are held, keep the batch object of the running one.
        last = sorted(self.held.values(), key=lambda held: held.stopped_at is None)
        return Report(
            batches={held.batch_id: held.batch for held in last},
            epochs={slice_id: held.lease.epoch for slice_id, held in self.held.items()},
            settled=handed_in.settled,
            tried=handed_in.tried,
            done=self._done(),
            throttled=throttled,
        )

    def _done(self) -> dict[uuid.UUID, datetime | None]:
        """The slices to let go of, and until when each of their objects waits, if that is long."""
        done: dict[uuid.UUID, datetime | None] = {}
        now, soon = time.monotonic(), timezone.now() + timedelta(seconds=LET_GO_SECONDS)
        left_over = self._outbox.slices()
        for slice_id, held in self.held.items():
            if slice_id in left_over:
                continue
            shut_since = self._senders.lane_of(held).shut_since
            if held.is_done:
                done[slice_id] = None
            elif held.only_waits() and (soonest := min(wait.until for wait in held.waiting.values())) > soon:
                held.stop(now=now)
                done[slice_id] = soonest
            elif shut_since is not None and now > shut_since + LET_GO_SECONDS:
                held.hold_back(now=now)  # other executors use all of the project's slots: they may have it
        return done

    def _let_go_of_held(self) -> None:
        """A lane that sends nothing but probes needs few slices for them; what is in flight of the others settles."""
        now = time.monotonic()
        for lane in self._lanes():
            if lane.probing:
                mine = [one for one in self.held.values() if self._senders.lane_of(one) is lane and one.stopped_at is None]
                for held in beyond_probes(mine):
                    held.hold_back(now=now)
                lane.drop_stopped()

    def _demands(self) -> dict[uuid.UUID, Demand]:
        now = time.monotonic()
        return {provider_id: road.demand(now=now) for provider_id, road in self.roads.items()}

    def _note_rates(self, *, now: float) -> None:
        """How fast each lane got on since the last turn."""
        seconds = max(now - self._turned_at, 0.001)
        self._turned_at = now
        for lane in self._lanes():
            lane.rate = 0.6 * lane.rate + 0.4 * lane.answered / seconds
            lane.answered = 0

    def _appetite(self) -> Appetite | None:
        """What to take up; None while nothing can be recorded, or when it is to end."""
        if not self._takes_up or self._outbox.is_full:
            return None
        lanes = {(provider_id, project_id): lane for provider_id, road in self.roads.items() for project_id, lane in road.lanes()}
        return appetite(lanes, self.held.values())

    def _apply(self, answer: Answer, report: Report) -> None:
        now = time.monotonic()
        self._takes_up = self._takes_up and answer.seated
        if answer.obstructed:
            self._ends_at = min(self._ends_at, now + OBSTRUCTED_SECONDS)
        for slice_id in report.done:
            self.held.pop(slice_id, None)
        for slice_id in answer.receipt.lost:
            if held := self.held.pop(slice_id, None):
                held.abort(now=now)
        self._outbox.forget(answer.receipt.lost)
        for held in self.held.values():
            if (since := answer.receipt.stopped.get(held.batch_id)) is not None:
                held.end(now=now - max((timezone.now() - since).total_seconds(), 0))
            elif held.batch_id in answer.receipt.held_back:
                held.hold_back(now=now)
        for opened in answer.opened:
            if road := self.roads.get(opened.provider_id):
                if opened.adapter is not None:
                    self._retired.append(road.adapter)
                    road.adapter = opened.adapter
                road.heed(opened)
            else:
                self.roads[opened.provider_id] = Road(opened)
        for taken in answer.taken:
            self._take_up(taken)
        for provider_id, granted in answer.granted.items():
            if road := self.roads.get(provider_id):
                road.grant(granted, now=now)
        for lane in self._lanes():
            # Where this turn brought work there may be more: look again before the lanes run dry.
            lane.ask_below = math.ceil(lane.rate * AHEAD_SECONDS / 2) if answer.taken else 0
            self._senders.fill(lane)
            if answer.taken and lane.gated:
                self._due.set()  # permits for what was just taken up are asked for at once

    def _take_up(self, taken: Taken) -> None:
        batch = taken.batch
        now = timezone.now()
        deadline = time.monotonic() + (batch.expires_at - now).total_seconds()
        size = sum(len(body) for _, body, _ in taken.objects)
        held = self.held[taken.lease.piece.pk] = Held(batch, taken.lease, deadline, open=len(taken.objects), size=size)
        lane = self._senders.lane_of(held)
        lane.usual_slice = (max(len(taken.objects), 1), max(size, 1))
        for waiting, body, model in taken.objects:
            item = Item(
                held,
                line=waiting.line,
                round=waiting.round,
                body=body,
                attempts=waiting.attempts,
                counted=sum(count for kind, count in waiting.failures.items() if Kind(kind) not in backoff.THROTTLED),
                answered=waiting.answered,
                model=model,
                last_strike=None if waiting.last_strike is None else waiting.last_strike.timestamp(),
            )
            if waiting.not_before is not None and waiting.not_before > now:
                self._senders.put_off(item, waiting.not_before)
            else:
                lane.push(item)

    def _abort_overdue(self) -> None:
        """What was in flight when its batch stopped has had its time to settle. Others give the batch its end soon."""
        grace = settings.CANCEL_GRACE_SECONDS
        latest = time.monotonic() - (grace - min(HAND_IN_SECONDS, grace / 4))
        for held in self.held.values():
            if held.stopped_at is not None and not held.held_back and held.stopped_at < latest:
                held.abort(now=time.monotonic())

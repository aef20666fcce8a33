"""The executor: leases slices, keeps many requests in flight on one event loop, and hands in what came of them.

Two things go on at once. Senders (`senders`) take ready objects, call the provider's adapter and put what came of them
into an outbox. The keeper, one coroutine here, takes turns at the desk (`db_turn`), a thread with its own database
connection, to hand the outbox in, renew leases, take up new slices and ask for a share of concurrency.
"""

import asyncio
import logging
import math
import time
import uuid
from collections.abc import Mapping, Set

import uvloop
from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone
from uuid_utils.compat import uuid7

from batches.engine import gc_tuning as collector
from batches.engine import shutdown
from batches.engine.executor.appetite import AHEAD_SECONDS, appetite
from batches.engine.executor.db_turn import Answer, DatabaseTurns, Turn
from batches.engine.executor.holdings import Holdings
from batches.engine.executor.lanes.lane import Lane
from batches.engine.executor.lanes.roads import Road
from batches.engine.executor.lanes.upstreams import Demand
from batches.engine.executor.outbox import Outbox
from batches.engine.executor.senders import Senders
from batches.services.core import wake
from batches.services.lifecycle.claim import Appetite, anything_to_claim
from batches.services.lifecycle.settle import Report
from batches.services.tally.workers import take_seat
from providers.base import Adapter
from providers.budget import Budget

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.25  # how often a free executor looks for new slices
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
        self._turned_at = time.monotonic()
        self._ends_at = time.monotonic() + settings.EXECUTOR_SECONDS
        self._takes_up = True
        self._budget = Budget(settings.EXECUTOR_ANSWER_BYTES)
        self._outbox = Outbox(self._budget)
        self._due = asyncio.Event()  # the keeper should take its turn now
        self._senders = Senders(self.roads, self._outbox, self._due)
        self.holdings = Holdings(self._senders, self._outbox)

    async def run(self) -> None:
        """Work until idle, told to stop or at the end of its time; let what is in flight settle; hand everything in, and go."""
        Budget.current.set(self._budget)
        desk = DatabaseTurns(self.id)
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

    async def _work(self, desk: DatabaseTurns) -> None:
        idle_since = time.monotonic()
        while self._takes_up and not shutdown.stopping.is_set() and time.monotonic() < self._ends_at:
            await self._take_turn(desk)
            if self.holdings.held:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > settings.EXECUTOR_IDLE_SECONDS:
                return
            await self._until_due()

    async def _bring_home(self, desk: DatabaseTurns) -> None:
        """Send nothing more. What is in flight may take its time, unless the process is to end; another goes on meanwhile."""
        self._takes_up = False
        if self.holdings.held and not shutdown.stopping.is_set():
            await desk.leave_seat()
        while self.holdings.held:
            self.holdings.send_no_more(at_once=shutdown.stopping.is_set())
            await self._take_turn(desk)
            if self.holdings.held:
                await self._until_due()

    async def _until_due(self) -> None:
        seconds = settings.FLUSH_SECONDS if self._outbox.has_rows else LOOK_SECONDS
        try:
            async with asyncio.timeout(seconds):
                await self._due.wait()
        except TimeoutError:
            pass
        self._due.clear()

    async def _take_turn(self, desk: DatabaseTurns) -> None:
        """Take a turn at the desk. Whatever goes wrong with it, the next one is taken: others' calls are in flight here."""
        try:
            await self._hand_in_and_take_up(desk)
        except Exception:
            logger.exception("a turn failed; the next one goes on")
            await asyncio.sleep(LOOK_SECONDS)

    async def _hand_in_and_take_up(self, desk: DatabaseTurns) -> None:
        """What was not recorded stays in the outbox; what nobody heard is told again."""
        self.holdings.abort_overdue()
        began = time.monotonic()
        handed_in = self._outbox.take()
        demands: dict[uuid.UUID, Demand] = {}
        try:
            report = self.holdings.report(handed_in, lanes=self._lanes())
            demands = self._demands()
            answer = await desk.take(Turn(report, demands, self._appetite()))
        except BaseException:
            self._outbox.put_back(handed_in)
            self._tell_again(demands)
            raise
        if answer is None:
            self._outbox.put_back(handed_in)
            self._tell_again(demands)
            self.holdings.take_back(report.done)
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
        return appetite(lanes, self.holdings.held.values())

    def _apply(self, answer: Answer, report: Report) -> None:
        now = time.monotonic()
        self._takes_up = self._takes_up and answer.seated
        if answer.obstructed:
            self._ends_at = min(self._ends_at, now + OBSTRUCTED_SECONDS)
        self.holdings.heed(answer.receipt, done=report.done, now=now)
        for opened in answer.opened:
            if road := self.roads.get(opened.provider_id):
                if opened.adapter is not None:
                    self._retired.append(road.adapter)
                    road.adapter = opened.adapter
                road.heed(opened)
            else:
                self.roads[opened.provider_id] = Road(opened)
        for taken in answer.taken:
            self.holdings.take_up(taken)
        for provider_id, granted in answer.granted.items():
            if road := self.roads.get(provider_id):
                road.grant(granted, now=now)
        for lane in self._lanes():
            # Where this turn brought work there may be more: look again before the lanes run dry.
            lane.ask_below = math.ceil(lane.rate * AHEAD_SECONDS / 2) if answer.taken else 0
            self._senders.fill(lane)
            if answer.taken and lane.gated:
                self._due.set()  # permits for what was just taken up are asked for at once

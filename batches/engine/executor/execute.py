"""The executor: it leases slices, keeps many requests in flight on one event loop, and hands in their outcomes.

Two things go on at once. Senders (`senders`) take ready objects, call the provider's adapter, and put the outcomes into an
outbox. The keeper, one coroutine in this file, takes turns at the database thread (`db_turn`), which has a connection of its
own. In each turn it records the outbox, renews leases, takes up new slices and asks the limiter.
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
from batches.engine.executor.db_turn import Answer, DatabaseThread, Turn
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
OBSTRUCTED_SECONDS = 60.0  # an executor with work that it cannot carry out leaves its seat to another one after this long


def run() -> None:
    """Run an executor in this thread until it has been idle for a while, its time is over, or its process is to end.

    Return at once when all seats are taken, or when the process is to end.
    """
    if shutdown.stopping.is_set():
        return  # a wake would come back to this process, so none is sent
    executor = Executor()
    if not take_seat(executor.id, now=timezone.now()):
        return
    collector.tune()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(executor.run())
    close_old_connections()  # the connection of this thread has been idle for as long as the executor ran
    if anything_to_claim(now=timezone.now()):
        wake.execute()  # work that this executor did not take up before its end


class Executor:
    """One run of an executor."""

    def __init__(self) -> None:
        self.id = uuid7()
        self.roads: dict[uuid.UUID, Road] = {}
        self._retired: list[Adapter] = []  # replaced when their provider's settings changed; calls may be in flight on them
        self._turned_at = time.monotonic()
        self._ends_at = time.monotonic() + settings.EXECUTOR_SECONDS
        self._takes_up = True
        self._budget = Budget(settings.EXECUTOR_ANSWER_BYTES)
        self._outbox = Outbox(self._budget)
        self._due = asyncio.Event()  # the keeper should take its turn now
        self._senders = Senders(self.roads, self._outbox, self._due)
        self.holdings = Holdings(self._senders, self._outbox)

    async def run(self) -> None:
        """Work until the executor is idle, told to stop, or out of time. Then let the requests in flight settle, and end."""
        Budget.current.set(self._budget)
        database = DatabaseThread(self.id)
        try:
            await self._work(database)
            await self._bring_home(database)
        finally:
            await self._close()
            await database.close()

    async def _close(self) -> None:
        for lane in self._lanes():
            for task in lane.senders:
                task.cancel()
        adapters = [*(road.adapter for road in self.roads.values()), *self._retired]
        # An adapter that fails to close does not keep the others open.
        await asyncio.gather(*(adapter.close() for adapter in adapters), return_exceptions=True)

    def _lanes(self) -> list[Lane]:
        return [lane for road in self.roads.values() for lane in road]

    # --- The keeper ------------------------------------------------------------------------------------------

    async def _work(self, database: DatabaseThread) -> None:
        idle_since = time.monotonic()
        while self._takes_up and not shutdown.stopping.is_set() and time.monotonic() < self._ends_at:
            await self._take_turn(database)
            if self.holdings.held:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > settings.EXECUTOR_IDLE_SECONDS:
                return
            await self._until_due()

    async def _bring_home(self, database: DatabaseThread) -> None:
        """Send nothing more, and wait for the requests in flight while another executor takes the seat.

        The requests may take their time unless the process is to end.
        """
        self._takes_up = False
        if self.holdings.held and not shutdown.stopping.is_set():
            await database.leave_seat()
        while self.holdings.held:
            self.holdings.send_no_more(at_once=shutdown.stopping.is_set())
            await self._take_turn(database)
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

    async def _take_turn(self, database: DatabaseThread) -> None:
        """Take a turn at the database thread. A turn that fails is logged only: the requests in flight need the next turn."""
        try:
            await self._hand_in_and_take_up(database)
        except Exception:
            logger.exception("a turn failed; the next one goes on")
            await asyncio.sleep(LOOK_SECONDS)

    async def _hand_in_and_take_up(self, database: DatabaseThread) -> None:
        """Bring the outbox to the database thread. Unrecorded outcomes go back into it, unheard asks into the next turn."""
        self.holdings.abort_overdue()
        began = time.monotonic()
        handed_in = self._outbox.take()
        demands: dict[uuid.UUID, Demand] = {}
        try:
            report = self.holdings.report(handed_in, lanes=self._lanes())
            demands = self._demands()
            answer = await database.take(Turn(report, demands, self._appetite()))
        except BaseException:
            self._outbox.put_back(handed_in)
            self._report_again(demands)
            raise
        if answer is None:
            self._outbox.put_back(handed_in)
            self._report_again(demands)
            self.holdings.take_back(report.done)
            return
        self._outbox.has_handed_in(handed_in)
        self._senders.leased_until = began + settings.LEASE_SECONDS
        now = time.monotonic()
        self._note_rates(now=now)
        self._report_again(demands, heard=answer.granted.keys(), unsure=answer.unsure)
        self._apply(answer, report)

    def _report_again(
        self, demands: Mapping[uuid.UUID, Demand], *, heard: Set[uuid.UUID] = frozenset(), unsure: Set[uuid.UUID] = frozenset()
    ) -> None:
        """Repeat in the next turn the asks that the limiter did not hear. If it may have heard one, return no permits twice."""
        for provider_id, demand in demands.items():
            if demand.ask is not None and provider_id not in heard:
                self.roads[provider_id].report_again(demand.ask.without_returned() if provider_id in unsure else demand.ask)

    def _demands(self) -> dict[uuid.UUID, Demand]:
        now, since = time.monotonic(), self.holdings.flying_since()
        return {provider_id: road.demand(now=now, since=since.get(provider_id)) for provider_id, road in self.roads.items()}

    def _note_rates(self, *, now: float) -> None:
        """Update the rate of each lane by the answers since the last turn."""
        seconds = max(now - self._turned_at, 0.001)
        self._turned_at = now
        for lane in self._lanes():
            lane.rate = 0.6 * lane.rate + 0.4 * lane.answered / seconds
            lane.answered = 0

    def _appetite(self) -> Appetite | None:
        """How many more slices to take up; None while the outbox is full, or when the executor is to end."""
        if not self._takes_up or self._outbox.is_full:
            return None
        lanes = {(provider_id, project_id): lane for provider_id, road in self.roads.items() for project_id, lane in road.lanes()}
        return appetite(lanes, self.holdings.held.values())

    def _apply(self, answer: Answer, report: Report) -> None:
        now = time.monotonic()
        self._takes_up = self._takes_up and answer.seated
        if answer.obstructed:
            self._ends_at = min(self._ends_at, now + OBSTRUCTED_SECONDS)
        self.holdings.apply(answer.receipt, done=report.done, now=now)
        for opened in answer.opened:
            if road := self.roads.get(opened.provider_id):
                if opened.adapter is not None:
                    self._retired.append(road.adapter)
                    road.adapter = opened.adapter
                road.update(opened)
            else:
                self.roads[opened.provider_id] = Road(opened)
        for taken in answer.taken:
            self.holdings.take_up(taken)
        for provider_id, granted in answer.granted.items():
            if road := self.roads.get(provider_id):
                road.grant(granted, now=now)
        for lane in self._lanes():
            # A turn that brought work suggests more work: take the next turn before the lanes are empty.
            lane.ask_below = math.ceil(lane.rate * AHEAD_SECONDS / 2) if answer.taken else 0
            self._senders.fill(lane)
            if answer.taken and lane.gated:
                self._due.set()  # ask at once for permits for the new objects

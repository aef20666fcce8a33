"""The executor: leases slices, keeps many requests in flight on one event loop, and hands in what came of them.

Two things go on at once. Senders (`senders`) take ready objects, call the provider's adapter and put what came of them
into an outbox. The keeper, one coroutine here, takes turns at the desk (`desk`), a thread with its own database
connection, to hand the outbox in, renew leases, take up new slices and ask for a share of concurrency.
"""

import asyncio
import math
import time
import uuid
from datetime import datetime, timedelta

import uvloop
from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone
from uuid_utils.compat import uuid7

from batches import wake
from batches.engine import backoff, collector, shutdown
from batches.engine.desk import Answer, Desk, Taken, Turn
from batches.engine.held import Held, Item, beyond_probes
from batches.engine.lanes import Lane
from batches.engine.senders import Outbox, Senders
from batches.engine.throttled import Announcements
from batches.engine.upstreams import Demand
from batches.models import Worker
from batches.services.claim import Appetite, anything_to_claim
from batches.services.settle import Report
from providers.base import Adapter
from providers.failures import Kind

LOOK_SECONDS = 0.25  # how often a free executor looks for new slices
LET_GO_SECONDS = 2.0  # a slice whose objects all wait longer than this is given back meanwhile
AHEAD_SECONDS = 0.5  # objects to hold ready beyond those in flight, in seconds of the present rate


def run() -> None:
    """Run an executor in this thread until it has been idle for a while, or its process is to end.

    Returns at once when enough executors run already, or none should any more.
    """
    if shutdown.stopping.is_set():
        return  # without a wake: this very process would hear it
    if Worker.objects.alive(now=timezone.now()).executors().count() >= settings.EXECUTORS:
        return
    collector.tune()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Executor().run())
    close_old_connections()  # this thread's own has not been used for long
    if anything_to_claim(now=timezone.now()):
        wake.execute()  # it came up too late for this one, or its process is to end


class Executor:
    """One run of an executor."""

    def __init__(self) -> None:
        self.id = uuid7()
        self.lanes: dict[uuid.UUID, Lane] = {}
        self._retired: list[Adapter] = []  # of providers whose settings have changed; they may have calls in flight
        self.held: dict[uuid.UUID, Held] = {}
        self._rate = 0.0  # objects settled per second, lately
        self._turned_at = time.monotonic()
        self._due = asyncio.Event()  # the keeper should take its turn now
        self._senders = Senders(self.lanes, self._due)
        self._announcements = Announcements()

    async def run(self) -> None:
        """Work until idle or told to stop; let what is in flight settle; hand everything in, and go."""
        desk = Desk(self.id)
        try:
            await self._work(desk)
            await self._drain(desk)
        finally:
            for lane in self.lanes.values():
                for task in lane.senders:
                    task.cancel()
                await lane.adapter.close()
            for adapter in self._retired:
                await adapter.close()
            await desk.close()

    # --- The keeper ------------------------------------------------------------------------------------------

    async def _work(self, desk: Desk) -> None:
        idle_since = time.monotonic()
        while not shutdown.stopping.is_set():
            await self._take_turn(desk, self._appetite())
            if self.held:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > settings.EXECUTOR_IDLE_SECONDS:
                return
            await self._until_due()

    async def _drain(self, desk: Desk) -> None:
        now = time.monotonic()
        for held in self.held.values():
            held.end(now=now)
        while self.held:
            await self._take_turn(desk, None)
            if self.held:
                await self._until_due()

    async def _until_due(self) -> None:
        outbox = self._senders.outbox
        seconds = settings.FLUSH_SECONDS if outbox.settled or outbox.tried else LOOK_SECONDS
        try:
            async with asyncio.timeout(seconds):
                await self._due.wait()
        except TimeoutError:
            pass
        self._due.clear()

    async def _take_turn(self, desk: Desk, appetite: Appetite | None) -> None:
        """Hand in, and take up. What the database could not take stays in the outbox."""
        self._abort_overdue()
        began = time.monotonic()
        handed_in = self._senders.outbox.take()
        report = self._report(handed_in)
        answer = await desk.take(Turn(report, self._demands(), appetite))
        if answer is None:
            self._senders.outbox.put_back(handed_in)
            for slice_id, until in report.done.items():
                if until is not None:
                    self._senders.resume(self.held[slice_id])
            return
        self._senders.leased_until = began + settings.LEASE_SECONDS
        now = time.monotonic()
        self._rate = 0.6 * self._rate + 0.4 * len(handed_in.settled) / max(now - self._turned_at, 0.001)
        self._turned_at = now
        self._apply(answer, report)

    def _report(self, handed_in: Outbox) -> Report:
        # Before slices are stopped in order to let go of them.
        throttled = self._announcements.due(self.held.values(), self.lanes)
        self._let_go_of_held()
        last = sorted(self.held.values(), key=lambda held: held.stopped_at is None)  # of two of one batch, that which goes on
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
        for slice_id, held in self.held.items():
            shut_since = self.lanes[held.batch.provider_id].shut_since
            if held.is_done:
                done[slice_id] = None
            elif held.only_waits() and (soonest := min(wait.until for wait in held.waiting.values())) > soon:
                held.stop(now=now)
                done[slice_id] = soonest
            elif shut_since is not None and now > shut_since + LET_GO_SECONDS:
                held.hold_back(now=now)  # others use all of the provider's concurrency: they may have it
        return done

    def _let_go_of_held(self) -> None:
        """A provider that is held needs few slices for its probes; what is in flight of the others settles."""
        now = time.monotonic()
        for provider_id, lane in self.lanes.items():
            if lane.gate.held is not None:
                working = [one for one in self.held.values() if one.batch.provider_id == provider_id and one.stopped_at is None]
                for held in beyond_probes(working):
                    held.hold_back(now=now)
                lane.drop_stopped()

    def _demands(self) -> dict[uuid.UUID, Demand]:
        now = time.monotonic()
        return {provider_id: lane.demand(now=now) for provider_id, lane in self.lanes.items()}

    def _appetite(self) -> Appetite | None:
        """Enough to fill the free slots, and to be a little ahead; None while it holds too much."""
        room = settings.EXECUTOR_BUFFER_BYTES - sum(held.size for held in self.held.values())
        if self._senders.outbox.is_full or room < 0:
            return None
        wanted = {}
        for provider_id, lane in self.lanes.items():
            slots = lane.free_slots if lane.ready else settings.EXECUTOR_CONCURRENCY - lane.in_flight
            lines = slots + self._rate * AHEAD_SECONDS - lane.ready - lane.parked
            wanted[provider_id] = lane.slices_of(lines=lines, size=room)
        working = {held.batch.provider_id for held in self.held.values() if held.stopped_at is None}
        sated = {provider_id for provider_id in working if self.lanes[provider_id].probes_with_what_it_has()}
        return Appetite(
            otherwise=math.ceil(settings.EXECUTOR_CONCURRENCY / settings.SLICE_LINES),
            wanted=wanted,
            full=frozenset(sated | {provider_id for provider_id, lane in self.lanes.items() if lane.shut_since}),
            held=frozenset(held.batch_id for held in self.held.values()),
        )

    def _apply(self, answer: Answer, report: Report) -> None:
        now = time.monotonic()
        for slice_id in report.done:
            self.held.pop(slice_id, None)
        for slice_id in answer.receipt.lost:
            if held := self.held.pop(slice_id, None):
                held.abort(now=now)
        for held in self.held.values():
            if held.batch_id in answer.receipt.stopped:
                held.end(now=now)
            elif held.batch_id in answer.receipt.held_back:
                held.hold_back(now=now)
        for opened in answer.opened:
            if lane := self.lanes.get(opened.provider_id):
                if opened.adapter is not None:
                    self._retired.append(lane.adapter)
                    lane.adapter = opened.adapter
                lane.heed(opened)
            else:
                self.lanes[opened.provider_id] = Lane(opened)
        # Where this turn brought work there may be more: look again before the lanes run dry.
        self._senders.ask_below = math.ceil(self._rate * AHEAD_SECONDS / 2) if answer.taken else 0
        for taken in answer.taken:
            self._take_up(taken)
        for provider_id, granted in answer.granted.items():
            self.lanes[provider_id].grant(granted, now=now)
        for lane in self.lanes.values():
            self._senders.fill(lane)
            if answer.taken and lane.gated:
                self._due.set()  # permits for what was just taken up are asked for at once

    def _take_up(self, taken: Taken) -> None:
        batch = taken.batch
        now = timezone.now()
        deadline = time.monotonic() + (batch.expires_at - now).total_seconds()
        size = sum(len(body) for _, body, _ in taken.objects)
        self.lanes[batch.provider_id].usual_slice = (max(len(taken.objects), 1), max(size, 1))
        held = self.held[taken.lease.piece.pk] = Held(batch, taken.lease, deadline, open=len(taken.objects), size=size)
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
                self.lanes[batch.provider_id].push(item)

    def _abort_overdue(self) -> None:
        """What was in flight when its batch stopped has had its time to settle."""
        now = time.monotonic()
        for held in self.held.values():
            if held.stopped_at is not None and not held.held_back and now > held.stopped_at + settings.CANCEL_GRACE_SECONDS:
                held.abort(now=now)

"""Senders: coroutines that send ready objects and put the outcomes into an outbox. There is one for each request in flight."""

import asyncio
import logging
import math
import random
import time
import uuid
from collections.abc import Mapping
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from batches.engine.executor import backoff
from batches.engine.executor.lanes.lane import Lane
from batches.engine.executor.lanes.roads import Road
from batches.engine.executor.outbox import Outbox
from batches.engine.executor.slices import HeldSlice, Item, Wait
from batches.engine.limits.breaker import FAULTS
from batches.services.tally.outcomes import Settled, Tried
from providers.base import Call, Failure, Outcome, Success
from providers.failures import Kind

logger = logging.getLogger(__name__)


class Senders:
    """Sends the ready objects of the lanes. `due` is set when the keeper should take its turn at once."""

    def __init__(self, roads: Mapping[uuid.UUID, Road], outbox: Outbox, due: asyncio.Event) -> None:
        self.roads = roads
        self.outbox = outbox
        self.leased_until = -math.inf  # when the leases of the held slices run out, unless the database thread renews them
        self._due = due
        self._timeout = settings.REQUEST_TIMEOUT_SECONDS
        self._jitter = random.Random()
        self._policy = backoff.Policy(
            settings.MAX_ATTEMPTS,
            settings.BACKOFF_BASE_SECONDS,
            settings.BACKOFF_CAP_SECONDS,
            settings.LONGEST_WAIT_SECONDS,
        )

    def fill(self, lane: Lane) -> None:
        """Start a sender for each free slot that the lane has work for."""
        for _ in range(lane.sendable):
            task = asyncio.get_running_loop().create_task(self._send_on(lane))
            lane.senders.add(task)
            task.add_done_callback(lane.senders.discard)

    def lane_of(self, held: HeldSlice) -> Lane:
        """The lane that the objects of a slice go through."""
        return self.roads[held.batch.provider_id].lane(held.batch.project_id)

    def postpone(self, item: Item, until: datetime, *, reason: str = "") -> None:
        """Let an object wait for its next attempt. `reason` is set if it waits because of the upstream's limits."""
        delay = max((until - timezone.now()).total_seconds(), 0)
        timer = asyncio.get_running_loop().call_later(delay, self._retry, item)
        item.held.waiting[item.line] = Wait(item, until, reason, timer)

    def resume(self, held: HeldSlice) -> None:
        """Start a stopped slice again whose objects all wait, because the database thread failed to let go of it."""
        held.stopped_at = None
        for wait in list(held.waiting.values()):
            self.postpone(wait.item, wait.until, reason=wait.reason)

    def _retry(self, item: Item) -> None:
        del item.held.waiting[item.line]
        lane = self.lane_of(item.held)
        lane.push(item)
        self.fill(lane)

    async def _send_on(self, lane: Lane) -> None:
        """Send one ready object after the other while there is a free slot."""
        task = asyncio.current_task()
        assert task is not None
        while len(lane.senders) <= lane.share and self._may_send() and (item := lane.pop()):
            if item.held.deadline <= (now := time.monotonic()):
                item.held.stop(now=now)
                lane.landed(item)
                continue
            if lane.ready < lane.ask_below:
                lane.ask_below = 0
                self._due.set()
            await self._send(lane, item, task)
        if not lane.ready and lane.in_flight == 0:
            self._due.set()  # the lane is empty, so nothing is gained by collecting more outcomes first

    def _may_send(self) -> bool:
        """Whether the outbox has room, and the leases still hold: after that other executors send the same objects."""
        return not self.outbox.is_full and time.monotonic() < self.leased_until

    async def _send(self, lane: Lane, item: Item, task: "asyncio.Task[None]") -> None:
        held = item.held
        started = time.monotonic()
        timeout = self._timeout
        if held.deadline - started < timeout:
            timeout = math.ceil(max(held.deadline - started, 0) + settings.CANCEL_GRACE_SECONDS)
        call = Call(held.batch.endpoint, item.body, item.idempotency_key, timeout, held.extras)
        item.task, item.sent_at = task, time.time()
        held.flying[item.line] = item
        lane.in_flight += 1
        try:
            outcome = await lane.road.adapter.send(call)
        except Exception:
            logger.exception("the adapter %s failed", type(lane.road.adapter).__name__)
            outcome = Failure(Kind.PORTAL, Kind.PORTAL.sentence)
        finally:
            lane.in_flight -= 1
            lane.landed(item)
            del held.flying[item.line]
        item.attempts += 1
        latency_ms = round((time.monotonic() - started) * 1000)
        cost = None
        try:
            counts = self._learn(lane, item, outcome)
            if isinstance(outcome, Success):
                cost = self._account(lane, item, outcome)
            elif self._try_again(item, outcome, counts=counts, latency_ms=latency_ms):
                return
        except Exception:
            logger.exception("what the adapter %s answered could not be looked into", type(lane.road.adapter).__name__)
            if not isinstance(outcome, Success):
                outcome = Failure(Kind.PORTAL, Kind.PORTAL.sentence)
        held.open -= 1
        held.size -= len(item.body)
        self.outbox.add_settled(
            Settled(held.slice_id, held.batch_id, item.line, item.round, item.attempts, latency_ms, outcome, cost)
        )
        if self.outbox.is_large:
            self._due.set()

    def _learn(self, lane: Lane, item: Item, outcome: Outcome) -> bool:
        """Note what an outcome shows about the provider. Return whether the attempt counts against the limit of attempts."""
        lane.answered += 1
        if outcome.exhausted_for is not None:
            lane.hold(item.model, outcome.exhausted_for)
        if isinstance(outcome, Failure):
            if outcome.is_staged:
                counts = True  # a staged failure shows nothing about the provider
            else:
                lane.tally.answers += 1
                counts = lane.note_failure(item, outcome)
            # A failed probe without an answer shows trouble of the provider, and is not held against its object.
            is_excused = lane.probing and outcome.kind in FAULTS and not outcome.kind.answered
            counts = counts and outcome.kind not in backoff.THROTTLED and not is_excused
            item.counted += counts
            item.answered += outcome.is_final
            if not lane.share or lane.must_ask:
                self._due.set()
            return counts
        lane.tally.answers += 1
        lane.note_success(item)
        if not lane.share:
            self._due.set()  # a probe may have succeeded, or another project waits for the free slot
        return True

    def _account(self, lane: Lane, item: Item, success: Success) -> int | None:
        """The cost of a success, None if it is not known. The estimates of its permits are corrected by the real usage."""
        usage = success.usage
        if usage is None:
            return None
        for passed in item.passes:
            passed.correct(usage)
        model = lane.road.models.get(item.model)
        return None if model is None else model.cost_nanos(usage)

    def _try_again(self, item: Item, failure: Failure, *, counts: bool, latency_ms: int) -> bool:
        """Note the failed attempt and let the object wait for its next one. False when it is not tried again."""
        held = item.held
        at = backoff.retry_at(
            failure,
            attempts=item.attempts,
            counted=item.counted,
            policy=self._policy,
            now=timezone.now(),
            jitter=self._jitter,
        )
        if at is None:
            return False
        self.outbox.add_tried(
            Tried(held.slice_id, held.batch_id, item.line, item.round, item.attempts, latency_ms, failure, at, counts)
        )
        if held.stopped_at is None:
            self.postpone(item, at, reason=failure.kind.sentence if failure.kind in backoff.THROTTLED else "")
        return True

"""Throttle notices: an executor announces which of the batches it holds are throttled, until when, and why."""

import time
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from django.utils import timezone

from batches.engine.executor.lanes.lane import Lane
from batches.engine.executor.slices import HeldSlice
from batches.engine.limits.asks import Why
from batches.models import ThrottledBy
from batches.services.lifecycle.settle import Throttled

LEAST = timedelta(seconds=2)  # a notice lasts at least this long, because limits often open only for a moment
RENEWED = timedelta(seconds=0.5)  # a notice is renewed this long before its end

LaneOf = Callable[[HeldSlice], Lane]
_BY = {
    Why.LIMIT: ThrottledBy.LIMIT,
    Why.UPSTREAM: ThrottledBy.UPSTREAM,
    Why.BREAKER: ThrottledBy.BREAKER,
    Why.HOLD: ThrottledBy.UPSTREAM,
    Why.OTHERS: ThrottledBy.OTHERS,
}


class Announcements:
    """The notices that this executor has announced. A notice is repeated only when it changes or is about to end."""

    def __init__(self) -> None:
        self._announced: dict[uuid.UUID, Throttled] = {}

    def due(self, held: Iterable[HeldSlice], lane_of: LaneOf) -> dict[uuid.UUID, Throttled]:
        """The notices to announce now: batches whose open objects are all held back by limits, if that is news."""
        now = timezone.now()
        found = throttled(held, lane_of, now=now)
        news = {batch_id: notice for batch_id, notice in found.items() if self._is_news(batch_id, notice, now)}
        self._announced = {batch_id: notice for batch_id, notice in self._announced.items() if batch_id in found} | news
        return news

    def _is_news(self, batch_id: uuid.UUID, notice: Throttled, now: datetime) -> bool:
        before = self._announced.get(batch_id)
        if before is None or before.reason != notice.reason or before.until < notice.until:
            return True
        return before.until < now + RENEWED < notice.until


def throttled(held: Iterable[HeldSlice], lane_of: LaneOf, *, now: datetime) -> dict[uuid.UUID, Throttled]:
    """The throttled batches, each with the reason and the earliest time at which one of its objects may be sent."""
    found: dict[uuid.UUID, Throttled] = {}
    free = set()
    for one in held:
        if one.stopped_at is not None or not one.open:
            continue
        why = _why(one, lane_of(one), now=now)
        if why is None:
            free.add(one.batch_id)
        elif one.batch_id not in found or why.until < found[one.batch_id].until:
            found[one.batch_id] = why
    return {batch_id: why for batch_id, why in found.items() if batch_id not in free and why.reason}


def _why(held: HeldSlice, lane: Lane, *, now: datetime) -> Throttled | None:
    """Why nothing of a slice can be sent; None when something can.

    An empty reason means that no limit holds the slice back, as when its objects wait after failures of their own.
    """
    if lane.gate.held is not None and lane.gate.held.kind.is_of_account:
        return Throttled(now, "", ThrottledBy.UPSTREAM)  # the provider's page already says that its account must be mended
    has_ready = len(held.waiting) + len(held.flying) < held.open
    barrier = lane.barrier_for(held.batch_id) if has_ready or lane.probing else None
    if barrier is not None:
        until = max(now + timedelta(seconds=barrier.until - time.monotonic()), now + LEAST)
        return Throttled(until, f"Provider {held.batch.provider.name}: {barrier.reason}", _BY[barrier.why])
    if not held.only_waits():
        return None
    soonest = min(held.waiting.values(), key=lambda wait: wait.until)
    return Throttled(soonest.until, soonest.reason, ThrottledBy.UPSTREAM)

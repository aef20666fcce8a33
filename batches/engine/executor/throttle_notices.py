"""Which batches are throttled, until when and why: what an executor announces of those it holds."""

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

LEAST = timedelta(seconds=2)  # what is said lasts at least so long: limits open for a moment, and shut again
RENEWED = timedelta(seconds=0.5)  # before what was said has passed it is said again

LaneOf = Callable[[HeldSlice], Lane]
_BY = {
    Why.LIMIT: ThrottledBy.LIMIT,
    Why.UPSTREAM: ThrottledBy.UPSTREAM,
    Why.BREAKER: ThrottledBy.BREAKER,
    Why.HOLD: ThrottledBy.UPSTREAM,
    Why.OTHERS: ThrottledBy.OTHERS,
}


class Announcements:
    """What was said already is not said again before it has nearly passed."""

    def __init__(self) -> None:
        self._said: dict[uuid.UUID, Throttled] = {}

    def due(self, held: Iterable[HeldSlice], lane_of: LaneOf) -> dict[uuid.UUID, Throttled]:
        """The batches of which nothing can be sent as limits hold every open object back, and that is news."""
        now = timezone.now()
        found = throttled(held, lane_of, now=now)
        news = {batch_id: said for batch_id, said in found.items() if self._is_news(batch_id, said, now)}
        self._said = {batch_id: said for batch_id, said in self._said.items() if batch_id in found} | news
        return news

    def _is_news(self, batch_id: uuid.UUID, said: Throttled, now: datetime) -> bool:
        before = self._said.get(batch_id)
        if before is None or before.reason != said.reason or before.until < said.until:
            return True
        return before.until < now + RENEWED < said.until


def throttled(held: Iterable[HeldSlice], lane_of: LaneOf, *, now: datetime) -> dict[uuid.UUID, Throttled]:
    """Until when, at the soonest, and why nothing can be sent; of the batches of which that is so."""
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
    """What keeps a slice back; None when nothing does. No reason: its objects wait for another attempt, of their own accord."""
    if lane.gate.held is not None and lane.gate.held.kind.is_of_account:
        return Throttled(now, "", ThrottledBy.UPSTREAM)  # it waits for somebody to mend the account: the provider says so
    has_ready = len(held.waiting) + len(held.flying) < held.open
    stay = lane.stay_of(held.batch_id) if has_ready or lane.probing else None
    if stay is not None:
        until = max(now + timedelta(seconds=stay.until - time.monotonic()), now + LEAST)
        return Throttled(until, f"Provider {held.batch.provider.name}: {stay.reason}", _BY[stay.why])
    if not held.only_waits():
        return None
    soonest = min(held.waiting.values(), key=lambda wait: wait.until)
    return Throttled(soonest.until, soonest.reason, ThrottledBy.UPSTREAM)

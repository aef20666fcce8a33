"""Which batches are throttled, until when and why: what an executor announces of those it holds."""

import time
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.utils import timezone

from batches.engine.held import Held
from batches.engine.limits.lanes import Lane

LEAST = timedelta(seconds=2)  # what is said lasts at least so long: limits open for a moment, and shut again
RENEWED = timedelta(seconds=0.5)  # before what was said has passed it is said again


class Announcements:
    """What was said already is not said again before it has nearly passed."""

    def __init__(self) -> None:
        self._said: dict[uuid.UUID, tuple[datetime, str]] = {}

    def due(self, held: Iterable[Held], lanes: Mapping[uuid.UUID, Lane]) -> dict[uuid.UUID, tuple[datetime, str]]:
        """The batches of which nothing can be sent as limits hold every open object back, and that is news."""
        now = timezone.now()
        found = throttled(held, lanes, now=now)
        news = {batch_id: said for batch_id, said in found.items() if self._is_news(batch_id, said, now)}
        self._said = {batch_id: said for batch_id, said in self._said.items() if batch_id in found} | news
        return news

    def _is_news(self, batch_id: uuid.UUID, said: tuple[datetime, str], now: datetime) -> bool:
        until, reason = self._said.get(batch_id, (now, ""))
        return reason != said[1] or said[0] < until or until < now + RENEWED < said[0]


def throttled(held: Iterable[Held], lanes: Mapping[uuid.UUID, Lane], *, now: datetime) -> dict[uuid.UUID, tuple[datetime, str]]:
    """Until when, at the soonest, and why nothing can be sent; of the batches of which that is so."""
    found: dict[uuid.UUID, tuple[datetime, str]] = {}
    free = set()
    for one in held:
        if one.stopped_at is not None or not one.open:
            continue
        why = _why(one, lanes[one.batch.provider_id], now=now)
        if why is None:
            free.add(one.batch_id)
        elif one.batch_id not in found or why < found[one.batch_id]:
            found[one.batch_id] = why
    return {batch_id: why for batch_id, why in found.items() if batch_id not in free and why[1]}


def _why(held: Held, lane: Lane, *, now: datetime) -> tuple[datetime, str] | None:
    """What keeps a slice back; None when nothing does. No reason: its objects wait for another attempt, of their own accord."""
    if lane.gate.held is not None and lane.gate.held.kind.is_of_account:
        return now, ""  # its batches are not throttled, but wait for somebody to mend the account: the provider says so
    has_ready = len(held.waiting) + len(held.flying) < held.open
    stay = lane.stay_of(held.batch_id) if has_ready or lane.probing else None
    if stay is not None:
        until = max(now + timedelta(seconds=stay.until - time.monotonic()), now + LEAST)
        return until, f"Provider {held.batch.provider.name}: {stay.reason}"
    if not held.only_waits():
        return None
    soonest = min(held.waiting.values(), key=lambda wait: wait.until)
    return soonest.until, soonest.reason

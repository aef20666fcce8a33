"""Holdings: the slices that an executor has taken up and not let go of yet."""

import time
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from math import inf

from django.conf import settings
from django.utils import timezone

from batches.engine.executor import backoff
from batches.engine.executor.lanes.lane import Lane
from batches.engine.executor.outbox import HandedIn, Outbox
from batches.engine.executor.senders import Senders
from batches.engine.executor.slices import HeldSlice, Item, beyond_probes
from batches.engine.executor.take_up import Taken
from batches.engine.executor.throttle_notices import Announcements
from batches.engine.limits.breaker import FAULTS
from batches.services.lifecycle.settle import Receipt, Report
from providers.failures import Kind

LET_GO_SECONDS = 2.0  # a slice is given back when all of its objects wait for longer than this
# The control worker ends a stopped batch CANCEL_GRACE_SECONDS after its stop. This long before, requests in flight are aborted.
HAND_IN_SECONDS = 1.0


class Holdings:
    """The held slices. Holdings decides which of them to let go of, and stops the slices of batches that no longer run."""

    def __init__(self, senders: Senders, outbox: Outbox) -> None:
        self.held: dict[uuid.UUID, HeldSlice] = {}
        self._senders = senders
        self._outbox = outbox
        self._announcements = Announcements()

    def take_up(self, taken: Taken) -> None:
        """Hold a new slice. Each of its objects goes into the lane, or waits for its next attempt."""
        batch = taken.batch
        now = timezone.now()
        deadline = time.monotonic() + (batch.expires_at - now).total_seconds()
        size = sum(len(body) for _, body, _ in taken.objects)
        held = self.held[taken.lease.piece.pk] = HeldSlice(batch, taken.lease, deadline, open=len(taken.objects), size=size)
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
                first_fault=min(
                    (at.timestamp() for kind, at in waiting.first_sent.items() if Kind(kind) in FAULTS), default=None
                ),
            )
            if waiting.not_before is not None and waiting.not_before > now:
                self._senders.postpone(item, waiting.not_before)
            else:
                lane.push(item)

    def flying_since(self) -> dict[uuid.UUID, float]:
        """When the oldest request in flight to each provider was sent, in seconds since 1970."""
        found: dict[uuid.UUID, float] = {}
        for held in self.held.values():
            if held.flying:
                provider_id = held.batch.provider_id
                found[provider_id] = min(found.get(provider_id, inf), held.flying_since)
        return found

    def report(self, handed_in: HandedIn, *, lanes: Iterable[Lane]) -> Report:
        """The report for this turn: outcomes, renewed leases, and the slices to let go of."""
        # The notices come first: a slice that is stopped below would not be announced.
        throttled = self._announcements.due(self.held.values(), self._senders.lane_of)
        self._let_go_of_held(lanes)
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
        """The slices to let go of. A slice whose objects all wait long is mapped to the end of the shortest wait."""
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
                held.hold_back(now=now)  # other executors use all slots of the project, so one of them can send this slice
        return done

    def _let_go_of_held(self, lanes: Iterable[Lane]) -> None:
        """Hold back most slices of each lane that sends only probes: probes need few. Requests in flight still settle."""
        now = time.monotonic()
        for lane in lanes:
            if lane.probing:
                mine = [one for one in self.held.values() if self._senders.lane_of(one) is lane and one.stopped_at is None]
                for held in beyond_probes(mine):
                    held.hold_back(now=now)
                lane.drop_stopped()

    def take_back(self, done: Mapping[uuid.UUID, datetime | None]) -> None:
        """Keep slices that the database thread failed to let go of. Objects that wait go on waiting here."""
        for slice_id, until in done.items():
            if until is not None:
                self._senders.resume(self.held[slice_id])

    def apply(self, receipt: Receipt, *, done: Iterable[uuid.UUID], now: float) -> None:
        """Drop the `done` slices and the lost ones. Stop the slices of batches that are stopped or held back."""
        for slice_id in done:
            self.held.pop(slice_id, None)
        for slice_id in receipt.lost:
            if held := self.held.pop(slice_id, None):
                held.abort(now=now)
        self._outbox.forget(receipt.lost)
        for held in self.held.values():
            if (since := receipt.stopped.get(held.batch_id)) is not None:
                held.end(now=now - max((timezone.now() - since).total_seconds(), 0))
            elif held.batch_id in receipt.held_back:
                held.hold_back(now=now)

    def send_no_more(self, *, at_once: bool) -> None:
        """Stop all slices, and let their requests in flight settle. With `at_once` these have only the usual grace time."""
        now = time.monotonic()
        for held in self.held.values():
            if at_once:
                held.end(now=now)
            else:
                held.hold_back(now=now)

    def abort_overdue(self) -> None:
        """Abort the requests whose batch stopped so long ago that the control worker is about to end it."""
        grace = settings.CANCEL_GRACE_SECONDS
        latest = time.monotonic() - (grace - min(HAND_IN_SECONDS, grace / 4))
        for held in self.held.values():
            if held.stopped_at is not None and not held.held_back and held.stopped_at < latest:
                held.abort(now=time.monotonic())

"""The database thread: the one thread of an executor for everything that blocks (database, file storage, shared limits)."""

import asyncio
import logging
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

import redis
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from batches.engine.executor.lanes.upstreams import Demand, Granted, Opened, Upstreams
from batches.engine.executor.take_up import Taken, TakeUp
from batches.models import Worker
from batches.services.core import wake
from batches.services.lifecycle.claim import Appetite
from batches.services.lifecycle.settle import Receipt, Report, settle, settle_apart
from batches.services.tally.attempts import count_attempts
from batches.services.tally.workers import heartbeat, leave, leave_seat, take_seat
from batches.services.telemetry import log_context
from batches.services.telemetry.catalogue import DUPLICATES, LEASES_LOST, SETTLE_SECONDS
from batches.services.telemetry.counts import count, observe
from batches.services.telemetry.hand_in import hand_in, hand_in_quietly

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 2.0
PAUSE_SECONDS = 0.5  # how long the database thread waits after the database did not answer
REFUSED_TURNS = 3  # after this many refusals in a row a report is recorded slice by slice instead of as a whole


@dataclass(frozen=True, slots=True)
class Turn:
    """The executor's request to the database thread. Without an appetite the database thread takes up no more slices."""

    report: Report
    demands: Mapping[uuid.UUID, Demand]
    appetite: Appetite | None


@dataclass(slots=True)
class Answer:
    """The database thread's answer to a turn: the receipt of the report, new slices, and grants of the limiter.

    `unsure` are the providers whose ask may have reached the limiter although no answer came back. If `seated` is False,
    another executor has the seat, and this one takes up no more slices. If `obstructed` is True, there is work that this
    worker cannot carry out and another worker may be able to.
    """

    receipt: Receipt
    opened: list[Opened] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    granted: Mapping[uuid.UUID, Granted] = field(default_factory=dict)
    unsure: frozenset[uuid.UUID] = frozenset()
    seated: bool = True
    obstructed: bool = False


class DatabaseThread:
    """The database thread, with one connection. It takes one turn after the other.

    A turn never raises. A step that fails is logged, and repeated in the next turn.
    """

    def __init__(self, executor_id: uuid.UUID) -> None:
        self.executor_id = executor_id
        self._thread = ThreadPoolExecutor(
            1, thread_name_prefix="database", initializer=log_context.keep, initargs=(log_context.current(),)
        )
        self._upstreams = Upstreams(executor_id)
        self._take_up = TakeUp(executor_id, self._upstreams)
        self._seen_at = self._told_at = 0.0
        self._refused = 0  # how many turns in a row the database answered and did not record the report
        self._keeps_seat = True

    async def take(self, turn: Turn) -> Answer | None:
        """Take a turn. None when the report was not recorded; then the executor must hand its outcomes in again."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._take, turn)

    async def leave_seat(self) -> None:
        """Free the seat of this executor, so that another one can take up work."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._leave_seat)

    async def close(self) -> None:
        """Give slices, worker row and shares back, and close the connection."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _take(self, turn: Turn) -> Answer | None:
        now = timezone.now()
        began = time.monotonic()
        receipt = self._hand_in(turn.report, now=now)
        if receipt is None:
            return None
        answer = Answer(receipt)
        with self._step("counting"):
            _count(turn.report, receipt, seconds=time.monotonic() - began)
        self._take_up.forget_batches(turn.report.batches.keys() - receipt.held_back)
        with self._step("looking round"):
            self._look_round(answer, turn, now=now)
        if turn.appetite is not None and answer.seated:
            with self._step("taking up work"):
                self._take_up(answer.opened, answer.taken, turn.appetite, now=now)
        answer.obstructed = bool(self._take_up.obstacles)
        taken: defaultdict[uuid.UUID, Counter[str]] = defaultdict(Counter)
        for piece in answer.taken:
            taken[piece.batch.provider_id][piece.batch.project_id.hex] += len(piece.objects)
        with self._step("asking the limiter"):
            answer.granted = self._upstreams.ask(turn.demands, taken)
            answer.unsure = self._upstreams.unsure
        with self._step("noting the health of providers"):
            self._upstreams.note_health(turn.demands, now=now)
        with self._step("telling what was counted"):
            self._tell(now=now)
        return answer

    def _hand_in(self, report: Report, *, now: datetime) -> Receipt | None:
        """Record a report. After repeated refusals it is recorded slice by slice, so that only the refused slices are lost."""
        record = settle if self._refused < REFUSED_TURNS else settle_apart
        try:
            receipt = record(report, now=now)
        except (OperationalError, InterfaceError) as error:
            self._pause(error)
            return None
        except Exception:
            logger.exception("a report could not be recorded; trying again")
            self._refused += 1
            time.sleep(PAUSE_SECONDS)
            return None
        self._refused = 0
        return receipt

    @contextmanager
    def _step(self, doing: str) -> Iterator[None]:
        """Run one step of a turn. A failure of the step does not keep the other steps from running."""
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            self._pause(error)
        except Exception:
            logger.exception("%s failed; trying again with the next turn", doing)

    def _pause(self, error: Exception) -> None:
        logger.warning("the database did not answer (%s); trying again", type(error).__name__)
        connection.close()
        time.sleep(PAUSE_SECONDS)

    def _look_round(self, answer: Answer, turn: Turn, *, now: datetime) -> None:
        """Send a heartbeat, and find the providers whose settings have changed."""
        if time.monotonic() - self._seen_at < HEARTBEAT_SECONDS:
            return
        if self._keeps_seat:
            answer.seated = take_seat(self.executor_id, now=now)  # an executor loses its seat when its heartbeat is too old
        in_flight = sum(demand.in_flight for demand in turn.demands.values())
        trouble = self._take_up.trouble
        heartbeat(self.executor_id, role=Worker.Role.EXECUTE, now=now, in_flight=in_flight, trouble=trouble)
        self._seen_at = time.monotonic()
        answer.opened += self._upstreams.changed()

    def _tell(self, *, now: datetime) -> None:
        """Add what was counted to the database, no more often than heartbeats are sent."""
        if time.monotonic() - self._told_at >= HEARTBEAT_SECONDS:
            self._told_at = time.monotonic()
            hand_in(now=now)

    def _leave_seat(self) -> None:
        self._keeps_seat = False
        with self._step("leaving the seat"):
            leave_seat(self.executor_id)
            wake.execute()

    def _close(self) -> None:
        with suppress(OperationalError, InterfaceError):  # the leases run out by themselves
            self._take_up.give_back()
        with suppress(OperationalError, InterfaceError):  # the worker row is removed once it is old
            leave(self.executor_id)
        with suppress(redis.RedisError):  # the shares run out by themselves
            self._upstreams.leave()
        hand_in_quietly(now=timezone.now())
        connection.close()


def _count(report: Report, receipt: Receipt, *, seconds: float) -> None:
    """Count what a turn has recorded, and what it has lost. `seconds` is how long that took."""
    if report.settled or report.tried:
        observe(SETTLE_SECONDS, seconds=[seconds])
        count_attempts(report.settled, report.tried, report.batches, lost=receipt.lost)
    count(LEASES_LOST, "fenced", by=len(receipt.lost))
    count(DUPLICATES, "dropped", by=receipt.dropped)

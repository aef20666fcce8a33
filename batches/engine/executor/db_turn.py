"""The desk: the executor's thread for everything that blocks - the database, the file storage and the shared limits."""

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
from batches.services.tally.workers import heartbeat, leave, leave_seat, take_seat

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 2.0
PAUSE_SECONDS = 0.5  # after the database did not answer
REFUSED_TURNS = 3  # in a row; then a report that cannot be recorded as a whole is recorded slice by slice


@dataclass(frozen=True, slots=True)
class Turn:
    """What the executor brings to the desk. No appetite: it takes up nothing more."""

    report: Report
    demands: Mapping[uuid.UUID, Demand]
    appetite: Appetite | None


@dataclass(slots=True)
class Answer:
    """What the executor takes back: what became of its report, and new work.

    Of the providers in `unsure` the limiter may have heard, but nothing came back. Not `seated`: others have the executor's
    place, and it is to take up nothing more. `obstructed`: there is work that this worker cannot carry out, and another
    one may be able to.
    """

    receipt: Receipt
    opened: list[Opened] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    granted: Mapping[uuid.UUID, Granted] = field(default_factory=dict)
    unsure: frozenset[uuid.UUID] = frozenset()
    seated: bool = True
    obstructed: bool = False


class DatabaseTurns:
    """One thread, one database connection. Every turn is taken whole, one after the other.

    Nothing that goes wrong here is raised: each step that fails is logged, and taken again with the next turn.
    """

    def __init__(self, executor_id: uuid.UUID) -> None:
        self.executor_id = executor_id
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="desk")
        self._upstreams = Upstreams(executor_id)
        self._take_up = TakeUp(executor_id, self._upstreams)
        self._seen_at = 0.0
        self._refused = 0  # turns in a row whose report was not recorded although the database answered
        self._keeps_seat = True

    async def take(self, turn: Turn) -> Answer | None:
        """Take a turn. None when the report was not recorded: then it has to be brought again."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._take, turn)

    async def leave_seat(self) -> None:
        """Let another executor take up work."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._leave_seat)

    async def close(self) -> None:
        """Say good-bye and close the connection."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _take(self, turn: Turn) -> Answer | None:
        now = timezone.now()
        receipt = self._hand_in(turn.report, now=now)
        if receipt is None:
            return None
        answer = Answer(receipt)
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
        return answer

    def _hand_in(self, report: Report, *, now: datetime) -> Receipt | None:
        """Record a report. One that the database refuses again and again costs the slices that it refuses, and no others."""
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
        """A part of a turn; when it fails, the others go on."""
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
        """Be seen alive; and see what was changed about the providers."""
        if time.monotonic() - self._seen_at < HEARTBEAT_SECONDS:
            return
        if self._keeps_seat:
            answer.seated = take_seat(self.executor_id, now=now)  # it is gone when this executor was not seen for too long
        in_flight = sum(demand.in_flight for demand in turn.demands.values())
        trouble = self._take_up.trouble
        heartbeat(self.executor_id, role=Worker.Role.EXECUTE, now=now, in_flight=in_flight, trouble=trouble)
        self._seen_at = time.monotonic()
        answer.opened += self._upstreams.changed()

    def _leave_seat(self) -> None:
        self._keeps_seat = False
        with self._step("leaving the seat"):
            leave_seat(self.executor_id)
            wake.execute()

    def _close(self) -> None:
        with suppress(OperationalError, InterfaceError):  # then the leases run out
            self._take_up.give_back()
        with suppress(OperationalError, InterfaceError):  # then its row grows old
            leave(self.executor_id)
        with suppress(redis.RedisError):  # then its shares run out
            self._upstreams.leave()
        connection.close()

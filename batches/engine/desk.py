"""The desk: the executor's thread for everything that blocks - the database, the file storage and the shared limits."""

import asyncio
import logging
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
import redis
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from batches import jsonl
from batches.actors import ENGINE
from batches.engine.upstreams import CannotRun, Demand, Granted, Opened, Upstreams
from batches.errors import Gone, LostRace
from batches.models import Batch, Worker
from batches.queries.results import slice_lines
from batches.services.claim import Appetite, Lease, Waiting, claim, give_back, put_off
from batches.services.fail import fail
from batches.services.heartbeat import heartbeat, leave
from batches.services.settle import Receipt, Report, settle
from batches.states import BatchStatus
from providers.failures import Kind
from providers.models import CredentialUnavailable

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 2.0
PAUSE_SECONDS = 0.5  # after the database did not answer
PUT_OFF = timedelta(seconds=5)  # a slice whose lines could not be read


@dataclass(frozen=True, slots=True)
class Turn:
    """What the executor brings to the desk. No appetite: it takes up nothing more."""

    report: Report
    demands: Mapping[uuid.UUID, Demand]
    appetite: Appetite | None


@dataclass(frozen=True, slots=True)
class Taken:
    """A slice taken up: its objects with their bodies, and the models that they name."""

    batch: Batch
    lease: Lease
    objects: Sequence[tuple[Waiting, bytes, str]]


@dataclass(slots=True)
class Answer:
    """What the executor takes back: what became of its report, and new work."""

    receipt: Receipt
    opened: list[Opened] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    granted: dict[uuid.UUID, Granted] = field(default_factory=dict)


class Desk:
    """One thread, one database connection. Every turn is taken whole, one after the other."""

    def __init__(self, executor_id: uuid.UUID) -> None:
        self.executor_id = executor_id
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="desk")
        self._upstreams = Upstreams(executor_id)
        self._batches: dict[uuid.UUID, Batch] = {}
        self._seen_at = 0.0

    async def take(self, turn: Turn) -> Answer | None:
        """Take a turn. None when the database did not take the report: then it has to be brought again."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._take, turn)

    async def close(self) -> None:
        """Say good-bye and close the connection."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _take(self, turn: Turn) -> Answer | None:
        now = timezone.now()
        try:
            answer = Answer(settle(turn.report, now=now))
        except (OperationalError, InterfaceError) as error:
            self._pause(error)
            return None
        kept = turn.report.batches.keys() - answer.receipt.held_back  # those go on with whatever was changed about them
        self._batches = {batch_id: batch for batch_id, batch in self._batches.items() if batch_id in kept}
        try:
            self._look_round(answer, turn, now=now)
            if turn.appetite is not None:
                self._take_up(answer, turn.appetite, now=now)
        except (OperationalError, InterfaceError) as error:
            self._pause(error)
        taken: Counter[uuid.UUID] = Counter()
        for piece in answer.taken:
            taken[piece.batch.provider_id] += len(piece.objects)
        answer.granted = self._upstreams.ask(turn.demands, taken)
        with suppress(OperationalError, InterfaceError):  # the next turn will find out
            self._upstreams.note_health(turn.demands, now=now)
        return answer

    def _pause(self, error: Exception) -> None:
        logger.warning("the database did not answer (%s); trying again", type(error).__name__)
        connection.close()
        time.sleep(PAUSE_SECONDS)

    def _look_round(self, answer: Answer, turn: Turn, *, now: datetime) -> None:
        """Be seen alive; and see what was changed about the providers."""
        if time.monotonic() - self._seen_at < HEARTBEAT_SECONDS:
            return
        in_flight = sum(demand.in_flight for demand in turn.demands.values())
        heartbeat(self.executor_id, role=Worker.Role.EXECUTE, now=now, in_flight=in_flight)
        self._seen_at = time.monotonic()
        answer.opened += self._upstreams.changed()

    def _take_up(self, answer: Answer, appetite: Appetite, *, now: datetime) -> None:
        for lease in claim(executor=self.executor_id, appetite=appetite, now=now):
            batch = self._batch(lease.piece.batch_id)
            if batch.status != BatchStatus.IN_PROGRESS:
                give_back(lease)  # it was given up over another slice
                continue
            try:
                if batch.provider_id not in self._upstreams:
                    answer.opened.append(self._upstreams.open(batch.provider, now=now))
                objects = _objects(batch, lease, named=self._upstreams.has_models(batch.provider_id))
            except (CredentialUnavailable, Gone, CannotRun) as error:
                _give_up(batch, str(error))
                give_back(lease)
                continue
            except Exception:
                logger.exception("%s could not be read; trying again later", lease.piece)
                put_off(lease, until=now + PUT_OFF)
                continue
            answer.taken.append(Taken(batch, lease, objects))

    def _batch(self, batch_id: uuid.UUID) -> Batch:
        """The batch of a slice, as it was when the first of its slices was taken up."""
        if batch_id not in self._batches:
            self._batches[batch_id] = Batch.objects.select_related("input_file", "provider").get(pk=batch_id)
        return self._batches[batch_id]

    def _close(self) -> None:
        with suppress(OperationalError, InterfaceError):  # then its row grows old
            leave(self.executor_id)
        with suppress(redis.RedisError):  # then its shares run out
            self._upstreams.leave()
        connection.close()


def _give_up(batch: Batch, message: str) -> None:
    """The batch as a whole cannot run."""
    with suppress(LostRace):  # then it stopped for another reason
        fail(batch, kind=Kind.PORTAL, message=message, actor=ENGINE, now=timezone.now())


class _Named(msgspec.Struct):
    model: str = ""


_decode_named = msgspec.json.Decoder(_Named).decode


def _objects(batch: Batch, lease: Lease, *, named: bool) -> list[tuple[Waiting, bytes, str]]:
    """The objects of a slice, their bodies exactly as the client wrote them. Raises Gone or CannotRun.

    Where the lines of a batch name several models and it matters (`named`), each line is asked for its own.
    """
    lines = slice_lines(batch, lease.piece)
    try:
        bodies = [(item, bytes(jsonl.read_request(lines[item.line]).body)) for item in lease.waiting(lines)]
    except (KeyError, msgspec.DecodeError, RecursionError) as error:
        raise CannotRun("The input file has changed.") from error
    ask_each = named and not batch.model
    return [(item, body, _model_of(body) if ask_each else batch.model) for item, body in bodies]


def _model_of(body: bytes) -> str:
    try:
        return _decode_named(body).model
    except (msgspec.DecodeError, RecursionError):
        return ""

"""The desk: the executor's thread for everything that blocks - the database, the file storage and the shared limits."""

import asyncio
import logging
import math
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
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from batches import jsonl
from batches.actors import ENGINE
from batches.engine.limits import limits
from batches.errors import Gone, LostRace
from batches.models import Batch, Worker
from batches.results import slice_lines
from batches.services.claim import Appetite, Lease, Waiting, claim, give_back, put_off
from batches.services.fail import fail
from batches.services.heartbeat import heartbeat, leave
from batches.services.settle import Receipt, Report, settle
from batches.states import BatchStatus
from providers import registry
from providers.base import Adapter
from providers.failures import Kind
from providers.models import CredentialUnavailable, Provider

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 2.0
SHARE_SECONDS = 0.5  # how often the share of concurrency is asked for again
PAUSE_SECONDS = 0.5  # after the database did not answer
PUT_OFF = timedelta(seconds=5)  # a slice whose lines could not be read


class CannotRun(Exception):
    """A batch cannot run as a whole; the message says why."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What an executor has in flight to a provider, what it could have in flight, and what it was granted."""

    in_flight: int
    wanted: int
    share: int


@dataclass(frozen=True, slots=True)
class Turn:
    """What the executor brings to the desk. No appetite: it takes up nothing more."""

    report: Report
    demands: Mapping[uuid.UUID, Demand]
    appetite: Appetite | None


@dataclass(frozen=True, slots=True)
class Opened:
    """A provider that the executor has not spoken to before, or whose settings have changed."""

    provider_id: uuid.UUID
    adapter: Adapter


@dataclass(frozen=True, slots=True)
class Taken:
    """A slice taken up: its objects with their bodies."""

    batch: Batch
    lease: Lease
    objects: Sequence[tuple[Waiting, bytes]]


@dataclass(slots=True)
class Answer:
    """What the executor takes back: what became of its report, and new work."""

    receipt: Receipt
    opened: list[Opened] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    shares: dict[uuid.UUID, int] = field(default_factory=dict)


class Desk:
    """One thread, one database connection. Every turn is taken whole, one after the other."""

    def __init__(self, executor_id: uuid.UUID) -> None:
        self.executor_id = executor_id
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="desk")
        self._providers: dict[uuid.UUID, Provider] = {}
        self._batches: dict[uuid.UUID, Batch] = {}
        self._seen_at = 0.0
        self._shared_at: dict[uuid.UUID, float] = {}

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
        held = turn.report.batches
        self._batches = {batch_id: batch for batch_id, batch in self._batches.items() if batch_id in held}
        try:
            self._look_round(answer, turn, now=now)
            if turn.appetite is not None:
                self._take_up(answer, turn.appetite, now=now)
        except (OperationalError, InterfaceError) as error:
            self._pause(error)
        self._ask_shares(answer, turn.demands)
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
        for provider in Provider.objects.filter(pk__in=self._providers):
            if provider.updated_at != self._providers[provider.pk].updated_at:
                with suppress(CredentialUnavailable, CannotRun):  # then the old settings serve what is under way
                    answer.opened.append(self._open(provider))

    def _take_up(self, answer: Answer, appetite: Appetite, *, now: datetime) -> None:
        for lease in claim(executor=self.executor_id, appetite=appetite, now=now):
            batch = self._batch(lease.piece.batch_id)
            if batch.status != BatchStatus.IN_PROGRESS:
                continue  # it was given up over another slice
            try:
                if batch.provider_id not in self._providers:
                    answer.opened.append(self._open(batch.provider))
                objects = _objects(batch, lease)
            except (CredentialUnavailable, Gone, CannotRun) as error:
                self._give_up(batch, str(error))
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

    def _open(self, provider: Provider) -> Opened:
        upstream = provider.connection()
        try:
            adapter = registry.connect(provider.adapter, upstream)
        except (KeyError, ValueError) as error:
            raise CannotRun(f"The settings of provider {provider.name} cannot be used: {error}") from error
        self._providers[provider.pk] = provider
        return Opened(provider.pk, adapter)

    def _give_up(self, batch: Batch, message: str) -> None:
        """The batch as a whole cannot run."""
        with suppress(LostRace):  # then it stopped for another reason
            fail(batch, kind=Kind.PORTAL, message=message, actor=ENGINE, now=timezone.now())
        give_back(batch, executor=self.executor_id)

    def _ask_shares(self, answer: Answer, demands: Mapping[uuid.UUID, Demand]) -> None:
        taken: Counter[uuid.UUID] = Counter()
        for piece in answer.taken:
            taken[piece.batch.provider_id] += len(piece.objects)
        for provider_id in self._providers:
            demand = demands.get(provider_id, Demand(0, 0, 0))
            wanted = min(demand.wanted + taken[provider_id], settings.EXECUTOR_CONCURRENCY)
            asked_at = self._shared_at.get(provider_id, -math.inf)
            if wanted > demand.share or time.monotonic() - asked_at > SHARE_SECONDS:
                in_flight = max(demand.in_flight, demand.share)  # it goes on sending until it hears the answer
                self._ask_share(answer, provider_id, in_flight=in_flight, wanted=wanted)

    def _ask_share(self, answer: Answer, provider_id: uuid.UUID, *, in_flight: int, wanted: int) -> None:
        """Ask for a share of the provider's concurrency. When nobody answers, the last one stays."""
        limit = self._providers[provider_id].max_concurrency
        try:
            answer.shares[provider_id] = limits().share(
                provider_id, self.executor_id, wanted=wanted, in_flight=in_flight, limit=limit
            )
            self._shared_at[provider_id] = time.monotonic()
        except redis.RedisError as error:
            logger.warning("the shared limits did not answer (%s); keeping the last share", type(error).__name__)

    def _close(self) -> None:
        with suppress(OperationalError, InterfaceError):  # then its row grows old
            leave(self.executor_id)
        with suppress(redis.RedisError):  # then its shares run out
            for provider_id in self._providers:
                limits().share(provider_id, self.executor_id, wanted=0, in_flight=0, limit=0)
        connection.close()


def _objects(batch: Batch, lease: Lease) -> list[tuple[Waiting, bytes]]:
    """The objects of a slice with their bodies, exactly as the client wrote them. Raises Gone or CannotRun."""
    lines = slice_lines(batch, lease.piece)
    try:
        return [(item, bytes(jsonl.read_request(lines[item.line]).body)) for item in lease.waiting(lines)]
    except (KeyError, msgspec.DecodeError, RecursionError) as error:
        raise CannotRun("The input file has changed.") from error

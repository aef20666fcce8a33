"""Taking up work: leases slices, reads their requests, and remembers the providers and batches that this worker cannot serve."""

import logging
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from batches.engine.executor.lanes.upstreams import CannotRun, Opened, Upstreams
from batches.models import Batch
from batches.rules.actors import ENGINE
from batches.rules.errors import Gone, LostRace, StorageAway
from batches.rules.lines import jsonl
from batches.rules.states import BatchStatus
from batches.services.control.block import block_batch, block_provider, unblock
from batches.services.lifecycle.claim import Appetite, Lease, Pending, claim, give_back
from batches.services.lifecycle.fail import fail
from batches.services.lifecycle.settle import Report, settle
from batches.services.results.results import slice_lines
from batches.services.tally.outcomes import Settled
from batches.services.telemetry.catalogue import CLAIM_SECONDS
from batches.services.telemetry.counts import observe
from providers.base import Failure
from providers.failures import Kind
from providers.models import CredentialUnavailable

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 5.0  # how long work that this worker could not carry out is left to other workers


Block = Callable[..., None]


class InputChanged(Exception):
    """The input file has changed."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A slice that was taken up: its lease, and for each object its body and the model it names."""

    batch: Batch
    lease: Lease
    objects: Sequence[tuple[Pending, bytes, str]]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why this worker cannot carry out one batch, or any batch of one provider.

    The worker does not try again before `until`. `block` records the reason for everybody to see.
    """

    reason: str
    until: float
    block: Block


class TakeUp:
    """Takes up work for one executor. Only the database thread calls it, in its own thread."""

    def __init__(self, executor_id: uuid.UUID, upstreams: Upstreams) -> None:
        self.obstacles: dict[uuid.UUID, Obstacle] = {}  # by provider or batch
        self._executor_id = executor_id
        self._upstreams = upstreams
        self._batches: dict[uuid.UUID, Batch] = {}
        self._unbegun: list[Lease] = []  # leased slices whose requests have not been read yet

    @property
    def trouble(self) -> str:
        """The reasons why this worker cannot carry out some work, for people."""
        return " ".join(sorted({obstacle.reason for obstacle in self.obstacles.values()}))

    def forget_batches(self, kept: Iterable[uuid.UUID]) -> None:
        """Forget the known rows of all batches but these: they may change before another slice of them is taken up."""
        kept = set(kept)
        self._batches = {batch_id: batch for batch_id, batch in self._batches.items() if batch_id in kept}

    def __call__(self, opened: list[Opened], taken: list[Taken], appetite: Appetite, *, now: datetime) -> None:
        """Take up as many slices as the appetite wants. They are added to `taken`, and new providers to `opened`."""
        self.give_back()
        self._forget_obstacles()
        known = set(self.obstacles)
        appetite = replace(appetite, avoided=frozenset(known))
        began = time.monotonic()
        self._unbegun = claim(executor=self._executor_id, appetite=appetite, now=now)[::-1]
        observe(CLAIM_SECONDS, seconds=[time.monotonic() - began])
        while self._unbegun:
            self._begin(self._unbegun[-1], opened, taken, now=now)
            self._unbegun.pop()
        for subject in self.obstacles.keys() - known:
            obstacle = self.obstacles[subject]
            obstacle.block(subject, reason=obstacle.reason, now=now)

    def give_back(self) -> None:
        """Let go of the slices that a failed turn leased and did not begin."""
        while self._unbegun:
            give_back(self._unbegun[-1])
            self._unbegun.pop()

    def _forget_obstacles(self) -> None:
        """Forget the obstacles whose time is over: their cause may be gone."""
        now = time.monotonic()
        self.obstacles = {subject: obstacle for subject, obstacle in self.obstacles.items() if obstacle.until > now}

    def _begin(self, lease: Lease, opened: list[Opened], taken: list[Taken], *, now: datetime) -> None:
        """Read the objects of a slice. A slice that cannot be read is given back, whatever the error."""
        batch_id = lease.piece.batch_id
        try:
            batch = self._batch(batch_id)
            if batch.status != BatchStatus.IN_PROGRESS:  # the batch failed when another of its slices was read
                give_back(lease)
            elif lease.lost >= settings.MAX_LOST_LEASES:
                _fail_lines(batch, lease, now=now)
            else:
                objects = self._objects(batch, lease, opened, now=now)
                unblock(batch)
                taken.append(Taken(batch, lease, objects))
        except (OperationalError, InterfaceError):
            raise
        except (CredentialUnavailable, CannotRun) as error:
            self._leave_to_others(lease, batch.provider_id, str(error), block_provider)
        except (Gone, InputChanged) as error:
            _give_up(batch, str(error))
            give_back(lease)
        except StorageAway as error:
            self._leave_to_others(lease, batch_id, str(error), block_batch)
        except Exception as error:
            logger.exception("%s could not be read; trying again later", lease.piece)
            self._leave_to_others(lease, batch_id, f"Its requests could not be read ({type(error).__name__}).", block_batch)

    def _leave_to_others(self, lease: Lease, subject: uuid.UUID, reason: str, block: Block) -> None:
        """Leave a slice, and all work of its `subject` (a provider or a batch), to other workers for AGAIN_SECONDS."""
        self.obstacles[subject] = Obstacle(reason, time.monotonic() + AGAIN_SECONDS, block)
        give_back(lease)

    def _batch(self, batch_id: uuid.UUID) -> Batch:
        """The batch of a slice, as it was when the first of its slices was taken up."""
        if batch_id not in self._batches:
            self._batches[batch_id] = Batch.objects.select_related("input_file", "provider").get(pk=batch_id)
        return self._batches[batch_id]

    def _objects(self, batch: Batch, lease: Lease, opened: list[Opened], *, now: datetime) -> list[tuple[Pending, bytes, str]]:
        """The objects of a slice, with their bodies exactly as the client wrote them, and their models.

        The model is read from each body if models of the provider have limits or prices and the batch has no single model.
        Raises CredentialUnavailable, CannotRun, Gone, StorageAway or InputChanged.
        """
        if batch.provider_id not in self._upstreams:
            opened.append(self._upstreams.open(batch.provider, now=now))
        lines = slice_lines(batch, lease.piece)
        try:
            bodies = [(item, bytes(jsonl.read_request(lines[item.line]).body)) for item in lease.waiting(lines)]
        except (KeyError, msgspec.DecodeError, RecursionError) as error:
            raise InputChanged("The input file has changed.") from error
        ask_each = self._upstreams.has_models(batch.provider_id) and not batch.model
        return [(item, body, _model_of(body) if ask_each else batch.model) for item, body in bodies]


def _give_up(batch: Batch, message: str) -> None:
    """Fail a batch that cannot run as a whole."""
    try:
        fail(batch, kind=Kind.PORTAL, message=message, actor=ENGINE, now=timezone.now())
    except LostRace:
        batch.refresh_from_db()  # the batch has already stopped for another reason


def _fail_lines(batch: Batch, lease: Lease, *, now: datetime) -> None:
    """Fail the open objects of a slice: several workers in a row have died while they held it."""
    message = f"The workers that took up these requests ended {lease.lost} times in a row before any of them was answered."
    outcome = Failure(Kind.PORTAL, message, code="worker_lost")
    piece, known = lease.piece, lease.known or ()
    rows = [Settled(piece.pk, batch.pk, item.line, item.round, item.attempts, 0, outcome) for item in known]
    settle(Report({batch.pk: batch}, {piece.pk: lease.epoch}, rows, done={piece.pk: None}), now=now)


class _Named(msgspec.Struct):
    model: str = ""


_decode_named = msgspec.json.Decoder(_Named).decode


def _model_of(body: bytes) -> str:
    try:
        return _decode_named(body).model
    except (msgspec.DecodeError, RecursionError):
        return ""

"""settle: record what came of objects. One transaction for everything that an executor learnt since the last time."""

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec
from django.db import DataError, IntegrityError, transaction
from django.db.models import Exists, OuterRef

from batches import wake
from batches.models import Attempt, Batch, BatchResult, Slice
from batches.services.enforce_guards import enforce_guards
from batches.services.error_groups import record_errors
from batches.services.guard import guards_of
from batches.services.lease import lease_end
from batches.services.outcomes import Settled, Tried, errors_of, insert_attempts, insert_results
from batches.services.pace import note_pace
from batches.services.recount import recount
from batches.states import BatchStatus
from providers.base import Failure
from providers.failures import Kind

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Report:
    """What an executor hands in. `epochs` are the slices it holds, renewed by this; `done` those it lets go of.

    `batches` are the batches of these slices, with their providers, as the executor knows them.
    `done` maps a slice to when its objects may be tried again, or None for at once. `throttled` maps a batch to until
    when and why the upstream's limits hold it back.
    """

    batches: Mapping[uuid.UUID, Batch]
    epochs: Mapping[uuid.UUID, int]
    settled: Sequence[Settled] = ()
    tried: Sequence[Tried] = ()
    done: Mapping[uuid.UUID, datetime | None] = field(default_factory=dict)
    throttled: Mapping[uuid.UUID, tuple[datetime, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a report.

    `lost` are slices that are not held any more (their rows were dropped), `stopped` batches that do not run any more,
    `held_back` batches of which nothing more is to be sent as it is: paused, or routed to another provider.
    """

    lost: frozenset[uuid.UUID] = frozenset()
    stopped: frozenset[uuid.UUID] = frozenset()
    held_back: frozenset[uuid.UUID] = frozenset()
    dropped: int = 0


def settle(report: Report, *, now: datetime) -> Receipt:
    """Record a report. What comes under a stale lease changes nothing; what is recorded already is not recorded twice.

    Then the guards are looked at, so that a batch overshoots by no more than what is in flight.
    """
    receipt = _recorded(report, now=now)
    _note_throttled(report.throttled)
    guarded = {item.batch_id for item in report.settled if guards_of(report.batches[item.batch_id]).armed}
    paused = enforce_guards(now=now, among=guarded) if guarded else frozenset[uuid.UUID]()
    return replace(receipt, held_back=receipt.held_back | paused)


def _recorded(report: Report, *, now: datetime) -> Receipt:
    try:
        return _settle(report, now=now)
    except IntegrityError:
        # The commit of an earlier try went through although its answer was lost.
        return _settle(_without_recorded(report), now=now)
    except (DataError, ValueError):
        # One row that the database does not take must not keep the others from being recorded.
        return _settle(replace(report, settled=[_recordable(item, report, now=now) for item in report.settled]), now=now)


def _recordable(item: Settled, report: Report, *, now: datetime) -> Settled:
    """The item, or, if the database does not take it, a failure in its place: the call was made, and is not made again."""
    try:
        with transaction.atomic():
            insert_results([item], now=now)
            record_errors(errors_of([item], report.batches, now=now), report.batches)
            transaction.set_rollback(True)
    except (DataError, ValueError) as error:
        # Only its type: the text of such an error quotes the value.
        logger.error("line %s of batch %s cannot be recorded (%s)", item.line, item.batch_id, type(error).__name__)
        failure = Failure(Kind.PORTAL, "The upstream's answer could not be recorded.")
        return msgspec.structs.replace(item, outcome=failure)
    return item


@transaction.atomic
def _settle(report: Report, *, now: datetime) -> Receipt:
    locked = Slice.objects.select_for_update(of=("self",)).filter(pk__in=report.epochs).order_by("pk")
    rows = list(locked.values_list("pk", "lease_epoch", "batch_id"))
    held = {pk: batch_id for pk, epoch, batch_id in rows if report.epochs[pk] == epoch}
    settled = [item for item in report.settled if item.slice_id in held]
    tried = [item for item in report.tried if item.slice_id in held]
    if tried:
        insert_attempts(tried, now=now)
    if settled:
        insert_results(settled, now=now)
        record_errors(errors_of(settled, report.batches, now=now), report.batches)
    note_pace(settled, tried, now=now)
    Slice.objects.filter(pk__in=held).update(lease_expires_at=lease_end(now))
    recount({item.slice_id for item in settled})
    _let_go({pk: at for pk, at in report.done.items() if pk in held})
    _wake_finished({held[pk] for pk in report.done if pk in held})
    stopped, held_back = _standing(report.batches, {batch_id for _, _, batch_id in rows})
    return Receipt(
        lost=frozenset(report.epochs.keys() - held.keys()),
        stopped=stopped,
        held_back=held_back,
        dropped=len(report.settled) - len(settled),
    )


def _note_throttled(throttled: Mapping[uuid.UUID, tuple[datetime, str]]) -> None:
    """Note what holds batches back. Each batch by itself: who holds several rows of batches may wait in a circle."""
    for batch_id, (until, reason) in throttled.items():
        running = Batch.objects.filter(pk=batch_id, status=BatchStatus.IN_PROGRESS)
        running.update(throttled_until=until, throttled_reason=reason[:200])


def _standing(known: Mapping[uuid.UUID, Batch], batches: set[uuid.UUID]) -> tuple[frozenset[uuid.UUID], frozenset[uuid.UUID]]:
    """Which of these batches do not run any more, and of which nothing more is to be sent as it is."""
    if not batches:
        return frozenset(), frozenset()
    rows = Batch.objects.filter(pk__in=batches).values_list("pk", "status", "paused_at", "provider_id")
    stopped, held_back = set(), set()
    for batch_id, status, paused_at, provider_id in rows:
        if status != BatchStatus.IN_PROGRESS:
            stopped.add(batch_id)
        elif paused_at is not None or provider_id != known[batch_id].provider_id:
            held_back.add(batch_id)
    return frozenset(stopped), frozenset(held_back)


def _let_go(done: Mapping[uuid.UUID, datetime | None]) -> None:
    at_once = [pk for pk, not_before in done.items() if not_before is None]
    if at_once:
        Slice.objects.filter(pk__in=at_once).update(lease_owner=None, lease_expires_at=None, not_before=None)
    for pk, not_before in done.items():
        if not_before is not None:
            Slice.objects.filter(pk=pk).update(lease_owner=None, lease_expires_at=None, not_before=not_before)


def _wake_finished(batches: set[uuid.UUID]) -> None:
    """Announce the batches that have nothing left to run, or that wait only for their slices to be let go of."""
    if not batches:
        return
    unfinished = Exists(Slice.objects.filter(batch=OuterRef("pk"), pending__gt=0))
    running = Batch.objects.filter(unfinished, pk__in=batches, status=BatchStatus.IN_PROGRESS)
    for batch_id in batches - set(running.values_list("pk", flat=True)):
        wake.finalize(batch_id)


def _without_recorded(report: Report) -> Report:
    settled, tried = list(report.settled), list(report.tried)
    for batch_id in {item.batch_id for item in settled}:
        lines = [item.line for item in settled if item.batch_id == batch_id]
        known = set(BatchResult.objects.filter(batch=batch_id, line__in=lines).values_list("line", "round"))
        settled = [item for item in settled if item.batch_id != batch_id or (item.line, item.round) not in known]
    for batch_id in {item.batch_id for item in tried}:
        lines = [item.line for item in tried if item.batch_id == batch_id]
        noted = set(Attempt.objects.filter(batch=batch_id, line__in=lines).values_list("line", "round", "number"))
        tried = [item for item in tried if item.batch_id != batch_id or (item.line, item.round, item.number) not in noted]
    return replace(report, settled=settled, tried=tried)

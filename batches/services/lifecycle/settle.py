"""settle: record the outcomes of objects. One transaction records all outcomes of an executor since its last turn."""

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec
from django.db import DataError, IntegrityError, InterfaceError, OperationalError, ProgrammingError, transaction
from django.db.models import Exists, F, OuterRef

from batches.models import Attempt, Batch, BatchResult, Slice, ThrottledBy
from batches.rules.errors import LostRace
from batches.rules.states import BatchStatus, ObjectStatus
from batches.services.control.enforce_guards import enforce_guards
from batches.services.core import wake
from batches.services.core.lease import lease_end
from batches.services.policy.guards import guards_of
from batches.services.policy.stops_in_force import unsent
from batches.services.tally.error_groups import record_errors
from batches.services.tally.outcomes import Settled, Tried, errors_of, insert_attempts, insert_results
from batches.services.tally.pace import note_pace
from batches.services.tally.recount import recount
from batches.services.telemetry.catalogue import OBJECTS_SETTLED
from batches.services.telemetry.counts import count_on_commit
from providers.base import Failure, Success
from providers.failures import Kind

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Throttled:
    """Until when and why limits hold a batch back. The reason is in the portal's own words, and quotes no call."""

    until: datetime
    reason: str
    by: ThrottledBy


@dataclass(frozen=True, slots=True)
class Report:
    """The outcomes and slices that an executor hands in.

    `batches` are the batches of the held slices, with their providers, as the executor knows them. `epochs` are the epochs of
    the held slices, whose leases the report renews. `done` are the slices that the executor lets go of, each with the time
    when its objects may be tried again, or None for at once. `throttled` are the batches that limits hold back.
    """

    batches: Mapping[uuid.UUID, Batch]
    epochs: Mapping[uuid.UUID, int]
    settled: Sequence[Settled] = ()
    tried: Sequence[Tried] = ()
    done: Mapping[uuid.UUID, datetime | None] = field(default_factory=dict)
    throttled: Mapping[uuid.UUID, Throttled] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to a report.

    `lost` are slices that the executor no longer holds; their outcomes were dropped. `stopped` are batches that no longer
    run, with the time since when. `held_back` are batches to stop sending for now: they are paused, rerouted to another
    provider, or under an emergency stop. `settled` are the batches with objects that this report has settled.
    """

    lost: frozenset[uuid.UUID] = frozenset()
    stopped: Mapping[uuid.UUID, datetime] = field(default_factory=dict)
    held_back: frozenset[uuid.UUID] = frozenset()
    settled: frozenset[uuid.UUID] = field(default=frozenset(), compare=False)
    dropped: int = 0


def settle(report: Report, *, now: datetime) -> Receipt:
    """Record a report. Outcomes under a stale lease change nothing, and no outcome is recorded twice.

    Then the guards of the batches with new outcomes are checked, so that a batch exceeds a guard by no more than the requests
    in flight. A failed check does not undo the record: the beat checks again.
    """
    receipt = _recorded(report, now=now)
    guarded = {batch_id for batch_id in receipt.settled if guards_of(report.batches[batch_id]).armed}
    try:
        _note_throttled(report.throttled)
        paused = enforce_guards(now=now, among=guarded) if guarded else frozenset[uuid.UUID]()
    except Exception:
        logger.exception("the guards of %s batches could not be looked at", len(guarded))
        return receipt
    return replace(receipt, held_back=receipt.held_back | paused)


def settle_fenced(
    batch: Batch, pieces: Sequence[Slice], settled: Sequence[Settled], tried: Sequence[Tried] = (), *, now: datetime
) -> None:
    """Record outcomes in slices of one batch that the caller has locked, and let go of them. New epochs fence off who had them.

    Raises LostRace if the rows of the slices are not as they were when they were locked.
    """
    keys = [piece.pk for piece in pieces]
    Slice.objects.filter(pk__in=keys).update(lease_epoch=F("lease_epoch") + 1, lease_owner=None, lease_expires_at=lease_end(now))
    epochs = {piece.pk: piece.lease_epoch + 1 for piece in pieces}
    if settle(Report({batch.pk: batch}, epochs, settled, tried, done=dict.fromkeys(keys)), now=now).lost:
        raise LostRace


def settle_apart(report: Report, *, now: datetime) -> Receipt:
    """Record a report slice by slice, because it cannot be recorded as a whole. A slice that cannot be recorded is lost.

    Raises OperationalError or InterfaceError when the database does not answer.
    """
    receipts = [_settle_alone(report, slice_id, now=now) for slice_id in report.epochs]
    return Receipt(
        lost=frozenset().union(*(one.lost for one in receipts)),
        stopped={batch_id: since for one in receipts for batch_id, since in one.stopped.items()},
        held_back=frozenset().union(*(one.held_back for one in receipts)),
        settled=frozenset().union(*(one.settled for one in receipts)),
        dropped=sum(one.dropped for one in receipts),
    )


def _settle_alone(report: Report, slice_id: uuid.UUID, *, now: datetime) -> Receipt:
    try:
        return settle(_of_slice(report, slice_id), now=now)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        logger.exception("slice %s cannot be recorded and is given up", slice_id)
        return Receipt(lost=frozenset({slice_id}))


def _of_slice(report: Report, slice_id: uuid.UUID) -> Report:
    """The part of a report that is about one slice."""
    return replace(
        report,
        epochs={slice_id: report.epochs[slice_id]},
        settled=[item for item in report.settled if item.slice_id == slice_id],
        tried=[item for item in report.tried if item.slice_id == slice_id],
        done={slice_id: report.done[slice_id]} if slice_id in report.done else {},
    )


# The errors of a database, its driver or Python for a value that a column does not take.
_REFUSALS = (DataError, ProgrammingError, ValueError, ArithmeticError, TypeError, AttributeError)


def _recorded(report: Report, *, now: datetime) -> Receipt:
    try:
        return _settle(report, now=now)
    except IntegrityError:
        # An earlier try was committed although its answer was lost.
        report = _without_recorded(report)
    except _REFUSALS:
        # A row that the database refuses must not keep the other rows from being recorded.
        report = _recordable(_without_recorded(report), now=now)
    try:
        return _settle(report, now=now)
    except _REFUSALS:
        return _settle(_recordable(report, now=now), now=now)


def _recordable(report: Report, *, now: datetime) -> Report:
    """The report without rows that the database refuses. A refused result becomes a failure, a refused attempt is left out."""
    return replace(
        report,
        settled=[_or_failure(item, report, now=now) for item in report.settled if item.slice_id in report.epochs],
        tried=[item for item in report.tried if item.slice_id in report.epochs and _is_recordable(item, now=now)],
    )


def _is_recordable(item: Tried, *, now: datetime) -> bool:
    try:
        with transaction.atomic():
            insert_attempts([item], now=now)
            transaction.set_rollback(True)
    except _REFUSALS as error:
        logger.error("an attempt at line %s of batch %s cannot be noted (%s)", item.line, item.batch_id, type(error).__name__)
        return False
    return True


def _or_failure(item: Settled, report: Report, *, now: datetime) -> Settled:
    """The item; or a failure in its place if the database refuses it, because the call was made and is not repeated."""
    try:
        with transaction.atomic():
            insert_results([item], now=now)
            record_errors(errors_of([item], report.batches, now=now), report.batches)
            transaction.set_rollback(True)
    except _REFUSALS as error:
        # The log has only the type of the error: its text quotes the value.
        logger.error("line %s of batch %s cannot be recorded (%s)", item.line, item.batch_id, type(error).__name__)
        failure = Failure(Kind.PORTAL, "The upstream's answer could not be recorded.")
        return msgspec.structs.replace(item, outcome=failure, cost_nanos=None)
    return item


@transaction.atomic
def _settle(report: Report, *, now: datetime) -> Receipt:
    locked = Slice.objects.select_for_update(of=("self",)).filter(pk__in=report.epochs).order_by("pk")
    rows = list(locked.values_list("pk", "lease_epoch", "batch_id", "lost_leases"))
    held = {pk: batch_id for pk, epoch, batch_id, _ in rows if report.epochs[pk] == epoch}
    settled = [item for item in report.settled if item.slice_id in held]
    tried = [item for item in report.tried if item.slice_id in held]
    if tried:
        insert_attempts(tried, now=now)
    if settled:
        insert_results(settled, now=now)
        record_errors(errors_of(settled, report.batches, now=now), report.batches)
    note_pace(settled, tried, now=now)
    Slice.objects.filter(pk__in=held).update(lease_expires_at=lease_end(now))
    moved = {item.slice_id for item in settled} | {item.slice_id for item in tried}
    if recovered := [pk for pk, _, _, lost in rows if lost and pk in moved]:
        Slice.objects.filter(pk__in=recovered).update(lost_leases=0)
    recount({item.slice_id for item in settled})
    _let_go({pk: at for pk, at in report.done.items() if pk in held})
    _wake_finished({held[pk] for pk in report.done if pk in held})
    succeeded = sum(isinstance(item.outcome, Success) for item in settled)
    count_on_commit(OBJECTS_SETTLED, ObjectStatus.SUCCEEDED, by=succeeded)
    count_on_commit(OBJECTS_SETTLED, ObjectStatus.FAILED, by=len(settled) - succeeded)
    stopped, held_back = _standing(report.batches, {batch_id for _, _, batch_id, _ in rows})
    return Receipt(
        lost=frozenset(report.epochs.keys() - held.keys()),
        stopped=stopped,
        held_back=held_back,
        settled=frozenset(item.batch_id for item in settled),
        dropped=len(report.settled) - len(settled),
    )


def _note_throttled(throttled: Mapping[uuid.UUID, Throttled]) -> None:
    """Note on each batch the limits that hold it back. Updates are single: locking several batches at once may deadlock."""
    for batch_id, notice in throttled.items():
        running = Batch.objects.filter(pk=batch_id, status=BatchStatus.IN_PROGRESS)
        running.update(throttled_until=notice.until, throttled_reason=notice.reason[:200], throttled_by=notice.by)


def _standing(
    known: Mapping[uuid.UUID, Batch], batches: set[uuid.UUID]
) -> tuple[dict[uuid.UUID, datetime], frozenset[uuid.UUID]]:
    """The batches that have stopped running, with the time since when; and the batches to stop sending for now."""
    if not batches:
        return {}, frozenset()
    names = ("pk", "status", "paused_at", "provider_id", "project_id", "cancelling_at", "finalizing_at", "updated_at")
    stopped, held_back, stops = {}, set(), unsent()
    for batch_id, status, paused_at, provider_id, project_id, *stamps in Batch.objects.filter(pk__in=batches).values_list(*names):
        if status != BatchStatus.IN_PROGRESS:
            stopped[batch_id] = next(filter(None, stamps))
        elif (
            paused_at is not None
            or provider_id != known[batch_id].provider_id
            or stops.has(provider=provider_id, project=project_id)
        ):
            held_back.add(batch_id)
    return stopped, frozenset(held_back)


def _let_go(done: Mapping[uuid.UUID, datetime | None]) -> None:
    at_once = [pk for pk, not_before in done.items() if not_before is None]
    if at_once:
        Slice.objects.filter(pk__in=at_once).update(lease_owner=None, lease_expires_at=None, not_before=None)
    for pk, not_before in done.items():
        if not_before is not None:
            Slice.objects.filter(pk=pk).update(lease_owner=None, lease_expires_at=None, not_before=not_before)


def _wake_finished(batches: set[uuid.UUID]) -> None:
    """Wake a worker for each of these batches that has no pending object, or no longer runs."""
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

"""settle: record what came of objects. One transaction for everything that an executor learnt since the last time."""

import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec
from django.db import DataError, IntegrityError, transaction
from uuid_utils.compat import uuid7

from batches import wake
from batches.fingerprints import fingerprint
from batches.models import Attempt, Batch, BatchError, BatchObject, BatchResult, Slice, bulk
from batches.services.lease import lease_end
from batches.states import BatchStatus, ObjectStatus
from providers.base import Failure, Success, Usage
from providers.failures import Kind

logger = logging.getLogger(__name__)


class Settled(msgspec.Struct, frozen=True):
    """The outcome that ends a round of an object."""

    slice_id: uuid.UUID
    batch_id: uuid.UUID
    line: int
    round: int
    attempts: int
    latency_ms: int
    outcome: Success | Failure


class Tried(msgspec.Struct, frozen=True):
    """A failed attempt that will be followed by another, not before `retry_at`."""

    slice_id: uuid.UUID
    batch_id: uuid.UUID
    line: int
    round: int
    number: int
    latency_ms: int
    failure: Failure
    retry_at: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """What an executor hands in. `epochs` are the slices it holds, renewed by this; `done` those it lets go of.

    `done` maps a slice to when its objects may be tried again, or None for at once. `throttled` maps a batch to until
    when and why the upstream's limits hold it back.
    """

    provider_names: Mapping[uuid.UUID, str]
    epochs: Mapping[uuid.UUID, int]
    settled: Sequence[Settled] = ()
    tried: Sequence[Tried] = ()
    done: Mapping[uuid.UUID, datetime | None] = field(default_factory=dict)
    throttled: Mapping[uuid.UUID, tuple[datetime, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a report: slices that are not held any more (their rows were dropped), and batches not running."""

    lost: frozenset[uuid.UUID]
    stopped: frozenset[uuid.UUID]
    dropped: int


def settle(report: Report, *, now: datetime) -> Receipt:
    """Record a report. What comes under a stale lease changes nothing; what is recorded already is not recorded twice."""
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
            _insert_results([item], now=now)
            _insert_errors([item], report.provider_names, now=now)
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
    rows = list(locked.values_list("pk", "lease_epoch", "batch_id", "batch__status"))
    held = {pk: batch_id for pk, epoch, batch_id, _ in rows if report.epochs[pk] == epoch}
    settled = [item for item in report.settled if item.slice_id in held]
    tried = [item for item in report.tried if item.slice_id in held]
    if tried:
        _insert_attempts(tried, now=now)
    if settled:
        _insert_results(settled, now=now)
        _insert_errors(settled, report.provider_names, now=now)
    Slice.objects.filter(pk__in=held).update(lease_expires_at=lease_end(now))
    recount({item.slice_id for item in settled})
    _let_go({pk: at for pk, at in report.done.items() if pk in held})
    for batch_id, (until, reason) in report.throttled.items():
        running = Batch.objects.filter(pk=batch_id, status=BatchStatus.IN_PROGRESS)
        running.update(throttled_until=until, throttled_reason=reason[:200])
    _wake_finished({held[pk] for pk in report.done if pk in held})
    return Receipt(
        lost=frozenset(report.epochs.keys() - held.keys()),
        stopped=frozenset(batch_id for _, _, batch_id, status in rows if status != BatchStatus.IN_PROGRESS),
        dropped=len(report.settled) - len(settled),
    )


def _insert_results(settled: Sequence[Settled], *, now: datetime) -> None:
    """Insert the results, then settle their objects from them in one statement."""
    identifiers = [uuid7() for _ in settled]
    rows = [(identifier, *_result_row(item, now)) for identifier, item in zip(identifiers, settled, strict=True)]
    bulk.insert(BatchResult, _RESULT_FIELDS, rows)
    with bulk.cursor() as cursor:
        cursor.execute(_SETTLE, [bulk.adapt(BatchResult, "id", value) for value in (min(identifiers), max(identifiers))])


_RESULT_FIELDS = (
    *("id", "batch", "line", "round", "status", "attempts", "http_status", "latency_ms"),
    *("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"),
    *("request_id", "error_code", "error_message", "body", "created_at"),
)
# What others insert at the same time may lie between these ids; their objects have settled with it. The results are
# looked up by themselves, and their objects one by one: left to itself, PostgreSQL compares each with each as long as it
# has no statistics of a batch, which takes minutes.
_SETTLE = f"""
      WITH r AS MATERIALIZED (
           SELECT batch_id, line, round, status, attempts, http_status, latency_ms,
                  input_tokens, output_tokens, cached_tokens, reasoning_tokens, request_id, created_at
             FROM {BatchResult._meta.db_table}
            WHERE id BETWEEN %s AND %s)
    UPDATE {BatchObject._meta.db_table} AS o
       SET status = r.status, attempts = r.attempts, http_status = r.http_status, latency_ms = r.latency_ms,
           input_tokens = r.input_tokens, output_tokens = r.output_tokens, cached_tokens = r.cached_tokens,
           reasoning_tokens = r.reasoning_tokens, request_id = r.request_id, settled_at = r.created_at
      FROM r
     WHERE o.batch_id = r.batch_id AND o.line = r.line AND o.round = r.round AND o.status = '{ObjectStatus.PENDING.value}'
"""  # noqa: S608 - names of tables and a status only


def _result_row(item: Settled, now: datetime) -> tuple[object, ...]:
    outcome = item.outcome
    head = (item.batch_id, item.line, item.round)
    if isinstance(outcome, Success):
        usage = outcome.usage
        return (
            *head,
            "succeeded",
            item.attempts,
            outcome.http_status,
            item.latency_ms,
            *((None, None, None, None) if usage is None else _tokens(usage)),
            outcome.request_id[:200],
            "",
            "",
            outcome.body.decode(),
            now,
        )
    code = outcome.code or outcome.kind.value
    return (
        *(*head, "failed", item.attempts, outcome.http_status, item.latency_ms, None, None, None, None),
        *(outcome.request_id[:200], code[:100], outcome.message, outcome.body.decode(), now),
    )


def _tokens(usage: Usage) -> tuple[int, int, int, int]:
    return usage.input, usage.output, usage.cached, usage.reasoning


def _insert_errors(settled: Sequence[Settled], provider_names: Mapping[uuid.UUID, str], *, now: datetime) -> None:
    failures = ((item, item.outcome) for item in settled if isinstance(item.outcome, Failure))
    BatchError.objects.bulk_create(
        BatchError(
            batch_id=item.batch_id,
            line=item.line,
            round=item.round,
            code=(failure.code or failure.kind.value)[:100],
            message=failure.message[:2000],
            param=failure.param[:200],
            kind=failure.kind.value,
            source=failure.kind.source.value,
            http_status=failure.http_status,
            fingerprint=fingerprint(
                source=failure.kind.source.value,
                provider=provider_names[item.batch_id],
                http_status=failure.http_status,
                code=failure.code or failure.kind.value,
                message=failure.message,
            ),
            created_at=now,
        )
        for item, failure in failures
    )


def _insert_attempts(tried: Sequence[Tried], *, now: datetime) -> None:
    Attempt.objects.bulk_create(
        Attempt(
            batch_id=item.batch_id,
            line=item.line,
            round=item.round,
            number=item.number,
            kind=item.failure.kind.value,
            answered=item.failure.kind.answered,
            http_status=item.failure.http_status,
            code=item.failure.code[:100],
            message=item.failure.message[:2000],
            request_id=item.failure.request_id[:200],
            latency_ms=item.latency_ms,
            retry_after=item.failure.retry_after,
            retry_at=item.retry_at,
            created_at=now,
        )
        for item in tried
    )


_COUNTED = tuple(f"count(*) FILTER (WHERE o.status = '{status.value}')" for status in ObjectStatus)
_SUMMED = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
_RECOUNT = f"""
    UPDATE {Slice._meta.db_table} AS s
       SET ({", ".join(status.value for status in ObjectStatus)}, {", ".join(_SUMMED)}) = (
           SELECT {", ".join(_COUNTED)}, {", ".join(f"coalesce(sum(o.{name}), 0)" for name in _SUMMED)}
             FROM {BatchObject._meta.db_table} AS o
            WHERE o.batch_id = s.batch_id AND o.line BETWEEN s.first_line AND s.last_line)
     WHERE s.id IN ({{slices}})
"""  # noqa: S608 - names of tables, columns and statuses only


def recount(slice_ids: Iterable[uuid.UUID]) -> None:
    """Make the counts of these slices what their objects say. Whoever changes objects has locked their slices first."""
    slices = [bulk.adapt(Slice, "id", value) for value in slice_ids]
    if slices:
        with bulk.cursor() as cursor:
            cursor.execute(_RECOUNT.format(slices=bulk.placeholders(slices)), slices)


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
    running = Batch.objects.filter(pk__in=batches, status=BatchStatus.IN_PROGRESS, slices__pending__gt=0)
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

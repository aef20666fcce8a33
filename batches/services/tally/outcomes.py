"""Outcomes of attempts, as an executor hands them in, and the rows that they make."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from uuid_utils.compat import uuid7

from batches.models import Attempt, Batch, BatchError, BatchObject, BatchResult, bulk
from batches.rules.fingerprints import fingerprint
from batches.rules.states import ObjectStatus
from providers.base import Failure, Success, Usage


class Settled(msgspec.Struct, frozen=True):
    """The outcome that ends a round of an object."""

    slice_id: uuid.UUID
    batch_id: uuid.UUID
    line: int
    round: int
    attempts: int
    latency_ms: int
    outcome: Success | Failure
    cost_nanos: int | None = None  # in billionths of the portal's currency; None when unknown


class Tried(msgspec.Struct, frozen=True):
    """A failed attempt that will be followed by another, not before `retry_at`; whether it counts against MAX_ATTEMPTS."""

    slice_id: uuid.UUID
    batch_id: uuid.UUID
    line: int
    round: int
    number: int
    latency_ms: int
    failure: Failure
    retry_at: datetime
    counted: bool = True


def insert_results(settled: Sequence[Settled], *, now: datetime) -> None:
    """Insert the results, then settle their objects from them in one statement.

    To be called inside a transaction, which joins row by row from then on: the cost depends on these results alone.
    """
    bulk.join_row_by_row()
    identifiers = [uuid7() for _ in settled]
    rows = [(identifier, *_result_row(item, now)) for identifier, item in zip(identifiers, settled, strict=True)]
    bulk.insert(BatchResult, _RESULT_FIELDS, rows)
    with bulk.cursor() as cursor:
        cursor.execute(_SETTLE, [bulk.adapt(BatchResult, "id", value) for value in (min(identifiers), max(identifiers))])


_RESULT_FIELDS = (
    *("id", "batch", "line", "round", "status", "attempts", "http_status", "latency_ms"),
    *("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "other_tokens", "cost_nanos"),
    *("kind", "retry_after", "request_id", "error_code", "error_message", "body", "created_at"),
)
_COPIED = (
    *("status", "attempts", "http_status", "latency_ms", "input_tokens", "output_tokens", "cached_tokens"),
    *("reasoning_tokens", "other_tokens", "cost_nanos", "kind", "retry_after", "request_id"),
)
# What an object `o` becomes by its result `r`.
AS_ITS_RESULT = ", ".join(("settled_at = r.created_at", *(f"{name} = r.{name}" for name in _COPIED)))
# The ids are ordered by time, so what lies between the first and the last is what was inserted now: by this transaction, and
# perhaps by others at the same time, whose objects are not pending any more or not theirs to see.
_SETTLE = f"""
    UPDATE {BatchObject._meta.db_table} AS o
       SET {AS_ITS_RESULT}
      FROM {BatchResult._meta.db_table} AS r
     WHERE r.id BETWEEN %s AND %s
       AND o.batch_id = r.batch_id AND o.line = r.line AND o.round = r.round AND o.status = '{ObjectStatus.PENDING.value}'
"""  # noqa: S608 - names of tables, columns and a status only


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
            *((None, None, None, None, None) if usage is None else _tokens(usage)),
            item.cost_nanos,
            "",
            None,
            outcome.request_id[:200],
            "",
            "",
            outcome.body.decode(),
            now,
        )
    code = outcome.code or outcome.kind.value
    return (
        *(*head, "failed", item.attempts, outcome.http_status, item.latency_ms, None, None, None, None, None, None),
        *(
            outcome.kind.value,
            outcome.retry_after,
            outcome.request_id[:200],
            code[:100],
            outcome.message,
            outcome.body.decode(),
            now,
        ),
    )


def _tokens(usage: Usage) -> tuple[int | None, ...]:
    return usage.input, usage.output, usage.cached, usage.reasoning, usage.other


def errors_of(settled: Sequence[Settled], batches: Mapping[uuid.UUID, Batch], *, now: datetime) -> list[BatchError]:
    """The errors, not yet stored, that the failed of these objects make."""
    failures = ((item, item.outcome) for item in settled if isinstance(item.outcome, Failure))
    return [
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
                provider=batches[item.batch_id].provider.name,
                http_status=failure.http_status,
                code=failure.code or failure.kind.value,
                message=failure.message,
            ),
            created_at=now,
        )
        for item, failure in failures
    ]


def insert_attempts(tried: Sequence[Tried], *, now: datetime) -> None:
    Attempt.objects.bulk_create(
        Attempt(
            batch_id=item.batch_id,
            line=item.line,
            round=item.round,
            number=item.number,
            kind=item.failure.kind.value,
            answered=item.failure.is_final,
            http_status=item.failure.http_status,
            code=item.failure.code[:100],
            message=item.failure.message[:2000],
            request_id=item.failure.request_id[:200],
            latency_ms=item.latency_ms,
            retry_after=item.failure.retry_after,
            retry_at=item.retry_at,
            counted=item.counted,
            created_at=now,
        )
        for item in tried
    )

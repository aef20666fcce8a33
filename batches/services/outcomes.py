"""Outcomes of attempts, as an executor hands them in, and the rows that they make."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from uuid_utils.compat import uuid7

from batches.fingerprints import fingerprint
from batches.models import Attempt, Batch, BatchError, BatchObject, BatchResult, bulk
from batches.states import ObjectStatus
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
    """Insert the results, then settle their objects from them in one statement."""
    identifiers = [uuid7() for _ in settled]
    rows = [(identifier, *_result_row(item, now)) for identifier, item in zip(identifiers, settled, strict=True)]
    bulk.insert(BatchResult, _RESULT_FIELDS, rows)
    with bulk.cursor() as cursor:
        cursor.execute(_SETTLE, [bulk.adapt(BatchResult, "id", value) for value in (min(identifiers), max(identifiers))])


_RESULT_FIELDS = (
    *("id", "batch", "line", "round", "status", "attempts", "http_status", "latency_ms"),
    *("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost_nanos"),
    *("kind", "retry_after", "request_id", "error_code", "error_message", "body", "created_at"),
)
# What others insert at the same time may lie between these ids; their objects have settled with it. The results are
# looked up by themselves, and their objects one by one: left to itself, PostgreSQL compares each with each as long as it
# has no statistics of a batch, which takes minutes. For the same reason it must not know how few objects were pending when
# it last looked: it would begin with all that are pending now, hence the `coalesce`.
_SETTLE = f"""
      WITH r AS MATERIALIZED (
           SELECT batch_id, line, round, status, attempts, http_status, latency_ms,
                  input_tokens, output_tokens, cached_tokens, reasoning_tokens, cost_nanos,
                  kind, retry_after, request_id, created_at
             FROM {BatchResult._meta.db_table}
            WHERE id BETWEEN %s AND %s)
    UPDATE {BatchObject._meta.db_table} AS o
       SET status = r.status, attempts = r.attempts, http_status = r.http_status, latency_ms = r.latency_ms,
           input_tokens = r.input_tokens, output_tokens = r.output_tokens, cached_tokens = r.cached_tokens,
           reasoning_tokens = r.reasoning_tokens, cost_nanos = r.cost_nanos,
           kind = r.kind, retry_after = r.retry_after, request_id = r.request_id, settled_at = r.created_at
      FROM r
     WHERE o.batch_id = r.batch_id AND o.line = r.line AND o.round = r.round
       AND coalesce(o.status, '') = '{ObjectStatus.PENDING.value}'
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
        *(*head, "failed", item.attempts, outcome.http_status, item.latency_ms, None, None, None, None, None),
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


def _tokens(usage: Usage) -> tuple[int, int, int, int]:
    return usage.input, usage.output, usage.cached, usage.reasoning


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

"""Outcomes of attempts, as an executor hands them in, and the rows that are made from them."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from uuid_utils.compat import uuid7

from batches.models import SUMMED, Attempt, Batch, BatchError, BatchResult, bulk
from batches.services.tally.error_groups import new_error
from batches.services.tally.result_rows import settle_pending
from providers.base import Failure, Success, Usage


class Settled(msgspec.Struct, frozen=True):
    """The outcome that ends a round of an object."""

    slice_id: uuid.UUID
    batch_id: uuid.UUID
    line: int
    round: int
    attempts: int
    latency_ms: int | None  # None if no call was made for it alone
    outcome: Success | Failure
    cost_nanos: int | None = None  # in billionths of the portal's currency; None when unknown


class Tried(msgspec.Struct, frozen=True):
    """A failed attempt that another attempt follows, not before `retry_at`. `counted`: it counts against MAX_ATTEMPTS."""

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

    Must be called inside a transaction, which then joins tables row by row, so that the cost depends on these results alone.
    """
    bulk.join_row_by_row()
    identifiers = [uuid7() for _ in settled]
    rows = [(identifier, *_result_row(item, now)) for identifier, item in zip(identifiers, settled, strict=True)]
    bulk.insert(BatchResult, _RESULT_FIELDS, rows)
    settle_pending(min(identifiers), max(identifiers))


_RESULT_FIELDS = (
    *("id", "batch", "line", "round", "status", "attempts", "http_status", "latency_ms"),
    *(*SUMMED, "kind", "retry_after", "request_id", "error_code", "error_message", "body", "created_at"),
)


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
    """The errors of the failed objects among these, not stored yet."""
    return [
        new_error(
            batches[item.batch_id],
            line=item.line,
            round_=item.round,
            code=item.outcome.code or item.outcome.kind.value,
            message=item.outcome.message,
            param=item.outcome.param,
            kind=item.outcome.kind.value,
            source=item.outcome.kind.source.value,
            http_status=item.outcome.http_status,
            now=now,
        )
        for item in settled
        if isinstance(item.outcome, Failure)
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

"""Every attempt at one object, from the ledger and from what settled it."""

from dataclasses import dataclass
from datetime import datetime

from batches.error_groups import known_kind
from batches.models import Attempt, Batch, BatchResult
from providers.failures import Kind


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt, whether it settled the object or another followed it."""

    round: int
    number: int
    kind: Kind | None
    succeeded: bool
    http_status: int | None
    code: str
    message: str
    request_id: str
    latency_ms: int | None
    ended_at: datetime
    retry_at: datetime | None


def tries(batch: Batch, line: int) -> list[Try]:
    """Every attempt of every round, the earliest first. A result that no attempt led to (a cancellation) is none."""
    failed = [
        Try(
            round=attempt.round,
            number=attempt.number,
            kind=known_kind(attempt.kind),
            succeeded=False,
            http_status=attempt.http_status,
            code=attempt.code,
            message=attempt.message,
            request_id=attempt.request_id,
            latency_ms=attempt.latency_ms,
            ended_at=attempt.created_at,
            retry_at=attempt.retry_at,
        )
        for attempt in Attempt.objects.filter(batch=batch, line=line)
    ]
    followed = {(attempt.round, attempt.number) for attempt in failed}
    settled = [
        Try(
            round=result.round,
            number=result.attempts,
            kind=None,
            succeeded=not result.error_code,
            http_status=result.http_status,
            code=result.error_code,
            message=result.error_message,
            request_id=result.request_id,
            latency_ms=result.latency_ms,
            ended_at=result.created_at,
            retry_at=None,
        )
        for result in BatchResult.objects.filter(batch=batch, line=line).defer("body")
        if result.attempts and (result.round, result.attempts) not in followed
    ]
    return sorted([*failed, *settled], key=lambda attempt: (attempt.round, attempt.number))

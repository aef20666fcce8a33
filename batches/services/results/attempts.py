"""All attempts at one object, from the ledger of failed attempts and from its results."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, Subquery

from batches.models import Attempt, Batch, BatchError, BatchObject, BatchResult
from batches.rules.states import ObjectStatus
from providers.failures import Kind


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt. Either it settled the object, or another attempt followed it."""

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
    retry_after: float | None  # how many seconds the upstream asked to wait
    retry_at: datetime | None


def load_attempts(batch: Batch, objects: Sequence[BatchObject]) -> Sequence[BatchObject]:
    """Give pending objects the number of attempts of their present round, which only the ledger knows. Returns the objects.

    One query for all of them, and none if no object is pending. An object of a batch that ended has its number in its row.
    """
    pending = {found.line: found for found in objects if found.status == ObjectStatus.PENDING}
    if pending and not batch.is_terminal:
        mine = Attempt.objects.filter(batch=batch, line=OuterRef("line"), round=OuterRef("round")).order_by("-number")
        rows = BatchObject.objects.filter(batch=batch, line__in=list(pending)).order_by()
        for line, number in rows.values_list("line", Subquery(mine.values("number")[:1])):
            pending[line].attempts = number or 0
    return objects


def tries(batch: Batch, line: int) -> list[Try]:
    """All attempts of all rounds, the earliest first. A result without an attempt, as of a cancellation, is left out.

    If the batch's result rows were pruned, less is known of the last attempts of earlier rounds.
    """
    failed = [
        Try(
            round=attempt.round,
            number=attempt.number,
            kind=Kind.known(attempt.kind),
            succeeded=False,
            http_status=attempt.http_status,
            code=attempt.code,
            message=attempt.message,
            request_id=attempt.request_id,
            latency_ms=attempt.latency_ms,
            ended_at=attempt.created_at,
            retry_after=attempt.retry_after,
            retry_at=attempt.retry_at,
        )
        for attempt in Attempt.objects.filter(batch=batch, line=line)
    ]
    ended = _from_rows(batch, line) if batch.results_pruned_at is None else _from_object(batch, line, failed)
    followed = {(attempt.round, attempt.number) for attempt in failed}
    settled = [attempt for attempt in ended if attempt.number and (attempt.round, attempt.number) not in followed]
    return sorted([*failed, *settled], key=lambda attempt: (attempt.round, attempt.number))


def _from_rows(batch: Batch, line: int) -> list[Try]:
    """The last attempt of each round, from its result."""
    return [
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
            retry_after=result.retry_after,
            retry_at=None,
        )
        for result in BatchResult.objects.filter(batch=batch, line=line).defer("body")
    ]


def _from_object(batch: Batch, line: int, failed: Sequence[Try]) -> list[Try]:
    """The last attempt of each round: of the present round from the object, of earlier rounds from their errors."""
    found = BatchObject.objects.get(batch=batch, line=line)
    tried = Counter(attempt.round for attempt in failed)
    ended = [
        Try(
            round=error.round or 0,
            number=found.attempts if error.round == found.round else tried[error.round or 0] + 1,
            kind=None,
            succeeded=False,
            http_status=error.http_status,
            code=error.code,
            message=error.message,
            request_id=found.request_id if error.round == found.round else "",
            latency_ms=found.latency_ms if error.round == found.round else None,
            ended_at=error.created_at,
            retry_after=found.retry_after if error.round == found.round else None,
            retry_at=None,
        )
        for error in BatchError.objects.filter(batch=batch, line=line, round__isnull=False)
    ]
    if found.status == ObjectStatus.SUCCEEDED:
        assert found.settled_at is not None
        ended.append(
            Try(
                round=found.round,
                number=found.attempts,
                kind=None,
                succeeded=True,
                http_status=found.http_status,
                code="",
                message="",
                request_id=found.request_id,
                latency_ms=found.latency_ms,
                ended_at=found.settled_at,
                retry_after=None,
                retry_at=None,
            )
        )
    return ended

"""Batches that need attention now: each kind of problem, with the worst few batches that have it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.http import QueryDict
from django.urls import reverse

from batches.console.kit.lists.paging import capped, capped_count
from batches.filters import BatchFilter
from batches.models import Batch, load_counts
from batches.rules.states import BatchStatus
from batches.services.core.access import Access

NAMED = 3  # the most batches of each concern that are named


@dataclass(frozen=True, slots=True)
class Concern:
    """What may be the matter. `query` is what the list of batches is asked, `worst` the order of those that are named.

    It is about batches that have `ended`, or else about open ones: they are few, and an index has just them.
    `told` says about one of them: words, and a moment that they end with, if there is one.
    """

    label: str
    tone: str
    query: str
    worst: str
    told: Callable[[Batch], tuple[str, datetime | None]]
    ended: bool = False


def _failures(batch: Batch) -> tuple[str, datetime | None]:
    counts = batch.counts
    return (f"{counts.failed:,} of {counts.settled:,} failed" if counts.total else "its input is invalid"), None


def _left(batch: Batch) -> tuple[str, datetime | None]:
    return f"{batch.counts.pending:,} of {batch.counts.total:,} left, deadline", batch.expires_at


def _throttled(batch: Batch) -> tuple[str, datetime | None]:
    return (batch.throttled_reason, None) if batch.throttled_reason else _left(batch)


def _paused(batch: Batch) -> tuple[str, datetime | None]:
    return f"by {batch.paused_by or 'an operator'}", batch.paused_at


def _ended(batch: Batch) -> tuple[str, datetime | None]:
    return BatchStatus(batch.status).label.lower(), batch.ended_at


CONCERNS = (
    Concern("Sending stopped", "bad", "condition=stopped", "expires_at", lambda batch: ("deadline", batch.expires_at)),
    Concern("No progress", "bad", "condition=no_progress", "expires_at", _left),
    Concern("Blocked", "bad", "condition=blocked", "expires_at", lambda batch: (batch.blocked_reason, None)),
    Concern("Late", "bad", "condition=late", "expires_at", lambda batch: ("deadline", batch.expires_at)),
    Concern("Input out of reach", "bad", "condition=put_off", "created_at", lambda batch: (batch.put_off_reason, None)),
    Concern("Failing", "bad", "view=active&has_errors=yes", "-created_at", _failures),
    Concern("Throttled or rate-limited", "warn", "condition=throttled", "-throttled_until", _throttled),
    Concern("Paused", "warn", "condition=paused", "paused_at", _paused),
    Concern("Failed or expired in 24 h", "bad", "status=failed&status=expired&created=24h", "-created_at", _ended, ended=True),
    Concern("Completed with failures in 24 h", "warn", "condition=partial&created=24h", "-created_at", _failures, ended=True),
)


@dataclass(frozen=True, slots=True)
class Named:
    """One of the worst batches of a concern."""

    batch: Batch
    words: str
    moment: datetime | None


@dataclass(frozen=True, slots=True)
class Problem:
    """A concern that some batches have: their capped number, the worst of them, and the address of the list of all."""

    label: str
    tone: str
    count: str
    address: str
    worst: list[Named]


def problems(access: Access, *, now: datetime) -> list[Problem]:
    """The problems of all batches that the reader sees. Each concern takes two queries at most."""
    found = [(concern, *_found(access, concern, now=now)) for concern in CONCERNS]
    load_counts(batch for _, batches, _ in found for batch in batches)
    return [
        Problem(
            concern.label,
            concern.tone,
            capped(count),
            f"{reverse('console:batches')}?{concern.query}",
            list(_named(concern, batches)),
        )
        for concern, batches, count in found
        if batches
    ]


def _found(access: Access, concern: Concern, *, now: datetime) -> tuple[list[Batch], int]:
    """The worst batches of a concern, and the number of batches that the list of all shows."""
    among = access.batches().filter(ended_at__isnull=not concern.ended)
    matching = BatchFilter(QueryDict(concern.query), queryset=among, now=now).matching
    batches = list(matching.select_related("input_file").order_by(concern.worst)[: NAMED + 1])
    count = len(batches) if len(batches) <= NAMED else capped_count(matching)
    return batches[:NAMED], count


def _named(concern: Concern, batches: Iterable[Batch]) -> Iterable[Named]:
    for batch in batches:
        yield Named(batch, *concern.told(batch))

"""Throughput and backlog. Both are read from counts that are kept with every outcome, so a long history costs nothing."""

import uuid
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from enum import Enum

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import TruncHour

from batches.models import BatchMinute, Slice

MOST_SLICES = 10_000  # how many slices are looked at for the backlog


class Period(Enum):
    """A span of time that ends now, with equal steps."""

    HOUR = ("1h", "last hour", timedelta(hours=1), timedelta(minutes=1))
    DAY = ("24h", "last 24 hours", timedelta(hours=24), timedelta(hours=1))
    WEEK = ("7d", "last 7 days", timedelta(days=7), timedelta(hours=1))

    def __init__(self, word: str, words: str, length: timedelta, step: timedelta) -> None:
        self.word, self.words, self.length, self.step = word, words, length, step

    def starts(self, *, now: datetime) -> list[datetime]:
        """The beginning of each step, the oldest first. The present minute or hour is the last step."""
        last = now.astimezone(UTC).replace(second=0, microsecond=0)
        if self is not Period.HOUR:
            last = last.replace(minute=0)
        count = self.length // self.step
        return [last - self.step * (count - 1 - number) for number in range(count)]


PERIODS = {span.word: span for span in Period}


@dataclass(frozen=True, slots=True)
class Flow:
    """The counts of a span of time: settled objects, and failed attempts that another attempt followed (`retried`).

    `throttled` is how many of the retried attempts the upstream turned away. `latency_ms` is the sum over settled objects.
    """

    succeeded: int = 0
    failed: int = 0
    retried: int = 0
    throttled: int = 0
    latency_ms: int = 0

    def __add__(self, other: "Flow") -> "Flow":
        return Flow(*(getattr(self, name) + getattr(other, name) for name in _SUMMED))

    @property
    def settled(self) -> int:
        return self.succeeded + self.failed

    @property
    def attempts(self) -> int:
        """All attempts: those that settled their object, and those that another one followed."""
        return self.settled + self.retried

    @property
    def success_rate(self) -> float | None:
        """The share of attempts that succeeded; None if there was no attempt."""
        return self.succeeded / self.attempts if self.attempts else None

    @property
    def usual_latency_ms(self) -> int | None:
        """The mean latency of settled objects; None if no object settled."""
        return self.latency_ms // self.settled if self.settled else None


_SUMMED = tuple(field.name for field in fields(Flow))


@dataclass(frozen=True, slots=True)
class Throughput:
    """The flow in each step of a span, and at each provider. A batch counts for the provider that it has now."""

    starts: list[datetime]
    steps: list[Flow]
    by_provider: dict[uuid.UUID, Flow]

    @property
    def total(self) -> Flow:
        return sum(self.steps, start=Flow())


def throughput(minutes: QuerySet[BatchMinute], *, span: Period, now: datetime) -> Throughput:
    """The throughput by these counts, in one query."""
    starts = span.starts(now=now)
    at = F("minute") if span is Period.HOUR else TruncHour("minute", tzinfo=UTC)
    rows = minutes.filter(minute__gte=starts[0]).order_by().annotate(at=at).values_list("at", "batch__provider")
    steps, by_provider = dict.fromkeys(starts, Flow()), dict[uuid.UUID, Flow]()
    for moment, provider, *sums in rows.annotate(*(Sum(name) for name in _SUMMED)):
        flow = Flow(*sums)
        if moment in steps:  # a host whose clock is ahead may have counted in a later minute
            steps[moment] += flow
        by_provider[provider] = by_provider.get(provider, Flow()) + flow
    return Throughput(starts, list(steps.values()), by_provider)


@dataclass(frozen=True, slots=True)
class Backlog:
    """The pending objects and their slices, some of which are leased. With `beyond` there may be more of them."""

    objects: int
    slices: int
    leased: int

    @property
    def beyond(self) -> bool:
        return self.slices > MOST_SLICES


def backlog(slices: QuerySet[Slice], *, now: datetime) -> Backlog:
    """The backlog in these slices, counted up to MOST_SLICES. One query over the index of unfinished slices."""
    found = slices.filter(pending__gt=0).order_by()[: MOST_SLICES + 1]
    sums = found.aggregate(
        objects=Sum("pending", default=0), slices=Count("pk"), leased=Count("pk", filter=Q(lease_expires_at__gt=now))
    )
    return Backlog(**sums)

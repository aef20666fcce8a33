"""Rates of API calls: the calls of each key and each project in a minute, counted over all web processes.

Redis holds the counts. While a key is busy, a process takes permits from Redis in small blocks, so that most calls need no
Redis. During an outage of Redis, and in an embedded portal, each process counts by itself.
"""

import logging
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)

MINUTE = 60.0
PATIENCE_SECONDS = 0.5  # the time limit for an answer of Redis; a client's call waits meanwhile
AWAY_SECONDS = 5.0  # after a failure, Redis is not asked for so long
KEPT_SECONDS = 150  # the lifetime of a count in Redis; a count matters until the end of the minute after its own
BLOCKS = 400  # a block is at most limit / BLOCKS, since the permits that a process leaves unused are lost
BUSY_SECONDS = 1.0  # a process that needs permits again within this time takes a block of twice the size
SHORTEST_SECONDS = 0.001  # a refusal lasts at least so long
REFUSED_SECONDS = 1.0  # for so long at most, a refusal is repeated without asking Redis


@dataclass(frozen=True, slots=True)
class Rate:
    """The subject whose calls are counted (a key or a project), and the number of calls that it may make in a minute."""

    subject: str
    limit: int


def room(limit: int, *, used: int, before: int, elapsed: float) -> float:
    """The number of calls that the limit allows now.

    `used` are the calls of this minute, `before` those of the last minute. The calls of the last minute are taken as evenly
    spread, and only those within the last 60 seconds count.
    """
    return limit - used - before * (1 - elapsed / MINUTE)


def opens_in(limit: int, *, used: int, before: int, elapsed: float) -> float:
    """The seconds until the limit allows one more call, if no other calls are made."""
    if used < limit:
        opens = MINUTE * (1 - (limit - used - 1) / before) if before else 0.0
        return max(opens - elapsed, 0.0)
    return MINUTE - elapsed + MINUTE * (1 - (limit - 1) / used)


class Counts(Protocol):
    """A place where calls are counted."""

    def add(self, subjects: Sequence[str], *, minute: int, amount: int) -> list[tuple[int, int]]:
        """Add an amount to the counts of a minute. Returns the new count of each subject, and its count of the minute before."""


class LocalCounts:
    """Counts of this process only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, int], int] = {}
        self._minute = 0

    def add(self, subjects: Sequence[str], *, minute: int, amount: int) -> list[tuple[int, int]]:
        with self._lock:
            if minute != self._minute:
                self._minute = minute
                self._counts = {known: count for known, count in self._counts.items() if known[1] >= minute - 1}
            for subject in subjects:
                self._counts[subject, minute] = self._counts.get((subject, minute), 0) + amount
            return [(self._counts[subject, minute], self._counts.get((subject, minute - 1), 0)) for subject in subjects]


class SharedCounts:
    """Counts in Redis. During an outage of Redis, calls are counted by this process only."""

    def __init__(self, url: str) -> None:
        once_more = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))  # Redis may have closed an idle connection
        self._redis = redis.Redis.from_url(
            url, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS, retry=once_more
        )
        self._local = LocalCounts()
        self._away_until = float("-inf")

    def add(self, subjects: Sequence[str], *, minute: int, amount: int) -> list[tuple[int, int]]:
        if time.monotonic() >= self._away_until:
            try:
                return self._add(subjects, minute=minute, amount=amount)
            except redis.RedisError as error:
                self._away_until = time.monotonic() + AWAY_SECONDS
                logger.warning("Calls are counted by each process alone for %.0f s (%s)", AWAY_SECONDS, type(error).__name__)
        return self._local.add(subjects, minute=minute, amount=amount)

    def _add(self, subjects: Sequence[str], *, minute: int, amount: int) -> list[tuple[int, int]]:
        with self._redis.pipeline(transaction=False) as pipeline:
            for subject in subjects:
                pipeline.incrby(_name(subject, minute), amount)
                pipeline.get(_name(subject, minute - 1))
            counts = pipeline.execute()
        found = [(int(used), int(before or 0)) for used, before in zip(counts[::2], counts[1::2], strict=True)]
        for subject, (used, _) in zip(subjects, found, strict=True):
            if used == amount:
                self._redis.expire(_name(subject, minute), KEPT_SECONDS)
        return found


def _name(subject: str, minute: int) -> str:
    return f"batchyard:calls:{subject}:{minute}"


@dataclass(slots=True)
class _Purse:
    """The permits of one key that this process has taken and not used yet. Permits are valid only in their minute."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    minute: int = 0
    permits: int = 0
    block: int = 1
    asked_at: float = float("-inf")
    opens_at: float = float("-inf")  # the time at which the last refusal ends
    asks_at: float = float("-inf")  # until this time, the last refusal is repeated without asking for permits


class Rates:
    """Allows calls of the API as often as their rates permit."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._purses: dict[str, _Purse] = {}

    def wait(self, rates: Sequence[Rate], *, now: float) -> float:
        """Count one call. Returns 0 if the call is allowed, else the seconds until another try.

        The first rate must be the one of the narrowest subject. `now` is in seconds since 1970.
        """
        purse = self._purses.setdefault(rates[0].subject, _Purse())
        minute = int(now // MINUTE)
        with purse.lock:
            if purse.minute != minute:
                self._forget(older_than=minute - 1)
                purse.minute, purse.permits = minute, 0
            if not purse.permits:
                if now < purse.asks_at:
                    return purse.opens_at - now
                purse.permits, opens = self._take(rates, block=self._block(purse, rates, now=now), now=now)
                if not purse.permits:
                    opens = max(opens, SHORTEST_SECONDS)
                    purse.opens_at, purse.asks_at = now + opens, now + min(opens, REFUSED_SECONDS)
                    return opens
            purse.permits -= 1
        return 0.0

    def _block(self, purse: _Purse, rates: Sequence[Rate], *, now: float) -> int:
        most = max(min(rate.limit for rate in rates) // BLOCKS, 1)
        purse.block = min(purse.block * 2, most) if now - purse.asked_at < BUSY_SECONDS else 1
        purse.asked_at = now
        return purse.block

    def _take(self, rates: Sequence[Rate], *, block: int, now: float) -> tuple[int, float]:
        """Take a block of permits: the number that is granted, and the seconds until there is room if it is 0."""
        minute, elapsed = divmod(now, MINUTE)
        subjects = [rate.subject for rate in rates]
        counts = self._counts.add(subjects, minute=int(minute), amount=block)
        known = [
            (rate.limit, {"used": used - block, "before": before, "elapsed": elapsed})
            for rate, (used, before) in zip(rates, counts, strict=True)
        ]
        granted = max(min(block, *(math.floor(room(limit, **about)) for limit, about in known)), 0)  # type: ignore[arg-type]
        if granted < block:
            self._counts.add(subjects, minute=int(minute), amount=granted - block)
        return granted, max(opens_in(limit, **about) for limit, about in known)  # type: ignore[arg-type]

    def _forget(self, *, older_than: int) -> None:
        for subject, purse in list(self._purses.items()):
            if 0 < purse.minute < older_than:
                self._purses.pop(subject, None)


@cache
def rates() -> Rates:
    """The rates of this process."""
    return Rates(SharedCounts(settings.REDIS_URL) if settings.REDIS_URL else LocalCounts())

"""When to try again: a pure rule of the failure, how often it was tried, the deadline and the time."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from providers.base import Failure
from providers.failures import Kind

# The upstream turned the call away without working on it: that is no reason to give up before the deadline.
THROTTLED = frozenset({Kind.RATE_LIMITED, Kind.OVERLOADED})


@dataclass(frozen=True, slots=True)
class Policy:
    """How often and how patiently to try. Seconds."""

    max_attempts: int
    base: float
    cap: float


def retry_at(
    failure: Failure, *, attempts: int, counted: int, policy: Policy, deadline: datetime, now: datetime, jitter: random.Random
) -> datetime | None:
    """When the next attempt may start, or None when there is none.

    `attempts` were made, this one included; `counted` of them were not turned away. Exponential with full jitter, on top
    of what the upstream asks for (Retry-After). An attempt that could only start after the deadline is none.
    """
    if not failure.kind.retryable or counted >= policy.max_attempts:
        return None
    ceiling = min(policy.cap, policy.base * 2 ** min(attempts - 1, 30))
    delay = (failure.retry_after or 0.0) + jitter.uniform(0, ceiling)
    if delay >= (deadline - now).total_seconds():
        return None
    return now + timedelta(seconds=delay)

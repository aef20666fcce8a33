"""When to try again: a pure rule of the failure, how often it was tried, and the time."""

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
    longest: float  # that a request waits because an upstream asks for it


def retry_at(
    failure: Failure, *, attempts: int, counted: int, policy: Policy, now: datetime, jitter: random.Random
) -> datetime | None:
    """When the next attempt may start, or None when there is none.

    `attempts` were made, this one included; `counted` of them count against the limit. Exponential with full jitter, on top
    of what the upstream asks for (Retry-After), up to the longest wait: an upstream that asks for hours may recover earlier.
    A wait is never a reason to fail: what waits beyond the deadline expires at the deadline.
    """
    kind = failure.kind
    if not (kind.retryable or kind.is_of_account) or counted >= policy.max_attempts:
        return None
    # When to try an account again is decided by the provider's hold. The request is to be at hand for its probe.
    doublings, wait = (counted, 0.0) if kind.is_of_account else (attempts - 1, failure.retry_after or 0.0)
    ceiling = min(policy.cap, policy.base * 2 ** min(doublings, 30))
    return now + timedelta(seconds=min(wait, policy.longest) + jitter.uniform(0, ceiling))

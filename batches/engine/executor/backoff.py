"""When to try a request again: a pure rule of its failure, the number of its attempts, and the time."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from providers.base import Failure
from providers.failures import Kind

# The upstream turned the call away without working on it. Such attempts are no reason to give up before the deadline.
THROTTLED = frozenset({Kind.RATE_LIMITED, Kind.OVERLOADED})


@dataclass(frozen=True, slots=True)
class Policy:
    """How often a request is tried, and how long it waits between attempts. Times are in seconds."""

    max_attempts: int
    base: float
    cap: float
    longest: float  # the longest wait that an upstream can ask for


def retry_at(
    failure: Failure, *, attempts: int, counted: int, policy: Policy, now: datetime, jitter: random.Random
) -> datetime | None:
    """When the next attempt may start; None when the request is not tried again.

    `attempts` is the number of attempts made, with this one. `counted` of them count against the limit. The wait is
    exponential with full jitter, on top of the wait that the upstream asks for (Retry-After). An upstream that asks for hours
    may recover earlier, so its wait is cut to the longest one of the policy. A wait is never a reason to fail: a request that
    still waits at its deadline expires then.
    """
    kind = failure.kind
    if not (kind.retryable or kind.is_of_account) or counted >= policy.max_attempts:
        return None
    # The provider's hold decides when an account is tried again. The request must be ready when the hold needs a probe.
    doublings, wait = (counted, 0.0) if kind.is_of_account else (attempts - 1, failure.retry_after or 0.0)
    ceiling = min(policy.cap, policy.base * 2 ** min(doublings, 30))
    return now + timedelta(seconds=min(wait, policy.longest) + jitter.uniform(0, ceiling))

"""Limits of a provider over all executors together.

Concurrency is granted in shares: each executor says how many requests it has in flight and how many it wants, and is
told how many it may have. A share lasts SHARE_SECONDS unless it is renewed, so a dead executor's is free again soon.
"""

import threading
import time
import uuid
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, cast

import redis
from django.conf import settings

SHARE_SECONDS = 5


class Limits(Protocol):
    """Where the shares are kept."""

    def share(self, provider: uuid.UUID, executor: uuid.UUID, *, wanted: int, in_flight: int, limit: int) -> int:
        """How many requests this executor may have in flight; fewer than are in flight means: send no more for now.

        `in_flight` is what may be in flight until it hears the answer.
        """


@dataclass(slots=True)
class _Share:
    used: int  # granted or in flight, whichever is more
    wanted: int
    ends: float


def allot(mine: uuid.UUID, shares: dict[uuid.UUID, _Share], *, wanted: int, limit: int) -> int:
    """The rule: what others leave; but no more than an equal share while somebody has less than that and wants it."""
    others = [share for owner, share in shares.items() if owner != mine]
    rivals = [share for share in others if share.wanted]
    equal = max(limit // (len(rivals) + 1), 1)
    starved = any(share.used < min(share.wanted, equal) for share in rivals)
    left = limit - sum(share.used for share in others)
    return max(min(wanted, left, equal if starved else limit), 0)


class LocalLimits:
    """Shares of executors in this process: the embedded portal has no others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shares: dict[uuid.UUID, dict[uuid.UUID, _Share]] = {}

    def share(self, provider: uuid.UUID, executor: uuid.UUID, *, wanted: int, in_flight: int, limit: int) -> int:
        now = time.monotonic()
        with self._lock:
            shares = self._shares.setdefault(provider, {})
            for owner in [owner for owner, share in shares.items() if share.ends <= now]:
                del shares[owner]
            granted = allot(executor, shares, wanted=wanted, limit=limit)
            shares[executor] = _Share(max(granted, in_flight), wanted, now + SHARE_SECONDS)
            return granted


# The same rule as `allot`, where all executors can reach it. A share is kept as "used:wanted:ends".
_SHARE_SCRIPT = """
local mine, wanted, in_flight = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local limit, seconds = tonumber(ARGV[4]), tonumber(ARGV[5])
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local entries = redis.call('HGETALL', KEYS[1])
local rivals, sum = {}, 0
for i = 1, #entries, 2 do
  local used, want, ends = string.match(entries[i + 1], '^(%d+):(%d+):(.+)$')
  if tonumber(ends) <= now then
    redis.call('HDEL', KEYS[1], entries[i])
  elseif entries[i] ~= mine then
    sum = sum + tonumber(used)
    if tonumber(want) > 0 then rivals[#rivals + 1] = {tonumber(used), tonumber(want)} end
  end
end
local equal = math.max(math.floor(limit / (#rivals + 1)), 1)
local ceiling = limit
for _, share in ipairs(rivals) do
  if share[1] < math.min(share[2], equal) then ceiling = equal end
end
local granted = math.max(math.min(wanted, limit - sum, ceiling), 0)
redis.call('HSET', KEYS[1], mine, math.max(granted, in_flight) .. ':' .. wanted .. ':' .. string.format('%.3f', now + seconds))
redis.call('EXPIRE', KEYS[1], math.ceil(seconds))
return granted
"""


class RedisLimits:
    """Shares of executors anywhere, kept in Redis."""

    def __init__(self, url: str) -> None:
        self._script = redis.Redis.from_url(url, socket_timeout=5).register_script(_SHARE_SCRIPT)

    def share(self, provider: uuid.UUID, executor: uuid.UUID, *, wanted: int, in_flight: int, limit: int) -> int:
        arguments: list[Any] = [executor.hex, wanted, in_flight, limit, SHARE_SECONDS]
        return cast(int, self._script(keys=[f"batchyard:shares:{provider.hex}"], args=arguments))


@cache
def limits() -> Limits:
    """The limits that this process's executors obey."""
    return RedisLimits(settings.REDIS_URL) if settings.REDIS_URL else LocalLimits()

"""The stores of the limiter's state: Redis for executors anywhere, this process for an embedded portal.

Both stores keep the state of `limiter` and follow its one rule. In Redis a changed state is written only if nobody else has
written one meanwhile. An executor that was overtaken reads the new state and tries again.
"""

import threading
import time
import uuid
from functools import cache
from typing import Protocol

import msgspec
import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from batches.engine.limits.asks import Ask, Grant
from batches.engine.limits.limiter import answer
from batches.engine.limits.state import State
from batches.engine.limits.windows import WindowSize

WINDOW_SECONDS = 60.0  # the length of "per minute"
KEPT_SECONDS = 86_400  # how long Redis keeps a provider's state after the last ask
TRIES = 20
PATIENCE_SECONDS = 1.0  # how long to wait for Redis; meanwhile an executor records nothing and renews no lease


class Overtaken(redis.RedisError):
    """Others were faster each time."""


class MayHaveHeard(redis.RedisError):
    """Redis did not answer to what may have reached it."""


class Limits(Protocol):
    """A store of the limits."""

    def ask(self, provider: uuid.UUID, executor: uuid.UUID, ask: Ask) -> Grant:
        """Answer an executor's ask for a provider. Raises redis.RedisError when the store does not answer."""


def _answer(state: State, executor: uuid.UUID, ask: Ask, *, now: float, span: WindowSize) -> Grant:
    return answer(state, executor.hex, ask, now=now, span=span, longest_hold=settings.HOLD_PROBE_SECONDS)


class LocalLimits:
    """The limits of executors in this process. The embedded portal has no other executors."""

    def __init__(self, *, window_seconds: float = WINDOW_SECONDS) -> None:
        self._lock = threading.Lock()
        self._states: dict[uuid.UUID, State] = {}
        self._span = WindowSize(window_seconds)

    def ask(self, provider: uuid.UUID, executor: uuid.UUID, ask: Ask) -> Grant:
        with self._lock:
            now = time.monotonic()
            state = self._states.get(provider)
            if state is None:
                state = self._states[provider] = State.begin(now=now, quiet=ask.quiet)
            return _answer(state, executor, ask, now=now, span=self._span)


_WRITE = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
"""


class RedisLimits:
    """The limits of executors on any host. The clock is that of Redis."""

    def __init__(self, url: str, *, window_seconds: float = WINDOW_SECONDS) -> None:
        # Calls are not repeated: without an answer an executor goes on with its last share, and asks anew in its next turn.
        self._redis = redis.Redis.from_url(
            url, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS, retry=Retry(NoBackoff(), 0)
        )
        self._write = self._redis.register_script(_WRITE)
        self._span = WindowSize(window_seconds)
        self._decode = msgspec.msgpack.Decoder(State).decode
        self._encode = msgspec.msgpack.Encoder().encode

    def ask(self, provider: uuid.UUID, executor: uuid.UUID, ask: Ask) -> Grant:
        key = f"batchyard:limits:{provider.hex}"
        for _ in range(TRIES):
            with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.time()
                pipeline.get(key)
                (seconds, microseconds), found = pipeline.execute()
            now = seconds + microseconds / 1e6
            state = self._read(found, now=now, quiet=ask.quiet)
            grant = _answer(state, executor, ask, now=now, span=self._span)
            if self._written(key, found or b"", state):
                return grant
        raise Overtaken

    def _written(self, key: str, found: bytes, state: State) -> bool:
        """Write the state unless somebody else has written since. Raises MayHaveHeard when it is unknown if it was written."""
        try:
            return bool(self._write(keys=[key], args=[found, self._encode(state), KEPT_SECONDS]))
        except redis.ResponseError:
            raise
        except redis.RedisError as error:
            raise MayHaveHeard(str(error)) from error

    def _read(self, found: bytes | None, *, now: float, quiet: bool) -> State:
        """Decode the state; a new one if there is none, or it cannot be used."""
        if found is None:
            return State.begin(now=now, quiet=quiet)
        try:
            state = self._decode(found)
        except msgspec.DecodeError:  # the state was written by another version
            return State.begin(now=now, quiet=False)
        return state if state.is_usable(now=now) else State.begin(now=now, quiet=False)


@cache
def limits() -> Limits:
    """The limits that this process's executors obey."""
    if settings.REDIS_URL:
        return RedisLimits(settings.REDIS_URL, window_seconds=WINDOW_SECONDS)
    return LocalLimits(window_seconds=WINDOW_SECONDS)

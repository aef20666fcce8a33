"""The cache that all processes share: Redis, or, during an outage of Redis, the memory of each process.

The cache holds counts of failed sign-ins, and second-factor codes that were used.
"""

import logging
import time
from typing import Any, ClassVar

from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis import RedisError

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 1.0  # the time limit for one answer of Redis
AWAY_SECONDS = 5.0  # after a failure, Redis is not asked for so long
MOST_ENTRIES = 20_000  # the size of the substitute in one process


class SharedCache(RedisCache):
    """Django's cache on Redis, with a substitute in memory."""

    _asked_again_at: ClassVar[float] = float("-inf")

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        patience = {"socket_timeout": PATIENCE_SECONDS, "socket_connect_timeout": PATIENCE_SECONDS}
        super().__init__(server, {**params, "OPTIONS": {**patience, **params.get("OPTIONS", {})}})
        self._substitute = LocMemCache("while Redis is away", {"OPTIONS": {"MAX_ENTRIES": MOST_ENTRIES}})

    def add(self, *args: Any, **kwargs: Any) -> bool:
        return bool(self._ask("add", *args, **kwargs))

    def get(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("get", *args, **kwargs)

    def set(self, *args: Any, **kwargs: Any) -> None:
        self._ask("set", *args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> bool:
        return bool(self._ask("delete", *args, **kwargs))

    def clear(self) -> None:
        """Not allowed: the broker's messages are in the same Redis, and would be removed too."""
        raise NotImplementedError

    def _ask(self, act: str, *args: Any, **kwargs: Any) -> Any:
        if time.monotonic() >= SharedCache._asked_again_at:
            try:
                return getattr(super(), act)(*args, **kwargs)
            except (RedisError, OSError) as error:
                SharedCache._asked_again_at = time.monotonic() + AWAY_SECONDS
                logger.warning("Redis does not answer (%s): attempts to sign in are counted by process", type(error).__name__)
        return getattr(self._substitute, act)(*args, **kwargs)

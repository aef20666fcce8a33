"""The faults of servers and processes: each function harms a portal that runs."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import redis

from tests.servers import postgresql, redis_server


class Servers:
    """A PostgreSQL and a Redis that can be stopped, and that come back at the same addresses."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._postgresql, self._redis = contextlib.ExitStack(), contextlib.ExitStack()
        self.database_url = self._postgresql.enter_context(postgresql(folder))
        self.redis_url = self._redis.enter_context(redis_server(folder))

    def restart_postgresql(self, *, away: float) -> None:
        """Restart PostgreSQL: connections are cut, it is away for some seconds, and committed data is kept."""
        self._postgresql.close()
        time.sleep(away)
        self._postgresql.enter_context(postgresql(self._folder, port=_port(self.database_url)))

    def redis_pid(self) -> int:
        """The process of Redis."""
        with redis.Redis.from_url(self.redis_url) as client:
            told = client.info("server")
        assert isinstance(told, dict)
        return int(told["process_id"])

    def kill_redis(self, *, away: float) -> None:
        """Kill Redis. It is away for some seconds, and comes back empty."""
        os.kill(self.redis_pid(), signal.SIGKILL)
        self._redis.close()
        time.sleep(away)
        self._redis.enter_context(redis_server(self._folder, port=_port(self.redis_url)))

    def flush_redis(self) -> None:
        """Remove everything from Redis, which goes on running."""
        with redis.Redis.from_url(self.redis_url) as client:
            client.flushall()

    def stop(self) -> None:
        self._postgresql.close()
        self._redis.close()


def _port(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


def kill(pids: Sequence[int]) -> None:
    """Kill processes without a warning, as the kernel does when memory runs out."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Suspend a process during the block, as if the machine had no processor left for it."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

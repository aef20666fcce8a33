"""Database threads: each has one connection, for what would block an event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import close_old_connections, connection

from batches.services.telemetry import log_context

P = ParamSpec("P")
T = TypeVar("T")


class DatabaseThread:
    """Runs calls one after the other in a thread. A call raises what it raises there."""

    def __init__(self, name: str) -> None:
        """`name` is the beginning of the thread's name."""
        self._thread = ThreadPoolExecutor(
            1, thread_name_prefix=name, initializer=log_context.keep, initargs=(log_context.current(),)
        )

    async def __call__(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run one call in the thread."""

        def run() -> T:
            if not connection.in_atomic_block:
                close_old_connections()
            return call(*args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._thread, run)

    async def close(self) -> None:
        """Close the connection, and end the thread."""
        await asyncio.get_running_loop().run_in_executor(self._thread, lambda: connection.close())  # noqa: PLW0108 - of that thread
        self._thread.shutdown()

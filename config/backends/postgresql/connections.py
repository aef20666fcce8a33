"""The database connections that the threads of one process share.

psycopg's own pool replaces broken connections in the background, with growing pauses between its attempts. After a restart
of PostgreSQL a request would wait for the end of such a pause. Here the thread that needs a connection makes it, so the
first request after the restart is served, and a request during an outage learns of it at once.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from psycopg import Connection, Error, OperationalError
from psycopg.pq import TransactionStatus


class Connections:
    """At most `max_size` connections. A thread borrows one and returns it."""

    def __init__(
        self,
        parameters: Mapping[str, Any],
        *,
        configure: Callable[["Connection[Any]"], object],
        max_size: int,
        timeout: float,
        max_idle: float,
    ) -> None:
        """`parameters` are those of psycopg.connect; `timeout` and `max_idle` are in seconds."""
        self._parameters = parameters
        self._configure = configure
        self._timeout = timeout
        self._max_idle = max_idle
        self.max_size = max_size
        self._changed = threading.Condition()
        self._free = max_size  # the number of connections that may be borrowed now: idle ones, and ones not made yet
        self._idle: deque[tuple[Connection[Any], float]] = deque()  # connections with the time of their return, latest last
        self._failure: tuple[float, str] = (float("-inf"), "")  # the time and the message of the last failure to connect

    @property
    def in_use(self) -> int:
        """How many connections are borrowed."""
        return self.max_size - self._free

    def open(self) -> None:
        """Do nothing: a connection is made when a thread needs one."""

    def getconn(self) -> "Connection[Any]":
        """Borrow a connection that works. Raises OperationalError if there is none within the timeout."""
        self._reserve()
        try:
            connection = self._usable_idle() or self._make()
        except BaseException:
            self._release()
            raise
        # Django returns a connection to the pool that is named here, whatever its class.
        connection._pool = self  # type: ignore[assignment]
        return connection

    def putconn(self, connection: "Connection[Any]") -> None:
        """Return a connection. A broken one is thrown away."""
        connection._pool = None
        try:
            if _is_clean(connection):
                with self._changed:
                    self._idle.append((connection, time.monotonic()))
            else:
                connection.close()
        finally:
            self._release()

    def close(self) -> None:
        """Close the connections that are not borrowed."""
        for connection in self._take_idle(returned_before=float("inf")):
            connection.close()

    def _reserve(self) -> None:
        """Wait until another connection may be borrowed. If the database cannot be reached, all waiting threads fail at once."""
        asked_at = time.monotonic()
        with self._changed:
            self._changed.wait_for(lambda: self._free > 0 or self._failure[0] > asked_at, self._timeout)
            if self._failure[0] > asked_at:
                raise OperationalError(self._failure[1])
            if self._free <= 0:
                raise OperationalError(f"all database connections of this process were in use for {self._timeout:g} s")
            self._free -= 1

    def _release(self) -> None:
        with self._changed:
            self._free += 1
            self._changed.notify()

    def _usable_idle(self) -> "Connection[Any] | None":
        """The most recently used idle connection that still works, or None. Broken connections are closed."""
        for connection in self._take_idle(returned_before=time.monotonic() - self._max_idle):
            connection.close()
        while True:
            with self._changed:
                if not self._idle:
                    return None
                connection, _ = self._idle.pop()
            try:
                connection.execute("")
            except Error:
                connection.close()
            else:
                return connection

    def _make(self) -> "Connection[Any]":
        try:
            connection: Connection[Any] = Connection.connect(**self._parameters)
        except Error as error:
            with self._changed:
                self._failure = (time.monotonic(), str(error))
                self._changed.notify_all()
            raise
        try:
            self._configure(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _take_idle(self, *, returned_before: float) -> "list[Connection[Any]]":
        taken = []
        with self._changed:
            while self._idle and self._idle[0][1] < returned_before:
                taken.append(self._idle.popleft()[0])
        return taken


def _is_clean(connection: "Connection[Any]") -> bool:
    """Whether the next borrower can use the connection. An open transaction is rolled back first."""
    if connection.info.transaction_status in {TransactionStatus.INTRANS, TransactionStatus.INERROR}:
        try:
            connection.rollback()
        except Error:
            return False
    return not connection.closed and connection.info.transaction_status == TransactionStatus.IDLE

"""The ENGINE for PostgreSQL: Django's backend with planner settings and shared connections. Django requires this name."""

from typing import Any, ClassVar

from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base

from config.backends.postgresql.connections import Connections

# PostgreSQL plans from statistics, and the statistics of a busy portal are always stale. A new batch has no statistics, and
# the numbers of pending, held or ended rows change within a minute. With stale statistics, the planner may read a table of
# millions of rows to find a few. Every frequent query has an index, so sequential scans are switched off. JIT compilation is
# meant for long reports; estimates that are too high would start it for short statements, so it is switched off, too.
PLANNER = "SET SESSION enable_seqscan = off; SET SESSION jit = off; SET SESSION max_parallel_workers_per_gather = 0"


class DatabaseWrapper(base.DatabaseWrapper):
    """A thread's access to the database, on a connection with the planner settings.

    With the option `pool` of DATABASES, the threads of a process share connections, and each thread borrows one for a
    request. The option holds the arguments of `Connections`.
    """

    _connection_pools: ClassVar[dict[str, Connections]] = {}

    @property
    def pool(self) -> Connections | None:
        options = self.settings_dict["OPTIONS"].get("pool")
        if not options or self.alias == NO_DB_ALIAS:
            return None
        if self.alias not in self._connection_pools:
            parameters = {**self.get_connection_params(), "autocommit": True}
            fresh = Connections(parameters, configure=self._configure_connection, **options)
            self._connection_pools.setdefault(self.alias, fresh)  # if two threads come at once, the first one's is used
        return self._connection_pools[self.alias]

    def _configure_connection(self, connection: Any) -> bool:
        """Configure a new connection. Returns whether there is something to commit."""
        super()._configure_connection(connection)  # type: ignore[misc] # the stubs do not know it
        connection.execute(PLANNER)
        return True

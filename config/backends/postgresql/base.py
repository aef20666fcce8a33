"""The ENGINE of PostgreSQL: Django's own backend, but for two things. Django asks for a module of this name."""

from typing import Any, ClassVar

from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base

from config.backends.postgresql.connections import Connections

# PostgreSQL plans from statistics, and those of a busy portal are always behind its tables: of a new batch there are none,
# and what was pending, or held, or ended a minute ago is not what is now. From stale statistics the planner may choose to
# read a table of millions of rows for a handful of them. Every frequent question has an index, so the index is used wherever
# there is one. Compiling a plan is meant for long reports: estimates that are too high set it off for short statements.
PLANNER = "SET SESSION enable_seqscan = off; SET SESSION jit = off; SET SESSION max_parallel_workers_per_gather = 0"


class DatabaseWrapper(base.DatabaseWrapper):
    """A thread's view of the database, on a connection that reads no table whole where an index can answer.

    With the option `pool` of DATABASES, which holds the arguments of `Connections`, the threads of a process share
    connections, and each borrows one for a request.
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
            self._connection_pools.setdefault(self.alias, fresh)  # of two threads at once the first decides
        return self._connection_pools[self.alias]

    def _configure_connection(self, connection: Any) -> bool:
        """Called once for each new connection; whether there is something to commit."""
        super()._configure_connection(connection)  # type: ignore[misc] # the stubs do not know it
        connection.execute(PLANNER)
        return True

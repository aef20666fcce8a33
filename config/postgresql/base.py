"""The backend that settings name as the ENGINE of PostgreSQL. Django looks for it in a module of this name."""

from typing import Any

from django.db.backends.postgresql import base

# PostgreSQL plans from statistics, and those of a busy portal are always behind its tables: of a new batch there are none,
# and what was pending, or held, or ended a minute ago is not what is now. From stale statistics the planner may choose to
# read a table of millions of rows for a handful of them. Every frequent question has an index, so the index is used wherever
# there is one. Compiling a plan is meant for long reports: estimates that are too high set it off for short statements.
PLANNER = "SET SESSION enable_seqscan = off; SET SESSION jit = off; SET SESSION max_parallel_workers_per_gather = 0"


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that reads no table whole where an index can answer."""

    def _configure_connection(self, connection: Any) -> bool:
        """Called once for each new connection, by Django and by the pool; whether there is something to commit."""
        super()._configure_connection(connection)  # type: ignore[misc] # the stubs do not know it
        connection.execute(PLANNER)
        return True

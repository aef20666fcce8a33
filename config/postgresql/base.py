"""The backend itself: Django's own, with `Connections` in the place of psycopg's pool. Django asks for a module `base`."""

from typing import ClassVar

from django.db.backends.postgresql import base

from config.postgresql.connections import Connections


class DatabaseWrapper(base.DatabaseWrapper):
    """A thread's view of the database. It borrows a connection for each request.

    The option `pool` of DATABASES holds the arguments of `Connections`, which all threads of a process share.
    """

    _connection_pools: ClassVar[dict[str, Connections]] = {}

    @property
    def pool(self) -> Connections:
        if self.alias not in self._connection_pools:
            options = self.settings_dict["OPTIONS"]["pool"]
            parameters = {**self.get_connection_params(), "autocommit": True}
            configure = self._configure_connection  # type: ignore[attr-defined]
            fresh = Connections(parameters, configure=configure, **options)
            self._connection_pools.setdefault(self.alias, fresh)  # of two threads at once the first decides
        return self._connection_pools[self.alias]

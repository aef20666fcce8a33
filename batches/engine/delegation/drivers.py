"""The drivers of a delegator: one for each provider and credential that it speaks to."""

import uuid

from batches.models import ProviderJob
from batches.services.upstreams.former import former_connection
from providers.base import Connection
from providers.jobs.base import Driver
from providers.jobs.registry import connect

Key = tuple[uuid.UUID, str, bytes]  # the provider, the family of its batch API, and a former credential


class Drivers:
    """Opens drivers, and keeps each as long as its provider is reached in the same way. For one event loop."""

    def __init__(self) -> None:
        self._open: dict[Key, tuple[Connection, Driver]] = {}
        self._replaced: list[Driver] = []  # jobs in hand may still use them

    def connection_of(self, job: ProviderJob) -> tuple[Key, Connection]:
        """The connection of a job: of its provider as it is now, or as it was if its credential was replaced since.

        A credential in a file may be another one each time. Raises CredentialUnavailable and KeyError. It may read the database.
        """
        former = bytes(job.former_credential)
        connection = former_connection(job) if former else job.provider.connection()
        return (job.provider_id, job.family, former), connection

    def open(self, key: Key, connection: Connection) -> Driver:
        """The driver for this connection. Raises ValueError and CredentialUnavailable for settings that cannot be used."""
        known = self._open.get(key)
        if known is not None and known[0] == connection:
            return known[1]
        driver = connect(key[1], connection)
        if known is not None:
            self._replaced.append(known[1])
        self._open[key] = connection, driver
        return driver

    async def close(self) -> None:
        """End every connection."""
        for driver in [*self._replaced, *(driver for _, driver in self._open.values())]:
            await driver.close()
        self._open.clear()
        self._replaced.clear()

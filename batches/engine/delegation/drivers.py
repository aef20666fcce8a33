"""The drivers of a delegator: one for each provider and credential that it speaks to."""

import uuid
from datetime import datetime

from batches.models import ProviderJob
from batches.services.upstreams.former import former_connection
from providers.base import Connection
from providers.jobs.base import Driver
from providers.jobs.registry import connect

Key = tuple[uuid.UUID, datetime, str, bytes]


class Drivers:
    """Opens drivers, and keeps them as long as the settings of their provider stay as they are. For one event loop."""

    def __init__(self) -> None:
        self._open: dict[Key, Driver] = {}

    def connection_of(self, job: ProviderJob) -> tuple[Key, Connection]:
        """The connection of a job: of its provider as it is now, or as it was if its credential was replaced since.

        Raises CredentialUnavailable and KeyError. It may read the database.
        """
        former = bytes(job.former_credential)
        connection = former_connection(job) if former else job.provider.connection()
        return (job.provider_id, job.provider.updated_at, job.family, former), connection

    def open(self, key: Key, connection: Connection) -> Driver:
        """The driver for this connection. Raises ValueError and CredentialUnavailable for settings that cannot be used."""
        if key not in self._open:
            self._open[key] = connect(key[2], connection)
        return self._open[key]

    async def close(self) -> None:
        """End every connection."""
        for driver in self._open.values():
            await driver.close()
        self._open.clear()

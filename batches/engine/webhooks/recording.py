"""recording: what came of a try reaches the database, which may be away meanwhile. A lease that was lost ends it."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar

from django.db import InterfaceError, OperationalError
from django.utils import timezone

from batches.engine.database_thread import DatabaseThread
from batches.rules.errors import LostRace
from batches.services.webhooks.outcomes import Tried

Row = TypeVar("Row")

AGAIN = timedelta(minutes=1)  # when a row is looked at again that this worker could not try to send
RECORDING_SECONDS = 20.0  # how long a try is kept that the database does not take; the lease ends later


async def record(database: DatabaseThread, service: Callable[..., object], row: Row, tried: Tried) -> None:
    """Record a try by a service. If the database is away for too long, another deliverer tries again."""
    until = time.monotonic() + RECORDING_SECONDS
    while True:
        try:
            with suppress(LostRace):
                await database(service, row, tried, now=timezone.now())
            return
        except (OperationalError, InterfaceError):
            if time.monotonic() > until:
                return
            await asyncio.sleep(1)


async def put_off(database: DatabaseThread, service: Callable[..., object], row: Row, *, failure: str) -> None:
    """Leave a row for later by a service, because this worker could not try to send it."""
    with suppress(LostRace, OperationalError, InterfaceError):
        await database(service, row, until=timezone.now() + AGAIN, failure=failure)


def portals_fault(error: Exception) -> Tried:
    """The try that failed by a fault of the portal's own."""
    return Tried(took_ms=0, failure=f"The portal could not send it ({type(error).__name__}).")

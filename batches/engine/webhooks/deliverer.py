"""The deliverer: the loop that leases what is due, deliveries and notices, and sends it. It ends when nothing is due."""

import asyncio
import logging
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from uuid_utils.compat import uuid7

from batches.engine.database_thread import DatabaseThread
from batches.engine.shutdown import stopping
from batches.engine.webhooks.recording import portals_fault, put_off, record
from batches.engine.webhooks.sender import Sender
from batches.engine.webhooks.teller import Teller
from batches.models import WebhookDelivery
from batches.services.notices import parcels
from batches.services.webhooks import due, outcomes
from providers.base import CredentialUnavailable

logger = logging.getLogger(__name__)

IDLE_SECONDS = 2.0  # how long a deliverer without work waits for more
RUN_SECONDS = 3600.0
LOOK_SECONDS = 0.25  # between two looks for deliveries, at most
LOOK_UPS = 4  # threads for look-ups of names, for each call: a look-up goes on when its call has given up


def run() -> None:
    """Run a deliverer until nothing is due for a while. Any number of them may run; leases keep them apart."""
    now = timezone.now()
    if due.anything_due(now=now) or parcels.anything_due(now=now):
        asyncio.run(Deliverer(uuid7()).run())


class Deliverer:
    """One run of the loop."""

    def __init__(self, owner: uuid.UUID) -> None:
        self._owner = owner
        self._database = DatabaseThread("webhooks")
        self._working: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Work until nothing is due, or the process is told to stop. What is in hand is finished."""
        # Names that are slow to look up are a receiver's doing, too: they must not keep others waiting for a thread.
        names = ThreadPoolExecutor(settings.WEBHOOK_CALLS * LOOK_UPS, thread_name_prefix="webhook-names")
        asyncio.get_running_loop().set_default_executor(names)
        self._sender = Sender()
        self._teller = Teller(self._owner, self._database, self._sender)
        until, idle_since = time.monotonic() + RUN_SECONDS, time.monotonic()
        try:
            while not stopping.is_set() and time.monotonic() < until:
                had_work = bool(self._in_hand)  # what ends during the turn may make room for more
                if await self._turn() or had_work:
                    idle_since = time.monotonic()
                elif time.monotonic() - idle_since > IDLE_SECONDS:
                    break
                await self._wait()
            if self._in_hand:
                await asyncio.wait(self._in_hand, timeout=settings.CANCEL_GRACE_SECONDS)
        finally:
            for task in self._in_hand:
                task.cancel()
            await asyncio.gather(*self._in_hand, return_exceptions=True)
            await self._sender.close()
            await self._database.close()
            names.shutdown(wait=False, cancel_futures=True)

    async def _turn(self) -> bool:
        """Begin to send what is due, as far as there is room. Whether there was anything."""
        room = settings.WEBHOOK_CALLS - len(self._working)
        try:
            taken = await self._database(due.take_due, self._owner, now=timezone.now(), room=room)
            for delivery in taken:
                task = asyncio.create_task(self._deliver(delivery))
                self._working.add(task)
                task.add_done_callback(self._working.discard)
            has_told = await self._teller.turn()
        except (OperationalError, InterfaceError) as error:
            logger.warning("the database did not answer (%s); trying again", type(error).__name__)
            await asyncio.sleep(1)
            return True
        return bool(taken) or has_told

    @property
    def _in_hand(self) -> set[asyncio.Task[None]]:
        return self._working | self._teller.working

    async def _wait(self) -> None:
        """Wait until a delivery ends, for a moment at most."""
        if in_hand := self._in_hand:
            await asyncio.wait(in_hand, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(LOOK_SECONDS)

    async def _deliver(self, delivery: WebhookDelivery) -> None:
        try:
            headers = outcomes.headers_of(delivery, now=timezone.now())
            tried = await self._sender.send(outcomes.url_of(delivery), headers=headers, body=bytes(delivery.body))
            await record(self._database, outcomes.record, delivery, tried)
        except CredentialUnavailable:
            reason = "The secret of the endpoint is encrypted under a key that CREDENTIAL_KEYS of this worker does not hold."
            await put_off(self._database, due.put_off, delivery, failure=reason)
        except Exception as error:
            logger.exception("delivery %s failed", delivery.pk)
            await record(self._database, outcomes.record, delivery, portals_fault(error))

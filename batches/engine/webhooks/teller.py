"""The teller: the part of a deliverer that tells people of events, by e-mail and in chats."""

import asyncio
import logging
import uuid

import msgspec
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from batches.engine.database_thread import DatabaseThread
from batches.engine.webhooks import mail
from batches.engine.webhooks.recording import portals_fault, put_off, record
from batches.engine.webhooks.sender import Sender
from batches.models import Channel, Subscription
from batches.rules.errors import LostRace
from batches.services.notices import parcels
from batches.services.notices.parcels import Parcel
from batches.services.webhooks.outcomes import Tried
from providers.base import CredentialUnavailable

logger = logging.getLogger(__name__)

NO_MAIL_SERVER = "The portal has no mail server: its EMAIL_URL is not set."


class Teller:
    """Sends the messages of one deliverer."""

    def __init__(self, owner: uuid.UUID, database: DatabaseThread, sender: Sender) -> None:
        self._owner, self._database, self._sender = owner, database, sender
        self.working: set[asyncio.Task[None]] = set()

    async def turn(self) -> bool:
        """Begin to send what is due, as far as there is room. Whether there was anything."""
        room = settings.NOTICE_CALLS - len(self.working)
        taken = await self._database(parcels.take_due, self._owner, now=timezone.now(), room=room)
        for subscription in taken:
            task = asyncio.create_task(self._tell(subscription))
            self.working.add(task)
            task.add_done_callback(self.working.discard)
        return bool(taken)

    async def _tell(self, subscription: Subscription) -> None:
        try:
            parcel = await self._database(parcels.compose, subscription)
            if parcel is None:
                await self._database(parcels.drop, subscription)
            elif parcel.channel == Channel.EMAIL and not settings.EMAIL_HOST:
                await put_off(self._database, parcels.put_off, subscription, failure=NO_MAIL_SERVER)
            else:
                await record(self._database, parcels.record, subscription, await self._send(parcel))
        except CredentialUnavailable:
            reason = "The URL of the chat is encrypted under a key that CREDENTIAL_KEYS of this worker does not hold."
            await put_off(self._database, parcels.put_off, subscription, failure=reason)
        except LostRace:
            return
        except (OperationalError, InterfaceError) as error:  # the lease runs out, and the message is sent then
            logger.warning("the database did not answer (%s); a message of %s is late", type(error).__name__, subscription.pk)
        except Exception as error:  # noqa: BLE001 - it is told
            # Without the traceback: it may quote the URL of a chat.
            logger.error("a message of subscription %s failed (%s)", subscription.pk, type(error).__name__)
            await record(self._database, parcels.record, subscription, portals_fault(error))

    async def _send(self, parcel: Parcel) -> Tried:
        if parcel.channel == Channel.EMAIL:
            return await asyncio.to_thread(mail.send, parcel)
        body = msgspec.json.encode({"text": parcel.text})
        return await self._sender.send(parcel.address, headers={}, body=body)

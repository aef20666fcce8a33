"""Subscriptions and notices, made as the services leave them, and a mail server on this machine."""

import asyncio
import contextlib
import email
import email.policy
import threading
from email.message import EmailMessage
from types import TracebackType
from typing import Any, Self

from django.contrib.auth.models import User
from django.utils import timezone

from batches.models import Batch, Channel, EventType, Notice, Subscription
from batches.rules.states import Source
from batches.services.core.access import Access, access_of
from providers.secrets.secrecy import sealed_credential
from tests.waiting import PATIENCE

CHAT = "https://chat.example/hooks/T0/a-secret-path"


def access(person: User) -> Access:
    """The rights of a person at this moment, in the console."""
    return access_of(User.objects.get(pk=person.pk), source=Source.CONSOLE)


def make_subscription(owner: User, *, url: str = CHAT, **columns: Any) -> Subscription:
    """A subscription of a person to a chat, or by e-mail if its channel says so. Nothing is recorded about it."""
    now = timezone.now()
    defaults: dict[str, Any] = {"channel": Channel.CHAT, "created_at": now, "updated_at": now}
    if columns.get("channel", Channel.CHAT) == Channel.CHAT:
        defaults |= {"chat_url_encrypted": sealed_credential(url), "chat_host": url.split("/")[2].partition(":")[0]}
    return Subscription.objects.create(**{"owner": owner, **defaults, **columns})


def make_notice(subscription: Subscription, *, batch: Batch | None = None, **columns: Any) -> Notice:
    """A notice that is due; of a test unless it is of a batch."""
    now = timezone.now()
    defaults = {"type": EventType.COMPLETED if batch else "test", "due_at": now, "created_at": now}
    return Notice.objects.create(**{"subscription": subscription, "batch": batch, **defaults, **columns})


class MailServer:
    """A mail server that keeps what it gets. As a context manager it starts and stops, and may start again on its port.

    `refusals` are the answers to the next recipients; a recipient without one is taken.
    """

    def __init__(self) -> None:
        self.port = 0
        self.refusals: list[str] = []
        self._got: list[bytes] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def raw(self) -> list[bytes]:
        """The messages so far, as they came."""
        return list(self._got)

    @property
    def messages(self) -> list[EmailMessage]:
        """The messages so far."""
        return [email.message_from_bytes(one, policy=email.policy.default) for one in self._got]

    def start(self) -> None:
        """Listen, in a thread of its own."""
        listens = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(listens)), name="mail server")
        self._thread.start()
        assert listens.wait(PATIENCE)

    def stop(self) -> None:
        """Be away."""
        loop, thread = self._loop, self._thread
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(self._quit.set)
            thread.join(PATIENCE)
            self._loop = self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    async def _serve(self, listens: threading.Event) -> None:
        self._loop, self._quit = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._talk, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        listens.set()
        await self._quit.wait()
        server.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError), contextlib.closing(writer):
            writer.write(b"220 here\r\n")
            while line := await reader.readline():
                verb = line.split()[0].upper() if line.split() else b""
                answer = "250 fine"
                if verb == b"RCPT" and self.refusals:
                    answer = self.refusals.pop(0)
                elif verb == b"DATA":
                    writer.write(b"354 go on\r\n")
                    self._got.append((await reader.readuntil(b"\r\n.\r\n"))[:-5].replace(b"\r\n..", b"\r\n."))
                elif verb == b"QUIT":
                    answer = "221 bye"
                writer.write(f"{answer}\r\n".encode())
                await writer.drain()
                if verb == b"QUIT":
                    return

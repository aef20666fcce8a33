"""Connections of clients: uvicorn's, but limited in number, and dropped if the client sends or reads too slowly."""

import asyncio
import socket
import struct
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from batches.http.callers.senders import counted_as
from config.front.admission import Admission, Full
from config.front.client_pace import Pace, Progress

LOOK_SECONDS = 1.0
HEAD_BYTES = 64 * 1024
LINGER_SECONDS = 30.0  # a client may go on sending a body for so long after its answer
EXTENSION = "batchyard.connection"  # the key in the ASGI scope's extensions that holds the connection

_ACKED = struct.Struct("120xQ")  # the field of TCP_INFO with the number of bytes that the client has acknowledged
_AT_ONCE = struct.pack("ii", 1, 0)  # a value of SO_LINGER: closing discards all unsent bytes
_PLAIN = "HTTP/1.1 {} {}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n{}\r\n{}"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of one process for its clients: numbers of connections, and waiting times."""

    connections: int
    each: int  # the number of connections that one address may have
    head_seconds: float
    body_seconds: float
    pace: Pace

    @classmethod
    def of_settings(cls) -> "Bounds":
        """The bounds from the settings.

        Behind a proxy all connections come from the proxy's address, so there is no bound for one address. The bridge counts
        requests by their clients' addresses instead.
        """
        return cls(
            settings.MAX_CONNECTIONS,
            settings.MAX_CONNECTIONS if settings.TRUST_PROXY else settings.MAX_CONNECTIONS_PER_ADDRESS,
            settings.CLIENT_HEAD_SECONDS,
            settings.CLIENT_BODY_SECONDS,
            Pace(settings.CLIENT_PACE_SECONDS, int(settings.CLIENT_PACE_SECONDS * settings.CLIENT_BYTES_PER_SECOND)),
        )


class Reception:
    """Makes the connections of a process, and checks each of them once a second."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.admission: Admission[Connection] = Admission(total=bounds.connections, each=bounds.each)
        self._open: set[Connection] = set()
        self._looks = False

    def __call__(self, **of_uvicorn: Any) -> "Connection":
        """Make a connection. uvicorn calls this for each new client."""
        return Connection(reception=self, **of_uvicorn)

    def add(self, connection: "Connection") -> None:
        self._open.add(connection)
        if not self._looks:
            self._looks = True
            connection.loop.call_later(LOOK_SECONDS, self._look, connection.loop)

    def discard(self, connection: "Connection") -> None:
        self._open.discard(connection)
        self.admission.leave(connection)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = time.monotonic()
        for connection in list(self._open):
            connection.look(now=now)
        loop.call_later(LOOK_SECONDS, self._look, loop)


class Connection(HttpToolsProtocol):
    """A client's connection. It alternates between waiting for a request of the client, and being served."""

    def __init__(self, *, reception: Reception, **of_uvicorn: Any) -> None:
        super().__init__(**of_uvicorn)
        self.lost = False
        self.is_late = False  # the client has sent a body too slowly, so the rest of the body is not read
        self._being_served: RequestResponseCycle | None = None
        self._reception = reception
        self._bounds = reception.bounds
        self._received = 0
        self._head_at: tuple[float, int] | None = (time.monotonic(), 0)  # the time and the byte at which the current head began
        self._body_at = 0.0
        self._sending: Progress | None = None  # the client's progress in sending the body
        self._answered_at: float | None = None
        self._reading: Progress | None = None
        self._closing_at: float | None = None

    # --- Called by uvicorn

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._reception.add(self)
        try:
            gone = self._reception.admission.enter(self, address=counted_as(self.client[0]) if self.client else "")
        except Full:
            self._refuse(503, "Service Unavailable", "Too many connections; try again.", {"retry-after": "1"})
        else:
            if gone is not None:
                gone.drop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._note_lost()
        self._reception.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head_at is None and self._sending is None and self._is_between_requests:
            self._head_at = time.monotonic(), self._received
        self._received += len(data)
        super().data_received(data)
        if self._head_at is not None and self._received - self._head_at[1] > HEAD_BYTES:
            self._refuse(431, "Request Header Fields Too Large", f"The head of a request may have {HEAD_BYTES} bytes.")

    def eof_received(self) -> bool:  # type: ignore[override]
        """Take the end of the client's bytes. The client may still read, so its request is answered as far as it was sent."""
        if self._is_between_requests or self.transport.is_closing():
            return False
        self._end_body()
        return True

    def on_headers_complete(self) -> None:
        now = time.monotonic()
        self._head_at = self._answered_at = None
        self._body_at, self._sending = now, Progress(now, self._received)
        self.is_late = False
        self.scope["extensions"] = {EXTENSION: self}  # type: ignore[dict-item]  # only the bridge reads it
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._sending = None
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._being_served = cycle  # `self.cycle` may be a later request, which the client sent before the answer to this one
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        self._answered_at = time.monotonic()
        self._reception.admission.wait(self)
        super().on_response_complete()

    # --- Called by the bridge

    def serve(self) -> None:
        """Mark the connection as being served: the client has sent enough of its request to begin with it.

        A connection that is being served does not give way to new connections.
        """
        self._reception.admission.serve(self)

    def drop(self) -> None:
        """End the connection at once. Bytes that the client has not read are discarded, also those in the system's buffers."""
        self._note_lost()
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.transport.abort()

    # --- Checked once a second

    def look(self, *, now: float) -> None:
        """End the connection if its client is too slow."""
        if self.transport.is_closing():
            if self._closing_at is None:
                self._closing_at = now
            if now - self._closing_at > self._bounds.pace.seconds:
                self.drop()  # the client does not read the rest of the answer
        elif self._reads_too_slowly(now=now):
            self.drop()
        elif self._head_at is not None and now - self._head_at[0] > self._bounds.head_seconds:
            self._refuse(408, "Request Timeout", "The head of the request did not come in time.")
        elif self._sending is not None and self._answered_at is not None:
            if now - self._answered_at > LINGER_SECONDS:
                self.transport.close()
        elif self._sends_too_slowly(now=now):
            self.is_late = True
            self._end_body()

    @property
    def _is_between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]  # `cycle` is None at first

    def _sends_too_slowly(self, *, now: float) -> bool:
        if self._sending is None or self.is_late:
            return False
        if now - self._body_at > self._bounds.body_seconds:
            return True
        if self.flow.read_paused:  # the application has not asked for more of the body
            self._sending = Progress(now, self._received)
            return False
        return self._sending.is_too_slow(self._bounds.pace, moved=self._received, now=now)

    def _reads_too_slowly(self, *, now: float) -> bool:
        unread = self.transport.get_write_buffer_size()
        if not unread:
            self._reading = None
            return False
        taken = _taken(self.transport.get_extra_info("socket"), unread=unread)
        if self._reading is None:
            self._reading = Progress(now, taken)
        return self._reading.is_too_slow(self._bounds.pace, moved=taken, now=now)

    def _note_lost(self) -> None:
        self.lost = True
        if self._being_served is not None:
            self._being_served.disconnected = True
            self._being_served.message_event.set()

    def _end_body(self) -> None:
        """Stop waiting for the rest of the body, and end the connection after the answer."""
        self.cycle.more_body = self.cycle.keep_alive = False
        self.cycle.message_event.set()

    def _refuse(self, status: int, reason: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        """Answer a client whose request does not reach the application, and close the connection."""
        if self.transport.is_closing():
            return
        lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        self.transport.write(_PLAIN.format(status, reason, len(message), lines, message).encode())
        self.transport.close()


def _taken(connection: socket.socket, *, unread: int) -> int:
    """The number of bytes that the client has received; only its growth matters. `unread`: bytes not yet given to the system.

    The system buffers megabytes, and takes more only after it has sent many of them. So `unread` alone would not show the
    progress of a slow client. On Linux the system tells the number of acknowledged bytes.
    """
    if sys.platform != "linux":
        return -unread
    tcp_info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED.size)
    return int(_ACKED.unpack(tcp_info)[0])

"""The exchange: one request in its thread. Django's WSGI application reads the body from the event loop, and answers to it."""

import asyncio
import io
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote_to_bytes

from django.db import close_old_connections

from batches.http.callers.senders import is_known
from batches.http.request_ids import request_id_of
from batches.rules.errors import Unavailable
from batches.services.telemetry import log_context
from config.front.client_request import ClientRequest, Gone, Headers, Scope, Stranger
from config.front.threads import NoRoom, Threads

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

T = TypeVar("T")
Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]

WHOLE = 256 * 1024  # an answer of at most so many bytes is kept in memory for its client, without a thread
PIECE = 64 * 1024  # a longer answer is handed over in pieces of at least so many bytes
FLUSH_SECONDS = 0.5  # a smaller piece is handed over after so long, if the answer is slow to make
BRIEFLY = 0.05  # a thread keeps its slot while it waits so many seconds for its client; then it gives the slot to others


class SmallFile:
    """A static file that Django answers with. It is small. The event loop sends it, so that strangers hold no thread."""

    streaming = True

    def __init__(self, file: IO[bytes], _block_size: int) -> None:
        self.read = file.read
        self.close = file.close  # Django has set it to the `close` of the whole response


_SAME_FOR_ALL: Environ = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,
    "wsgi.file_wrapper": SmallFile,
}


class Exchange:
    """A request and its answer. `run` is called in the thread, all other methods on the event loop."""

    def __init__(self, request: ClientRequest, threads: Threads, *, body: bytes, is_whole: bool) -> None:
        """`body` is the part of the body that has arrived; `is_whole`: this part is the whole body."""
        self.code = 500
        self.headers: Headers = []
        self.environ: Environ = {}
        # Set when the answer is made: its unsent rest. This is the whole answer, a file, or None if all pieces were sent.
        self.rest: asyncio.Future[bytes | SmallFile | None] = request.loop.create_future()
        self._request = request
        self._threads = threads
        self._body = io.BytesIO(body) if is_whole else io.BufferedReader(_Arriving(self, body), PIECE)

    def run(self, application: Application) -> None:
        """Answer the request. An exception is passed to the event loop."""
        try:
            if self._request.is_over:
                raise Gone
            self.environ = environ_of(self._request.scope, self._body)
            with log_context.bound(**{log_context.REQUEST: request_id_of(self.environ)}):
                rest = self._made(application(self.environ, self._start))
        except Exception as error:  # noqa: BLE001 - the thread goes on
            self._pass_on(self.rest.set_exception, error)
        else:
            self._pass_on(self.rest.set_result, rest)

    def receive(self) -> tuple[bytes, bool]:
        """The next piece of the body, and whether more follows. Raises Stranger, Gone, TooLate and Unavailable."""
        if not is_known(self.environ):
            raise Stranger
        return self._wait_for(self._request.receive())

    def _start(self, status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> None:
        self.code = int(status[:3])
        self.headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]

    def _made(self, result: Any) -> bytes | SmallFile | None:
        """Make the answer from Django's result. The result is closed before the client can see the end of the answer."""
        if isinstance(result, SmallFile):
            close_old_connections()
            return result
        try:
            if result.streaming:
                return self._stream(gathered(result))
            content = bytes(result.content)
            return content if len(content) <= WHOLE else self._stream(_cut(content))
        finally:
            result.close()

    def _stream(self, pieces: Iterable[bytes]) -> bytes | None:
        """Send the answer while it is made, no faster than the client reads. For HEAD, no body is sent."""
        begun = False
        for piece in () if self._request.scope["method"] == "HEAD" else pieces:
            step = self._request.go_on(piece) if begun else self._request.begin(self.code, self.headers, piece)
            self._wait_for(step)
            begun = True
        return None if begun else b""

    def _wait_for(self, step: Coroutine[Any, Any, T]) -> T:
        """Run a step on the event loop and wait for it. If it waits long for the client, other requests get the slot meanwhile.

        The thread's database connection is given back, too.
        """
        future = asyncio.run_coroutine_threadsafe(step, self._request.loop)
        try:
            return future.result(BRIEFLY)
        except TimeoutError:
            close_old_connections()
        try:
            with self._threads.waiting_for_client(self._request.client):
                return future.result()
        except NoRoom:
            future.cancel()
            raise Unavailable("Too many clients send or read slowly just now; try again.") from None

    def _pass_on(self, set_rest: Callable[[Any], object], result: object) -> None:
        """Call a setter of `rest` on the event loop."""

        def pass_on() -> None:
            if not self.rest.done():
                set_rest(result)

        self._request.loop.call_soon_threadsafe(pass_on)


class _Arriving(io.RawIOBase):
    """A body of which only the beginning has arrived."""

    def __init__(self, exchange: Exchange, begun: bytes) -> None:
        self._exchange = exchange
        self._piece = memoryview(begun)
        self._has_more = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        while not self._piece and self._has_more:
            piece, self._has_more = self._exchange.receive()
            self._piece = memoryview(piece)
        view = memoryview(buffer)
        size = min(len(view), len(self._piece))
        view[:size], self._piece = self._piece[:size], self._piece[size:]
        return size


def environ_of(scope: Scope, body: io.BufferedIOBase) -> Environ:
    """The WSGI environ of a request. Headers with an underscore are left out: in WSGI they look like headers with a dash."""
    server, client = scope["server"] or ("", ""), scope["client"] or ("", "")
    environ = _SAME_FOR_ALL | {
        "REQUEST_METHOD": scope["method"],
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": body,
    }
    for header, content in scope["headers"]:
        if b"_" in header:
            continue
        name, value = header.decode("latin-1").upper().replace("-", "_"), content.decode("latin-1")
        key = name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
        if key in environ:
            value = f"{environ[key]}{'; ' if name == 'COOKIE' else ','}{value}"
        environ[key] = value
    return environ


def _cut(content: bytes) -> Iterator[bytes]:
    return (content[start : start + PIECE] for start in range(0, len(content), PIECE))


def gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in larger pieces, so that few pieces are handed to the event loop."""
    held: list[bytes] = []
    size, since = 0, time.monotonic()
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= PIECE or time.monotonic() - since > FLUSH_SECONDS:
            yield b"".join(held)
            held, size, since = [], 0, time.monotonic()
    if held:
        yield b"".join(held)

"""A small web server in this process: the front before an application of a few lines, for tests over real sockets."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

import uvicorn
from django.http.response import HttpResponseBase

from config.answers.metrics import Answer
from config.front.bridge import Bridge
from config.front.client_pace import Pace
from config.front.connection import Bounds, Reception
from config.front.exchange import Environ
from config.front.metrics import Metrics, Page
from config.front.probes import ProbeAnswer, Probes
from config.front.threads import Threads
from tests.waiting import PATIENCE, until

BOUNDS = Bounds(connections=100, each=100, head_seconds=1.0, body_seconds=60.0, pace=Pace(1.0, 1000))
View = Callable[[Environ], HttpResponseBase]


@dataclass(slots=True)
class Served:
    """Where the server listens."""

    port: int
    stop: Callable[[], None]  # as a signal would
    checks: dict[str, str]  # what `/readyz` finds
    _clients: contextlib.ExitStack

    def connect(self, first: bytes = b"", *, reads: bool = True, address: str = "127.0.0.1") -> socket.socket:
        """A connection that has sent this. One that does not read has little room for what it does not read."""
        connection = self._clients.enter_context(socket.socket())
        connection.settimeout(PATIENCE)
        if not reads:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.bind((address, 0))
        connection.connect(("127.0.0.1", self.port))
        connection.sendall(first)
        return connection

    def ask(self, content: bytes) -> bytes:
        """All that is answered on one connection, until it ends."""
        with self.connect(content) as connection:
            return rest_of(connection)


def rest_of(connection: socket.socket) -> bytes:
    """All that still comes on a connection; it may end in any way."""
    found = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(1_000_000):
            found += piece
    return bytes(found)


def head(method: str, path: str, **headers: object) -> bytes:
    """The head of a request."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: localhost",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@contextlib.contextmanager
def served(
    views: Mapping[str, View],
    *,
    slots: int = 4,
    guests: int = 4,
    requests: int = 100,
    page: Page = lambda *_, **__: Answer(HTTPStatus.OK),
    tell: Callable[[], object] = lambda: None,
    **bounds: Any,
) -> Iterator[Served]:
    """A server that answers each path by its view. `requests` is how many of one address may be in progress.

    `page` makes the answers to readers of metrics, and `tell` is called some time after a request.
    """

    def application(environ: Environ, start: Any) -> HttpResponseBase:
        response = views[environ["PATH_INFO"]](environ)
        start(f"{response.status_code} {response.reason_phrase}", list(response.items()))
        return response

    checks = {"database": "ok"}
    with socket.create_server(("127.0.0.1", 0), backlog=500) as listener:
        port = listener.getsockname()[1]
        bridge = Bridge(
            application,
            threads=Threads(slots, guests=guests),
            probes=Probes(lambda: _readiness(checks)),
            metrics=Metrics(page, tell=tell),
            each=requests,
        )
        config = uvicorn.Config(
            bridge,
            http=Reception(replace(BOUNDS, **bounds)),  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            loop="uvloop",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=int(PATIENCE),
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()

        def stop() -> None:
            server.should_exit = True

        try:
            until(lambda: server.started)
            with contextlib.ExitStack() as clients:
                yield Served(port, stop, checks, clients)
        finally:
            stop()
            thread.join(PATIENCE)


def _readiness(checks: Mapping[str, str]) -> ProbeAnswer:
    good = set(checks.values()) == {"ok"}
    status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
    return status, {"status": "ready" if good else "not ready", "checks": checks}

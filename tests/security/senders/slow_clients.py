"""Clients that hold a portal up: they send half of a request, send it byte by byte, or do not read the answer.

They run in a process of their own, so that they take no time from the client that measures. They connect again when the portal
ends their connections. `python -m tests.security.senders.slow_clients` starts them; see `slow_clients`.
"""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

STEP_SECONDS = 1.0  # the seconds between two bytes of a client
BACK_AFTER_SECONDS = 0.5  # the seconds until a client connects again
RECEIVE_BYTES = 4096  # the bytes that the system buffers for a client that does not read
ADDRESSES = [f"127.0.0.{number}" for number in range(2, 18)]
BIG = "/static/admin/js/vendor/xregexp/xregexp.js"  # the largest file that strangers may read
FORM = b"multipart/form-data; boundary=b"
UPLOAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.jsonl"\r\n\r\n'


@dataclass(frozen=True, slots=True)
class Crowd:
    """Numbers of strangers and of clients with a key, the port of the portal, and the file that they read."""

    port: int
    strangers: int
    keyed: int = 0
    key: str = ""
    file_id: str = ""
    only: int | None = None  # the number of the only kind of client that comes; None for all kinds


def request(
    method: str, path: str, *, length: int | None = None, kind: bytes = b"", headers: Mapping[str, str] | None = None
) -> bytes:
    """The head of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in (headers or {}).items())]
    if length is not None:
        lines += [f"Content-Type: {kind.decode()}", f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode()


def strangers() -> list[tuple[bytes, bytes]]:
    """For each kind of stranger: the bytes it sends at once, and the bytes it sends again and again."""
    form = b"csrfmiddlewaretoken=" + b"a" * 64
    wrong = {"Authorization": "Bearer by_wrong"}
    encoded = b"application/x-www-form-urlencoded"
    login = {"Cookie": f"csrftoken={'a' * 32}"}
    return [
        (b"", b""),
        (b"POST /v1/files HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", b"a"),
        (request("POST", "/console/login/", length=1000, kind=encoded, headers=login) + form, b"a"),
        (request("POST", "/admin/login/", length=60_000, kind=encoded, headers=login) + form, b"a"),
        (request("POST", "/v1/files", length=100_000_000, kind=FORM) + UPLOAD, b"a"),
        (request("POST", "/v1/files", length=100_000_000, kind=FORM, headers=wrong) + UPLOAD, b"a"),
        (request("POST", "/v1/batches", length=1000, kind=b"application/json") + b"{", b" "),
        (request("POST", "/v1/batches", headers={"Transfer-Encoding": "chunked"}) + b"1\r\n{\r\n", b"1\r\n \r\n"),
        (request("POST", "/console/login/", length=1000, kind=encoded, headers={"Expect": "100-continue"} | login), b""),
        (request("GET", BIG) * 20, b""),
    ]


def keyed(crowd: Crowd) -> list[tuple[bytes, bytes]]:
    """The same bytes for each kind of client with a key."""
    headers = {"Authorization": f"Bearer {crowd.key}"}
    return [
        (request("POST", "/v1/files", length=100_000_000, kind=FORM, headers=headers) + UPLOAD + b"x" * 70_000, b"x"),
        (request("POST", "/v1/batches", length=900_000, kind=b"application/json", headers=headers) + b"{", b" "),
        (request("GET", f"/v1/files/{crowd.file_id}/content", headers=headers), b""),
    ]


@contextlib.contextmanager
def slow_clients(crowd: Crowd) -> Iterator[None]:
    """Run these clients during the block. The block begins once all of them have connected."""
    command = [sys.executable, "-m", "tests.security.senders.slow_clients", json.dumps(asdict(crowd))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"all have come\n"
            yield
        finally:
            process.terminate()


async def main(crowd: Crowd) -> None:
    kinds = strangers(), keyed(crowd)
    came = [asyncio.Event() for _ in range(crowd.strangers + crowd.keyed)]
    async with asyncio.TaskGroup() as clients:
        for number, event in enumerate(came):
            is_keyed = number >= crowd.strangers
            first, more = kinds[is_keyed][number % len(kinds[is_keyed]) if crowd.only is None else crowd.only]
            address = ADDRESSES[number % len(ADDRESSES)]
            clients.create_task(_come_again(crowd.port, address, first, more, event))
        for event in came:
            await event.wait()
        sys.stdout.write("all have come\n")
        sys.stdout.flush()


async def _come_again(port: int, address: str, first: bytes, more: bytes, came: asyncio.Event) -> None:
    while True:
        with contextlib.suppress(OSError):
            await _hold_up(port, address, first, more, came)
        came.set()
        await asyncio.sleep(BACK_AFTER_SECONDS)


async def _hold_up(port: int, address: str, first: bytes, more: bytes, came: asyncio.Event) -> None:
    """Hold one connection until the portal ends it. Nothing is read."""
    loop = asyncio.get_running_loop()
    with socket.socket() as connection:
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        connection.bind((address, 0))
        await loop.sock_connect(connection, ("127.0.0.1", port))
        await _send(connection, first)
        came.set()
        while not _has_ended(connection):
            await asyncio.sleep(STEP_SECONDS)
            await _send(connection, more)


async def _send(connection: socket.socket, content: bytes) -> None:
    """Send as many of these bytes as the portal takes."""
    if content:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(connection, content), STEP_SECONDS)


def _has_ended(connection: socket.socket) -> bool:
    """Whether the portal has closed the connection. The answer is not read for this."""
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False


if __name__ == "__main__":
    asyncio.run(main(Crowd(**json.loads(sys.argv[1]))))

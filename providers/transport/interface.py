"""The interface between adapters and HTTP: one request in, one reply or one failure out.

Two clients implement it: `fast`, our own, and `full`, for proxies and certificates. A client sends each request once and
never repeats it by itself. No client follows a redirect, keeps a cookie or asks for compression.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from yarl import URL

from providers.base import Failure

MAX_ERROR_BYTES = 64 * 1024  # no more is read of an answer that is not a success
MAX_HEAD_BYTES = 64 * 1024
CONNECT_SECONDS = 10.0  # name look-up, connection, a proxy's consent and TLS handshakes together
KEEPALIVE_SECONDS = 4.0  # common servers drop an idle connection after 5 s; the client must drop it first
CONSTANT_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    "User-Agent": "batchyard",
}


class Headers(dict[str, str]):
    """The headers of an answer by name in lower case. A look-up ignores case.

    If several headers have one name, the first is kept. `Content-Encoding` is a list, so its headers are joined.
    """

    def add(self, name: str, value: str) -> None:
        """Add a header of the answer; `name` is in lower case."""
        if self.setdefault(name, value) is not value and name == "content-encoding":
            super().__setitem__(name, f"{super().__getitem__(name)}, {value}")

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())


@dataclass(slots=True)
class Reply:
    """An upstream's answer of any status. If it is not `whole`, the body had more bytes than wanted, and is cut."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool = True


class MaxBytes(NamedTuple):
    """The most bytes that are wanted of a body: of a success (2xx), and of any other answer."""

    success: int
    other: int

    def of(self, status: int) -> int:
        return self.success if is_success(status) else self.other


class Transport(Protocol):
    """An HTTP client for one upstream. It belongs to the event loop that first uses it; `close` ends its connections."""

    async def send(self, method: str, url: URL, *, headers: Mapping[str, str], body: bytes, seconds: float) -> Reply | Failure:
        """Send a request once and read the whole answer, within `seconds` in all. A GET has no body."""
        ...

    async def close(self) -> None: ...


def is_success(status: int) -> bool:
    """Whether the upstream says that it carried the request out."""
    return 200 <= status < 300


# --- Errors --------------------------------------------------------------------------------------------------


class HttpError(Exception):
    """The client got no complete answer."""


class ConnectFailed(HttpError):
    """No connection was made, so nothing was sent; the message says why."""


class ConnectionLost(HttpError):
    """The connection ended before the whole answer had arrived."""


class NotHttp(HttpError):
    """The bytes that arrived are no HTTP/1.1 answer.

    `said` is the status in their first line: 0 if there is none, None if it is not known.
    """

    def __init__(self, said: int | None = 0) -> None:
        super().__init__()
        self.said = said


def header_lines(headers: Mapping[str, str]) -> bytes:
    """Headers in the format of HTTP/1.1. Raises ValueError for a header that contains a line end."""
    text = "".join([f"{name}: {value}\n" for name, value in headers.items()])
    if text.count("\n") != len(headers) or "\r" in text or "\x00" in text:
        raise ValueError("a header with a line end in it")
    return text.replace("\n", "\r\n").encode()

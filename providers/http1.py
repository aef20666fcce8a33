"""HTTP/1.1 answers, read piece by piece as they come. Pure rules, no network.

Reading is strict: what is not plainly HTTP/1.1 is refused, not guessed at. Nothing is decompressed.
"""

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

MAX_HEAD_BYTES = 64 * 1024

_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([1-9]\d\d)(?: [^\r\n\x00]*)?")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?")
_NO_BODY = frozenset({204, 304})


class HttpError(Exception):
    """No answer was had."""


class ConnectionLost(HttpError):
    """The connection ended before the whole answer was here."""


class NotHttp(HttpError):
    """What came is no HTTP/1.1 answer."""


class Headers(dict[str, str]):
    """The headers of an answer by name in lower case; looking one up ignores case. Of several by one name, the first."""

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())


@dataclass(slots=True)
class Reply:
    """What an upstream answered, whatever the status. Not `whole`: the body had more bytes than were wanted."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool = True


@dataclass(frozen=True, slots=True)
class MaxBytes:
    """How much of a body is read: of a success (2xx), and of anything else."""

    success: int
    other: int


# --- Reading an answer ---------------------------------------------------------------------------------------
# Generators that are sent what comes from the network, in whatever pieces; b"" is the end of the connection.

Answer = Generator[None, bytes, tuple[Reply, bool]]


def read_answer(most: MaxBytes) -> Answer:
    """Read one answer. Returns it, and whether the connection can carry another request. Raises NotHttp, ConnectionLost."""
    buffer = b""
    while True:
        while (end := buffer.find(b"\r\n\r\n")) < 0:
            if len(buffer) > MAX_HEAD_BYTES:
                raise NotHttp
            buffer += yield from _more()
        status, headers, lasting = _head(buffer[:end].decode("latin-1"))
        buffer = buffer[end + 4 :]
        if status == 101:
            raise NotHttp  # nobody asked for another protocol
        if status >= 200:
            break
    limit = most.success if status < 300 else most.other
    if status in _NO_BODY:
        body, rest, framed = b"", buffer, True
    elif (encoding := headers.get("transfer-encoding")) is not None:
        if encoding.lower() != "chunked":
            raise NotHttp
        body, rest, framed = yield from _chunked(buffer, limit)
    elif (length := headers.get("content-length")) is not None:
        body, rest, framed = yield from _of_length(buffer, _number(length), limit)
    else:
        body, rest, framed = yield from _to_the_end(buffer, limit)
    whole = len(body) <= limit
    return Reply(status, headers, body if whole else body[:limit], whole), lasting and framed and whole and not rest


_Body = Generator[None, bytes, tuple[bytes, bytes, bool]]  # the body, what came behind it, whether it said where it ends


def _more() -> Generator[None, bytes, bytes]:
    data = yield
    if not data:
        raise ConnectionLost
    return data


def _of_length(buffer: bytes, length: int, limit: int) -> _Body:
    wanted = min(length, limit + 1)
    if len(buffer) < wanted:
        pieces, size = [buffer], len(buffer)
        while size < wanted:
            pieces.append((yield from _more()))
            size += len(pieces[-1])
        buffer = b"".join(pieces)
    return buffer[:wanted], buffer[wanted:], True


def _to_the_end(buffer: bytes, limit: int) -> _Body:
    pieces, size = [buffer], len(buffer)
    while size <= limit and (data := (yield)):
        pieces.append(data)
        size += len(data)
    return b"".join(pieces), b"", False


def _chunked(buffer: bytes, limit: int) -> _Body:
    pieces: list[bytes] = []
    size = 0
    while size <= limit:
        line, buffer = yield from _line(buffer)
        if not (match := _SIZE.fullmatch(line)):
            raise NotHttp
        length = int(match[1], 16)
        if not length:
            while line:  # what may follow the last chunk, up to an empty line
                line, buffer = yield from _line(buffer)
            return b"".join(pieces), buffer, True
        piece, buffer, _ = yield from _of_length(buffer, length, limit - size)
        pieces.append(piece)
        size += len(piece)
        if size <= limit:
            line, buffer = yield from _line(buffer)
            if line:
                raise NotHttp
    return b"".join(pieces), b"", True


def _line(buffer: bytes) -> Generator[None, bytes, tuple[bytes, bytes]]:
    while (end := buffer.find(b"\r\n")) < 0:
        if len(buffer) > MAX_HEAD_BYTES:
            raise NotHttp
        buffer += yield from _more()
    return buffer[:end], buffer[end + 2 :]


def _head(text: str) -> tuple[int, Headers, bool]:
    """Status, headers, and whether the connection lasts."""
    first, *lines = text.split("\r\n")
    status = _STATUS_LINE.fullmatch(first)
    if status is None:
        raise NotHttp
    headers = Headers()
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _NAME.fullmatch(name):
            raise NotHttp
        name, value = name.lower(), value.strip(" \t")
        if headers.setdefault(name, value) != value and name in _ONCE:
            raise NotHttp
    said = headers.get("connection", "").lower()
    return int(status[2]), headers, "close" not in said if status[1] == "1" else "keep-alive" in said


_ONCE = frozenset({"content-length", "transfer-encoding"})  # two of these that differ could hide where the answer ends


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise NotHttp
    return int(text)

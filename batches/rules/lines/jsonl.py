"""JSON lines: reading an input file piece by piece, and writing result lines. Pure rules, no queries.

Reading is strict where JSON is (UTF-8, no NaN, no lone surrogate) and lenient where files differ: a byte order mark,
CRLF, blank lines and a missing last newline are accepted. Lines are counted from 1, blank ones included.
"""

import json
import re
import uuid
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import BinaryIO

import msgspec

from providers.line_separators import without_separators

CHUNK = 1024**2
BOM = b"\xef\xbb\xbf"
MAX_DEPTH = 200  # how deep arrays and objects may be nested; far below the limit of any parser


class Line(msgspec.Struct, frozen=True):
    """One line that is not blank. Offsets are bytes from the start of the file, half open, without the line end.

    `content` is None for a line over the limit: it was skipped, not kept.
    """

    number: int
    start: int
    end: int
    content: bytes | None


def read_lines(source: BinaryIO, *, max_line_bytes: int) -> Iterator[Line]:
    """Every line of a file that is not blank. Holds one chunk and at most one line in memory."""
    head = source.read(len(BOM))
    start, head = (len(BOM), b"") if head == BOM else (0, head)
    number, offset, rest = 0, start, b""  # the last counted line; the offset in the file of the rest of the chunks, and the rest
    skipping = False  # whether the position is inside a line over the limit, whose content is dropped
    line_start = offset
    for chunk in chain((head,), iter(partial(source.read, CHUNK), b"")):
        pieces = (rest + chunk).split(b"\n")
        rest = pieces.pop()
        for piece in pieces:
            number += 1
            end = offset + len(piece)
            if skipping or len(piece) > max_line_bytes:
                yield Line(number, line_start, end, None)
                skipping = False
            elif content := piece.strip(b" \t\r"):
                yield Line(number, line_start, end, content)
            offset = line_start = end + 1
        if len(rest) > max_line_bytes:
            offset += len(rest)
            rest, skipping = b"", True
    end = offset + len(rest)
    if skipping or len(rest) > max_line_bytes:
        yield Line(number + 1, line_start, end, None)
    elif content := rest.strip(b" \t\r"):
        yield Line(number + 1, line_start, end, content)


class Request(msgspec.Struct):
    """An input line, its body unread. A field that is absent is empty."""

    custom_id: str
    body: msgspec.Raw
    method: str | None = None
    url: str | None = None


class _Response(msgspec.Struct):
    status_code: int
    request_id: str
    body: msgspec.Raw


class _Error(msgspec.Struct, omit_defaults=True):
    code: str
    message: str
    line: int | None = None  # the line of the input, if the request itself is invalid


class _ResultLine(msgspec.Struct):
    id: str
    custom_id: str
    response: _Response | None
    error: _Error | None


class _RequestLine(msgspec.Struct):
    custom_id: str
    method: str
    url: str
    body: msgspec.Raw


class StoredResult(msgspec.Struct):
    """A line of the output or error file. `response` is empty if there was no answer; then `error` gives the reason."""

    id: str
    custom_id: str
    response: _Response | None
    error: _Error | None

    @property
    def body(self) -> str:
        """The answer exactly as it was; empty if there was none."""
        return bytes(self.response.body).decode() if self.response else ""


_decode_request = msgspec.json.Decoder(Request).decode
_decode_result = msgspec.json.Decoder(StoredResult).decode
_encode = msgspec.json.Encoder().encode


def read_request(content: bytes) -> Request:
    """The request of a line that validation has accepted."""
    return _decode_request(content)


def request_line(*, custom_id: str, url: str, body: bytes) -> bytes:
    """A line of an input file, with its end. `body` must be valid JSON, and its values are kept exactly."""
    if b"\n" in body or b"\r" in body:
        body = msgspec.json.format(body, indent=-1)  # line ends between tokens: inside strings JSON has none
    return unbroken(_encode(_RequestLine(custom_id, "POST", url, msgspec.Raw(body)))) + b"\n"


_STRING = re.compile(rb'"[^"]*"')
_BRACES = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def is_too_deep(content: bytes) -> bool:
    """Whether the arrays and objects of a JSON document are nested more than MAX_DEPTH deep."""
    if content.count(b"[") + content.count(b"{") <= MAX_DEPTH:
        return False
    unescaped = content.replace(rb"\\", b"").replace(rb"\"", b"")
    brackets = _STRING.sub(b"", unescaped).translate(_BRACES, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace(b"[]", b"")  # the innermost ones: one level
    return bool(brackets)


_HALF_PAIR = re.compile(  # whatever else begins with a backslash is passed by
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\[^u]|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_BODY = b'"body":'
_BYTE = re.compile(r"\(byte (\d+)\)")


def complaint(error: msgspec.DecodeError, content: bytes, *, start: int = 0) -> str:
    """A message for the author of a document that is no JSON. `start` is the document's offset in the author's text."""
    text = str(error).partition(" - at `")[0].removeprefix("JSON is malformed: ")
    if "truncated" in text or "surrogate" in text:
        half = next((match.start(1) for match in _HALF_PAIR.finditer(content) if match[1]), None)
        text = "it ends too early" if half is None else f"half of a surrogate pair (byte {half})"
    return _BYTE.sub(lambda match: f"(byte {start + int(match[1])})", text)


def response_line(
    object_id: uuid.UUID, *, custom_id: str, http_status: int, request_id: str, body: str, why: tuple[str, str] | None = None
) -> bytes:
    """A line of the output or error file for a request that was answered; `body` is one line of JSON.

    `why` is the code and message of a failure whose answer had a status of success.
    """
    response = _Response(http_status, request_id, msgspec.Raw(body.encode()))
    error = None if why is None else _Error(*why)
    return unbroken(_encode(_ResultLine(result_id(object_id), custom_id, response, error))) + b"\n"


def error_line(object_id: uuid.UUID, *, custom_id: str, code: str, message: str, line: int | None = None) -> bytes:
    """A line of the error file for a request that got no answer or was never sent. `line` is the line of the input, if given."""
    return unbroken(_encode(_ResultLine(result_id(object_id), custom_id, None, _Error(code, message, line)))) + b"\n"


def result_id(object_id: uuid.UUID) -> str:
    """The id of a result line."""
    return f"batch_req_{object_id.hex}"


def read_result(content: bytes) -> StoredResult:
    """Read a line of the output or error file that `response_line` or `error_line` made."""
    try:
        return _decode_result(content)
    except msgspec.DecodeError:
        # An upstream may write half of a surrogate pair. A character of the same length replaces it for reading.
        readable = _HALF_PAIR.sub(lambda match: rb"\ufffd" if match[1] else match[0], content)
        found = _decode_result(readable)
        if found.response is not None:
            start = readable.index(_BODY + bytes(found.response.body)) + len(_BODY)
            found.response.body = msgspec.Raw(content[start : start + len(bytes(found.response.body))])
        return found


def unbroken(document: bytes) -> bytes:
    """JSON on one line for every reader: line separators inside strings are escaped."""
    return without_separators(document)


def dump(value: object) -> str:
    """JSON on one line; never NaN."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))

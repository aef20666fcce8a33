"""Bodies of answers as JSON: reading odd JSON, writing a document on one line, and showing a body that is no JSON."""

import json
import re
from typing import Any

import msgspec

from providers.line_separators import without_separators
from providers.transport import MAX_ERROR_BYTES

BOM = b"\xef\xbb\xbf"
MAX_BEGINNING_CHARS = 200
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_MOST_DIGITS = 18  # a longer integer is read as a float: no number that judgement looks at is so large
_decode_syntax = msgspec.json.Decoder(msgspec.Raw).decode


class Unreadable(ValueError):
    """A body that is no JSON. The message says why, as the end of a sentence."""


def read_document(body: bytes) -> tuple[Any, bytes]:
    """Parse a body as JSON: the document, and its text in UTF-8 without a byte order mark. Raises Unreadable.

    This parser is slower than msgspec, and reads more: half surrogate pairs, numbers of any size, UTF-16 and UTF-32.
    """
    if not body.strip():
        raise Unreadable("it is empty")
    try:
        text = body.decode(json.detect_encoding(body))
        return json.loads(text, parse_int=_integer, parse_constant=_refuse_constant), text.encode()
    except UnicodeDecodeError as error:
        raise Unreadable(f"byte {error.start} is not UTF-8") from None
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise Unreadable(f"{error.msg.lower()} (byte {len(text[: error.pos].encode())})") from None


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


def _refuse_constant(name: str) -> None:
    raise Unreadable(f"it contains {name}")


def one_line(body: bytes) -> bytes:
    """A JSON document on one line. The text of its numbers and strings stays, except that line separators are escaped."""
    body = body.strip()
    if b"\n" in body or b"\r" in body:
        try:
            body = msgspec.json.format(body, indent=-1)
        except (msgspec.DecodeError, RecursionError):  # legal but odd JSON; strings in JSON have no raw line ends
            body = body.replace(b"\n", b"").replace(b"\r", b"")
    return without_separators(body)


def as_json(body: bytes) -> bytes:
    """A body as one line of JSON: a JSON body as it is, any other body as a JSON string, an empty body as no bytes."""
    if not body.strip():
        return b""
    try:
        body.decode()
        _decode_syntax(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            body = read_document(body)[1]
        except Unreadable:
            body = msgspec.json.encode(body[:MAX_ERROR_BYTES].decode(errors="replace"))
    return one_line(body)


def beginning(body: bytes) -> str:
    """A sentence with the first bytes of a body in quotes. Quoted text is left out of fingerprints, so such errors group."""
    text = " ".join(shortened(body[: 4 * MAX_BEGINNING_CHARS].decode(errors="replace"), MAX_BEGINNING_CHARS).split())
    return f"It begins with '{text.replace(chr(39), chr(34))}'." if text else "It is empty."


def shortened(text: str, limit: int) -> str:
    """Text that can be shown and stored: no control characters, at most `limit` characters."""
    text = _UNPRINTABLE.sub("", text)
    return text if len(text) <= limit else text[: limit - 1] + "…"

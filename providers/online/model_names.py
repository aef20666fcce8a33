"""The model that a request names, and writing another name in its place: the rest of the JSON stays byte for byte. Pure rules."""

import re
from collections.abc import Iterator, Mapping

import msgspec

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],]', re.DOTALL)
_COLON = re.compile(rb"\s*:")
_PLAIN_KEY = b'"model"'
_ESCAPE = b"\\u00"  # as a key must have that spells `model` in another way


class _Request(msgspec.Struct, gc=False):
    model: str | None = None


_decode = msgspec.json.Decoder(_Request).decode
_decode_text = msgspec.json.Decoder(str).decode


def model_of(body: bytes) -> str:
    """The model that a request names; empty when it names none."""
    try:
        return _decode(body).model or ""
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""  # the upstream will say what is wrong with it


def renamed(body: bytes, names: Mapping[str, str]) -> bytes:
    """The request with the upstream's name of its model."""
    name = names.get(model_of(body))
    if name is None:
        return body
    written, pieces, end = msgspec.json.encode(name), [], 0
    for start, stop in _values(body):
        pieces += [body[end:start], written]
        end = stop
    return b"".join([*pieces, body[end:]])


def _values(body: bytes) -> Iterator[tuple[int, int]]:
    """Where the values of the document's own keys `model` begin and end. The body is JSON, and the values are strings.

    Looking ends where no other such key can follow: mostly after the first words of a long document.
    """
    left = body.count(_PLAIN_KEY)
    escaped = _ESCAPE in body
    depth, key = 0, b""
    for token in _TOKEN.finditer(body):
        if not (left or escaped or key):
            return
        text = token.group()
        if text in (b"{", b"["):
            depth += 1
        elif text in (b"}", b"]"):
            depth -= 1
        elif text == b",":
            key = b""
        else:
            left -= text == _PLAIN_KEY
            if depth == 1 and key:
                yield token.span()
                key = b""
            elif depth == 1 and _is_model(text) and _COLON.match(body, token.end()):
                key = text


def _is_model(text: bytes) -> bool:
    return text == _PLAIN_KEY or (_ESCAPE in text and _decode_text(text) == "model")

"""Reading the name of the model in a request, and replacing it. The rest of the JSON stays byte for byte. Pure rules."""

import re
from collections.abc import Iterator, Mapping

import msgspec

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],]', re.DOTALL)
_COLON = re.compile(rb"\s*:")
_PLAIN_KEY = b'"model"'
_ESCAPE = b"\\u00"  # part of each other spelling of the key `model`


class _Request(msgspec.Struct, gc=False):
    model: str | None = None


_decode = msgspec.json.Decoder(_Request).decode
_decode_text = msgspec.json.Decoder(str).decode


def model_of(body: bytes) -> str:
    """The name of the model in a request; empty if the request names none."""
    try:
        return _decode(body).model or ""
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""  # the upstream will report the fault of this body


def renamed(body: bytes, names: Mapping[str, str]) -> bytes:
    """The request with the upstream's name of its model; `names` are the upstream's names by the names of clients."""
    name = names.get(model_of(body))
    if name is None:
        return body
    written, pieces, end = msgspec.json.encode(name), [], 0
    for start, stop in _values(body):
        pieces += [body[end:start], written]
        end = stop
    return b"".join([*pieces, body[end:]])


def _values(body: bytes) -> Iterator[tuple[int, int]]:
    """The beginning and end of the value of each key `model` at the top level of the document.

    The body must be JSON, and the values strings. The search ends as soon as no other such key can follow: in a long
    document this is mostly after the first few words.
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

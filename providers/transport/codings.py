"""Content codings: decoding gzip and deflate up to a size. No network.

The portal asks for no coding, but some upstreams apply one.
"""

import zlib
from codecs import BOM_UTF8

MAX_CODINGS = 5  # in a row
MAX_MEMBERS = 10_000  # of one gzip body
PIECE_BYTES = 16 * 1024
_GZIP = zlib.MAX_WBITS | 16
_RAW = -zlib.MAX_WBITS
_MAGIC = b"\x1f\x8b"  # how a gzip member begins
_NO_CODING = frozenset({"", "identity", "none"})


class Undecodable(Exception):
    """The body cannot be decoded; the message says why."""


class TooLarge(Exception):
    """The decoded body has more bytes than are wanted."""


def decoded(body: bytes, codings: str, *, most: int, cut: bool) -> bytes:
    """The body without the codings of a `Content-Encoding` header. The last coding is removed first.

    The result has at most `most` bytes. If the body is longer or broken, the exceptions are raised; with `cut`, the rest is
    left out instead. Headers may be wrong: a body that is plain text stays as it is, and a body that begins as gzip is
    decoded even if the header does not say so, since no JSON begins like that.
    """
    names = [name for coding in codings.split(",") if (name := coding.strip().lower()) not in _NO_CODING]
    if names and _is_plain(body):
        return body
    if len(names) > MAX_CODINGS:
        raise Undecodable(f"Its body is encoded {len(names)} times")
    for left, name in zip(range(len(names) - 1, -1, -1), reversed(names), strict=True):
        decode = _DECODERS.get(name)
        if decode is None:
            raise Undecodable(f"Its body is encoded with {_shown(name)}, which nobody asked for")
        # Compressing a body once more makes it hardly larger, so an inner body needs little more room than `most`.
        body = decode(body, most=most + left * (most // 100 + 1024), cut=cut)
    for _ in range(MAX_CODINGS - len(names)):
        if not is_gzip(body):
            break
        body = _gunzip(body, most=most, cut=cut)
    return body


def is_gzip(body: bytes) -> bool:
    """Whether a body begins with the magic bytes of gzip, and so is neither JSON nor text."""
    return body.startswith(_MAGIC)


def _gunzip(body: bytes, *, most: int, cut: bool) -> bytes:
    """Decode all gzip members in a row. Bytes behind the last member are padding. Some servers call deflate gzip."""
    if not is_gzip(body):
        if _is_wrapped(body):
            return _undeflate(body, most=most, cut=cut)
        raise Undecodable("Its body is said to be gzip, and is not")
    pieces: list[bytes] = []
    start = 0
    while body.startswith(_MAGIC, start):
        if len(pieces) >= MAX_MEMBERS:
            raise Undecodable("Its compressed body has too many parts")
        piece, start = _inflated(body, start, _GZIP, most=most, cut=cut)
        pieces.append(piece)
        most -= len(piece)
    return b"".join(pieces)


def _undeflate(body: bytes, *, most: int, cut: bool) -> bytes:
    """Decode deflate: with the zlib wrapping, as the standard says; or without it, or as gzip, as some servers send it."""
    if is_gzip(body):
        return _gunzip(body, most=most, cut=cut)
    if _is_wrapped(body):
        try:
            return _inflated(body, 0, zlib.MAX_WBITS, most=most, cut=cut)[0]
        except Undecodable as error:
            wrapped = error
        try:
            return _inflated(body, 0, _RAW, most=most, cut=False)[0]
        except Undecodable:
            raise wrapped from None
    return _inflated(body, 0, _RAW, most=most, cut=cut)[0]


def _is_wrapped(body: bytes) -> bool:
    """Whether a body begins with a valid header of zlib."""
    return body[:1] != b"" and body[0] & 0x0F == 8 and int.from_bytes(body[:2]) % 31 == 0


def _inflated(body: bytes, start: int, form: int, *, most: int, cut: bool) -> tuple[bytes, int]:
    """The content of one compressed stream, and the index of its end in the body."""
    stream, content = zlib.decompressobj(form), bytearray()
    while start < len(body) and not stream.eof:
        piece = body[start : start + PIECE_BYTES]
        try:
            content += stream.decompress(piece, most + 1 - len(content))
        except zlib.error:
            if cut and content:
                return bytes(content), len(body)
            raise Undecodable("Its compressed body is broken") from None
        if len(content) > most:
            if cut:
                return bytes(content[:most]), len(body)
            raise TooLarge
        start += len(piece) - len(stream.unused_data)
    if not stream.eof and not cut:
        raise Undecodable("Its compressed body breaks off")
    return bytes(content), start


def _is_plain(body: bytes) -> bool:
    """Whether the body is text that begins like JSON: a server between removed the coding and left the header."""
    if body.removeprefix(BOM_UTF8).lstrip()[:1] not in (b"{", b"["):
        return False
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _shown(name: str) -> str:
    return "".join(character for character in name[:40] if character.isprintable())


_DECODERS = {"gzip": _gunzip, "x-gzip": _gunzip, "deflate": _undeflate}

"""Lines of a result file while it arrives: JSONL as providers write it, with flat memory.

A byte order mark, carriage returns, empty lines and gzip are read through. A last line without an end is a line if it is
whole JSON; otherwise the file was cut.
"""

import zlib
from codecs import BOM_UTF8
from collections.abc import AsyncIterator
from typing import Any

import msgspec

_GZIP = zlib.MAX_WBITS | 16
_MAGIC = b"\x1f\x8b"


class Cut(Exception):
    """The file breaks off within a line."""


class Line(msgspec.Struct, frozen=True, gc=False):
    """One line, which was not parsed yet. If it cannot be read, `problem` says why. `number` counts from 1."""

    number: int
    raw: bytes
    problem: str = ""

    def read(self) -> tuple[Any, str]:
        """Its JSON, and what is wrong with the line; one of both is empty."""
        if self.problem:
            return None, self.problem
        try:
            return msgspec.json.decode(self.raw), ""
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None, "It is not JSON."


async def lines_of(pieces: AsyncIterator[bytes], *, most: int) -> AsyncIterator[list[Line]]:
    """The lines that are not empty, those of a piece together. One with more than `most` bytes has a problem. Raises Cut."""
    number, is_over = 0, False
    rest = bytearray()
    async for piece in _unpacked(pieces):
        rest += piece
        if b"\n" in piece:
            *whole, last = bytes(rest).split(b"\n")
            rest = bytearray(last)
            found: list[Line] = []
            for raw in whole:
                number += 1
                if is_over:
                    is_over = False
                    found.append(Line(number, b"", problem=f"It has more than {most} bytes."))
                elif raw := _trimmed(raw, number):
                    found.append(_line(number, raw, most))
            yield found
        if len(rest) > most:
            is_over = True
            rest.clear()
    if is_over:
        raise Cut
    if raw := _trimmed(bytes(rest), number + 1):
        end = _line(number + 1, raw, most)
        if end.read()[1]:
            raise Cut
        yield [end]


def _trimmed(raw: bytes, number: int) -> bytes:
    return (raw.removeprefix(BOM_UTF8) if number == 1 else raw).strip()


def _line(number: int, raw: bytes, most: int) -> Line:
    return Line(number, raw) if len(raw) <= most else Line(number, b"", problem=f"It has more than {most} bytes.")


async def _unpacked(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces, unpacked if they begin as gzip. Raises Cut if the packing is not whole."""
    unpack: Any = None
    is_first, is_whole = True, True
    async for piece in pieces:
        if is_first and piece:
            is_first = False
            unpack = zlib.decompressobj(_GZIP) if piece.startswith(_MAGIC) else None
        if unpack is None:
            yield piece
            continue
        while piece:
            try:
                unpacked = unpack.decompress(piece, 2**20)
            except zlib.error:
                raise Cut from None
            yield unpacked
            # A full piece may leave more in the unpacker, which comes with the next call.
            piece, is_whole = unpack.unconsumed_tail, unpack.eof
            if unpack.eof:
                piece, unpack = unpack.unused_data, zlib.decompressobj(_GZIP)
    if not is_whole:
        yield unpack.flush()
        if not unpack.eof:
            raise Cut

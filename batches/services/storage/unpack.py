"""unpack: read a compressed input. It is stored unpacked, so that its lines can be read in ranges."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.files import File as Content
from django.core.files.uploadedfile import TemporaryUploadedFile

from batches.rules.errors import InvalidRequest, TooLarge

GZIP = b"\x1f\x8b\x08"  # the first bytes of a gzip file; no JSON begins with them
CHUNK = 256 * 1024
SUFFIX = ".gz"


@contextmanager
def plain(content: "Content[Any]", *, limit: int) -> "Iterator[tuple[Content[Any], bool]]":
    """The unpacked content, and whether it was compressed. Plain content is passed on as it is.

    Memory holds one chunk at a time. Raises TooLarge for more than `limit` bytes, of which no more are read, and
    InvalidRequest for a file that is damaged or empty.
    """
    content.seek(0)
    is_packed = content.read(len(GZIP)) == GZIP
    content.seek(0)
    if not is_packed:
        yield content, False
        return
    with TemporaryUploadedFile("requests.jsonl", "application/jsonl", 0, None) as spool:
        size = 0
        for piece in _unpacked(content):
            size += len(piece)
            if size > limit:
                raise TooLarge(f"The file has more than {limit} bytes when it is unpacked; it may have no more.", param="file")
            spool.write(piece)
        if not size:
            raise InvalidRequest("The file is empty when it is unpacked.", param="file")
        spool.flush()
        spool.seek(0)
        spool.size = size
        yield spool, True


def plain_name(filename: str) -> str:
    """The name of a compressed file without the suffix of the compression."""
    if not filename.lower().endswith(SUFFIX):
        return filename
    return filename[: -len(SUFFIX)] or filename


def _unpacked(content: "Content[Any]") -> Iterator[bytes]:
    """The bytes of all members, in pieces. A gzip file may have several members in a row, and be padded with zeros."""
    member, packed = _member(), b""
    inside = False  # whether a member has begun and not ended
    try:
        while packed := packed or content.read(CHUNK):
            if not inside and not (packed := packed.lstrip(b"\0")):
                continue
            inside = True
            if piece := member.decompress(packed, CHUNK):
                yield piece
            packed = member.unconsumed_tail
            if member.eof:
                packed, member, inside = member.unused_data, _member(), False
        while inside and (piece := member.decompress(b"", CHUNK)):
            yield piece
    except zlib.error as error:
        raise InvalidRequest(f"The file begins as gzip, and cannot be unpacked: {error}.", param="file") from None
    if inside and not member.eof:
        raise InvalidRequest("The file begins as gzip, and ends too early.", param="file")


def _member() -> Any:
    """A new unpacker for one member."""
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)

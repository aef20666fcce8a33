"""A stream of JSON, cut anywhere."""

import io

from batches.rules.lines.json_stream import CHUNK, Item, Member, Read, read_members


def in_chunks(body: bytes, size: int) -> Read:
    """A stream that never gives more than so many bytes at once."""
    source = io.BytesIO(body)
    return lambda wanted: source.read(min(wanted, size))


def pieces(body: bytes, *, chunk: int = CHUNK, limit: int = 2**20) -> list[Member | Item]:
    return list(read_members(in_chunks(body, chunk), array="requests", max_value_bytes=limit))

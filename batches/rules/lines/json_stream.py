"""Reading a large JSON object piece by piece: its small members, and the items of its one long array, byte for byte.

`{"model": "m", "requests": [{...}, {...}, ...]}` is never whole in memory. No item is parsed and written again, so numbers,
escapes and the order of keys stay as the client wrote them. Only the structure (brackets, strings, commas) is checked here.
The caller decodes each piece, and finds out whether it is valid JSON.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

Read = Callable[[int], bytes]

CHUNK = 256 * 1024

_SPACE = re.compile(rb"[ \t\n\r]*")
_SCALAR = re.compile(rb"[^ \t\n\r,\]}\[{\"]+")
_IN_STRING = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
# In a value: a bracket, or a whole string, or the beginning of a string whose end has not been read yet.
_TOKEN = re.compile(rb'[{}\[\]]|"[^"\\]*(?:\\.[^"\\]*)*("?)', re.DOTALL)


class Malformed(Exception):
    """The body is not the JSON object that it should be."""


class TooLong(Exception):
    """A member or an item has more bytes than allowed."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of the object other than the array: its name and its raw value. `start` is the value's offset in the body."""

    name: str
    value: bytes
    start: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Item:
    """A raw item of the array."""

    index: int
    value: bytes


def read_members(read: Read, *, array: str, max_value_bytes: int) -> Iterator[Member | Item]:
    """The members of one JSON object in their order. The member called `array` comes item by item.

    Memory holds at most one chunk and twice a value. Raises Malformed if the structure is broken or the array comes twice, and
    TooLong. A member that is called `array` but is no array comes as a Member.
    """
    source = _Source(read, max_value_bytes)
    seen = False
    source.expect(b"{")
    if source.peek() == b"}":
        source.expect(b"}")
    else:
        while True:
            name = source.name()
            source.expect(b":")
            if name == array and source.peek() == b"[":
                if seen:
                    raise Malformed(f"There are two members {array!r} (byte {source.offset}).")
                seen = True
                yield from _items(source)
            else:
                source.peek()
                start = source.offset
                yield Member(name, source.value(), start)
            if source.expect(b",}") == b"}":
                break
    if source.peek():
        raise Malformed(f"There is more after the end of the object (byte {source.offset}).")


def _items(source: "_Source") -> Iterator[Item]:
    source.expect(b"[")
    if source.peek() == b"]":
        source.expect(b"]")
        return
    index = 0
    while True:
        yield Item(index, source.value())
        index += 1
        if source.expect(b",]") == b"]":
            return


class _Source:
    """A buffer over the stream. `_at` is the number of bytes of the buffer that have been used."""

    def __init__(self, read: Read, max_value_bytes: int) -> None:
        self._read = read
        self._limit = max_value_bytes
        self._buffer = b""
        self._at = 0
        self._before = 0  # bytes that were dropped from the front of the buffer
        self._ended = False

    @property
    def offset(self) -> int:
        """How many bytes of the stream have been used."""
        return self._before + self._at

    def peek(self) -> bytes:
        """The next byte that is not white space, without using it; empty at the end."""
        while True:
            match = _SPACE.match(self._buffer, self._at)
            assert match is not None
            self._at = match.end()
            if self._at < len(self._buffer):
                return self._buffer[self._at : self._at + 1]
            if not self._more():
                return b""

    def expect(self, allowed: bytes) -> bytes:
        """Use one byte. It must be one of these."""
        found = self.peek()
        if not found or found not in allowed:
            wanted = " or ".join(repr(chr(byte)) for byte in allowed)
            what = repr(found.decode("latin-1")) if found else "the end"
            raise Malformed(f"Expected {wanted}, found {what} (byte {self.offset}).")
        self._at += 1
        return found

    def name(self) -> str:
        """Use one string, and return it decoded."""
        if self.peek() != b'"':
            raise Malformed(f"Expected a name in double quotes (byte {self.offset}).")
        start = self.offset
        try:
            return msgspec.json.decode(self.value(), type=str)
        except (UnicodeDecodeError, msgspec.DecodeError):
            raise Malformed(f"A name is not valid (byte {start}).") from None

    def value(self) -> bytes:
        """Use one value of any type."""
        first = self.peek()
        if first in (b"{", b"["):
            end = self._end_of_container()
        elif first == b'"':
            end = self._end_of_string(self._at)
        else:
            end = self._end_of_scalar()
        found = self._buffer[self._at : end]
        self._require_allowed(len(found))
        self._at = end
        return found

    def _end_of_container(self) -> int:
        depth, position = 0, self._at
        while True:
            for token in _TOKEN.finditer(self._buffer, position):
                first = self._buffer[token.start()]
                if first in b"{[":
                    depth += 1
                elif first in b"}]":
                    depth -= 1
                    if not depth:
                        return token.end()
                elif not token[1]:
                    position = self._end_of_string(token.start())
                    break
            else:
                position = len(self._buffer) - self._need_more()

    def _end_of_string(self, start: int) -> int:
        """The end of a string. After each chunk the search goes on where it stopped, so that its cost is linear."""
        position = start + 1
        while True:
            inside = _IN_STRING.match(self._buffer, position)
            assert inside is not None
            position = inside.end()
            if self._buffer[position : position + 1] == b'"':
                return position + 1
            position -= self._need_more()

    def _end_of_scalar(self) -> int:
        position = self._at
        while True:
            match = _SCALAR.match(self._buffer, position)
            position = match.end() if match else position
            if position < len(self._buffer):
                if position == self._at:
                    raise Malformed(f"Expected a value (byte {self.offset}).")
                return position
            position -= self._need_more()  # a number at the end of the buffer may go on in the next chunk

    def _need_more(self) -> int:
        """Read a chunk inside a value. Return by how many bytes the positions in the buffer have moved."""
        self._require_allowed(len(self._buffer) - self._at)
        moved = self._at
        if not self._more():
            raise Malformed("The body ends too early.")
        return moved

    def _require_allowed(self, size: int) -> None:
        if size > self._limit:
            raise TooLong(f"A value has more than {self._limit} bytes (from byte {self.offset}).")

    def _more(self) -> bool:
        """Move the unused part of the buffer to the front, and read a chunk after it.

        A longer unused part gets a larger chunk, so that moving costs no more than reading.
        """
        unused = len(self._buffer) - self._at
        chunk = b"" if self._ended else self._read(max(CHUNK, unused))
        if not chunk:
            self._ended = True
            return False
        self._before += self._at
        self._buffer = self._buffer[self._at :] + chunk
        self._at = 0
        return True

"""Bits: a set of line numbers in a run of lines, as one bit for each line. Pure rules."""


class LineBits:
    """The lines of a run that are marked. `stored` is what an earlier set of the same run answered, or empty."""

    __slots__ = ("_bits", "_first")

    def __init__(self, first_line: int, last_line: int, stored: bytes = b"") -> None:
        self._first = first_line
        self._bits = bytearray(stored.ljust((last_line - first_line) // 8 + 1, b"\0"))

    def __contains__(self, line: int) -> bool:
        byte, bit = divmod(line - self._first, 8)
        return bool(self._bits[byte] >> bit & 1)

    def add(self, line: int) -> None:
        byte, bit = divmod(line - self._first, 8)
        self._bits[byte] |= 1 << bit

    def stored(self) -> bytes:
        return bytes(self._bits)

    def count(self) -> int:
        return int.from_bytes(self._bits).bit_count()

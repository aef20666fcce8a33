"""JSON made readable without parsing: it is only indented.

Numbers keep every digit, duplicate keys stay, and neither depth nor a broken document can raise.
"""

import re
from collections.abc import Iterator

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
INDENT = "  "
DEEPEST = 40  # deeper levels are not indented further: hostile nesting must not make a page of spaces


def indent(text: str) -> str:
    """The document with one member a line."""
    return "".join(_pieces(text))


def _pieces(text: str) -> Iterator[str]:
    depth = 0
    opened = False  # the last token opened a level that is still empty
    for match in _TOKEN.finditer(text):
        piece = match[0]
        if piece in "}]":
            depth = max(depth - 1, 0)
            yield piece if opened else _line(depth) + piece
            opened = False
            continue
        if opened:
            yield _line(depth)
        opened = piece in "{["
        yield piece
        if opened:
            depth += 1
        elif piece == ",":
            yield _line(depth)
        elif piece == ":":
            yield " "


def _line(depth: int) -> str:
    return "\n" + INDENT * min(depth, DEEPEST)

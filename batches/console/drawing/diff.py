"""The differences of two answers, line by line. Before the comparison, JSON gets one member a line, and its keys are sorted.

Numbers keep every digit and duplicate keys stay. A text that is no JSON, or is nested too deeply, is only indented.
"""

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from batches.console.drawing.pretty import INDENT, indent

MOST_LINES = 1000  # the most lines of each side: the time of a comparison grows faster than their number
MOST_CHARS = 2000  # the most characters of a line
READ_CHARS = 4 * 1024**2
AROUND = 3  # lines shown on either side of a difference


@dataclass(frozen=True, slots=True)
class Change:
    """A line. `kind` is same, removed, added, or gap for lines that are left out. `middle` is the part that differs."""

    kind: str
    start: str = ""
    middle: str = ""
    end: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """The comparison of two answers. `cut`: only the beginning of one of them was compared."""

    changes: list[Change]
    same: bool
    cut: bool


def difference(first: str, second: str) -> Difference:
    """The difference between two texts. If they are equal, all lines are shown."""
    sides = [readable(text).splitlines() for text in (first, second)]
    same = sides[0] == sides[1]
    cut = any(len(lines) > MOST_LINES or any(len(line) > MOST_CHARS for line in lines) for lines in sides)
    one, other = ([line[:MOST_CHARS] for line in lines[:MOST_LINES]] for lines in sides)
    changes = [Change("same", line) for line in one] if same else list(_changes(one, other))
    return Difference(changes, same, cut)


def readable(text: str) -> str:
    """JSON with one member a line and sorted keys. Any other text is only indented."""
    if len(text) > READ_CHARS:
        return indent(text[:READ_CHARS])
    try:
        document = json.loads(text, object_pairs_hook=_Members, parse_int=_Number, parse_float=_Number, parse_constant=_Number)
        return "".join(_written(document, "\n"))
    except (ValueError, RecursionError):
        return indent(text) if text.lstrip()[:1] in ("{", "[") else text


class _Number(str):
    """A number, with the digits of the document."""

    __slots__ = ()


class _Members(list[tuple[str, Any]]):
    """The members of an object."""

    __slots__ = ()


def _written(value: Any, line: str) -> Iterator[str]:
    if isinstance(value, _Number):
        yield value
    elif isinstance(value, _Members) and value:
        members = sorted(value, key=lambda member: member[0])
        yield from _level("{", ((f"{_text(key)}: ", member) for key, member in members), "}", line)
    elif isinstance(value, list) and value:
        yield from _level("[", (("", item) for item in value), "]", line)
    else:
        yield "{}" if isinstance(value, _Members) else _text(value)


def _level(opening: str, parts: Iterator[tuple[str, Any]], closing: str, line: str) -> Iterator[str]:
    inner, before = line + INDENT, opening
    for name, part in parts:
        yield f"{before}{inner}{name}"
        yield from _written(part, inner)
        before = ","
    yield line + closing


def _text(value: object) -> str:
    """A value as JSON. Half of a surrogate pair stays an escape, since a page with the character could not be encoded."""
    return json.dumps(value, ensure_ascii=False).encode(errors="backslashreplace").decode()


def _changes(one: list[str], other: list[str]) -> Iterator[Change]:
    end = 0
    for group in difflib.SequenceMatcher(None, one, other).get_grouped_opcodes(AROUND):
        if group[0][1] > end:
            yield Change("gap")
        for kind, start, end, other_start, other_end in group:
            if kind == "equal":
                yield from (Change("same", line) for line in one[start:end])
            else:
                yield from _replaced(one[start:end], other[other_start:other_end])
    if end < len(one):
        yield Change("gap")


def _replaced(removed: list[str], added: list[str]) -> Iterator[Change]:
    """Lines that were replaced. If both sides have as many lines, the differing part of each line is marked."""
    if len(removed) != len(added):
        yield from (Change("removed", line) for line in removed)
        yield from (Change("added", line) for line in added)
        return
    halves = [_parted(*lines) for lines in zip(removed, added, strict=True)]
    yield from (Change("removed", *half[0]) for half in halves)
    yield from (Change("added", *half[1]) for half in halves)


def _parted(one: str, other: str) -> tuple[tuple[str, str, str], tuple[str, str, str]]:
    """Both lines in three parts: the common beginning, the differing middle, and the common end."""
    start = _alike(one, other)
    end = _alike(one[start:][::-1], other[start:][::-1])
    return _cut_up(one, start, end), _cut_up(other, start, end)


def _alike(one: str, other: str) -> int:
    """The number of characters at the beginning that both have in common."""
    different = (at for at, (mine, theirs) in enumerate(zip(one, other, strict=False)) if mine != theirs)
    return next(different, min(len(one), len(other)))


def _cut_up(line: str, start: int, end: int) -> tuple[str, str, str]:
    return line[:start], line[start : len(line) - end], line[len(line) - end :]

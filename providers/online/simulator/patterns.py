"""Texts that match a pattern, for structured answers of the simulator.

A pattern is parsed, and never used for matching: matching the pattern of a request could take for ever. For some patterns no
text can be made, such as one with a look-ahead or a reference to a group; they raise Unfit.
"""

from collections.abc import Callable, Iterator

MOST_CHARS = 4096  # the most characters of a pattern, and of a text
MOST_GROUPS = 32  # the deepest nesting of groups

Part = Callable[[int], str]  # makes the text of a part; the number is how many more repetitions than the fewest are made

_CLASSES = {"d": "0123456789", "w": "abcdefghijklmnopqrstuvwxyz0123456789_", "s": " "}
_VISIBLE = "".join(map(chr, range(32, 127)))
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "0": "\0"}


class Unfit(Exception):
    """No answer fits the request."""


def matching(pattern: str, *, least: int = 0) -> str:
    """A text that matches the pattern. It has at least `least` characters if the pattern lets it be so long. Raises Unfit."""
    if len(pattern) > MOST_CHARS:
        raise Unfit("a pattern is too long")
    part = _Reader(pattern).whole()
    text = part(0)
    for more in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024):
        if len(text) >= least:
            break
        text = part(more)
    if len(text) > MOST_CHARS:
        raise Unfit("a pattern asks for too long a text")
    return text


class _Reader:
    """A parser of one pattern, from its beginning to its end."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = self._depth = 0

    def whole(self) -> Part:
        part = self._choice()
        if self._at < len(self._pattern):
            raise Unfit("a pattern has a bracket too many")
        return part

    def _choice(self) -> Part:
        """Parse alternatives, and keep the first one."""
        first = self._sequence()
        while self._take("|"):
            self._sequence()
        return first

    def _sequence(self) -> Part:
        parts: list[Part] = []
        while self._at < len(self._pattern) and self._pattern[self._at] not in "|)":
            parts.append(self._repeated(self._atom()))

        def make(more: int) -> str:
            made = ""
            for part in parts:
                made += part(more)
                if len(made) > MOST_CHARS:
                    raise Unfit("a pattern asks for too long a text")
            return made

        return make

    def _atom(self) -> Part:
        character = self._next()
        if character == "(":
            return self._group()
        if character == "[":
            return _constant(_first(self._members()))
        if character in "^$":
            return _constant("")
        if character == ".":
            return _constant("a")
        if character == "\\":
            return _constant(_first(self._escaped()))
        return _constant(character)

    def _group(self) -> Part:
        self._depth += 1
        if self._depth > MOST_GROUPS:
            raise Unfit("a pattern has too many groups within each other")
        if self._take("?"):
            if self._take("P<") or (self._peek("<") and not (self._peek("<=") or self._peek("<!"))):
                while self._next() != ">":
                    pass
            elif not self._take(":"):
                raise Unfit("a pattern looks ahead or behind")
        part = self._choice()
        if not self._take(")"):
            raise Unfit("a group of a pattern does not end")
        self._depth -= 1
        return part

    def _repeated(self, part: Part) -> Part:
        least, most = self._bounds()
        if (least, most) == (1, 1):
            return part
        self._take("?")  # a lazy repetition matches the same texts

        def make(more: int) -> str:
            times = least + more if most is None else min(least + more, most)
            if times > MOST_CHARS:
                raise Unfit("a pattern asks for too long a text")
            return part(more) * times

        return make

    def _bounds(self) -> tuple[int, int | None]:
        if self._take("*"):
            return 0, None
        if self._take("+"):
            return 1, None
        if self._take("?"):
            return 0, 1
        if not self._peek("{"):
            return 1, 1
        inside, closed, _ = self._pattern[self._at + 1 :].partition("}")
        least, comma, most = inside.partition(",")
        if not closed or not (least + most).isdecimal() or not least or len(inside) > 11:
            raise Unfit("a pattern has a count that cannot be read")
        self._at += len(inside) + 2
        return int(least), (int(most) if most else None) if comma else int(least)

    def _members(self) -> Iterator[str]:
        """The characters of a class in brackets. Of a range or a negated class, only those that are visible ASCII."""
        negated = self._take("^")
        members: list[str] = []
        while not self._peek("]") or not members:
            first = self._member()
            if self._peek("-") and not self._peek("-]"):
                self._next()
                last = self._member()
                if len(first) == len(last) == 1 and first <= last:
                    members += [each for each in _VISIBLE if first <= each <= last] or [first]
                    continue
            members += first
        self._next()
        return iter([each for each in _preferred() if each not in members] if negated else members)

    def _member(self) -> str:
        character = self._next()
        return "".join(self._escaped()) if character == "\\" else character

    def _escaped(self) -> Iterator[str]:
        """The characters that an escape may stand for."""
        name = self._next()
        if name in _CLASSES:
            return iter(_CLASSES[name])
        if name.lower() in _CLASSES:
            return iter([each for each in _preferred() if each not in _CLASSES[name.lower()]])
        if name in "bBAzZ":
            return iter([""])
        if name in _CONTROLS:
            return iter(_CONTROLS[name])
        if name in "xu":
            digits = "".join(self._next() for _ in range(2 if name == "x" else 4))
            try:
                return iter(chr(int(digits, 16)))
            except ValueError:
                raise Unfit("a pattern has an escape that cannot be read") from None
        if name.isalnum():
            raise Unfit("a pattern refers to a group or to a kind of character")
        return iter(name)

    def _next(self) -> str:
        if self._at >= len(self._pattern):
            raise Unfit("a pattern ends too early")
        self._at += 1
        return self._pattern[self._at - 1]

    def _peek(self, text: str) -> bool:
        return self._pattern.startswith(text, self._at)

    def _take(self, text: str) -> bool:
        if self._peek(text):
            self._at += len(text)
            return True
        return False


def _constant(text: str) -> Part:
    return lambda _: text


def _first(characters: Iterator[str]) -> str:
    for character in characters:
        return character
    raise Unfit("a class of a pattern has no character")


def _preferred() -> str:
    """The visible ASCII characters, lower-case letters first."""
    return "abcdefghijklmnopqrstuvwxyz" + _VISIBLE

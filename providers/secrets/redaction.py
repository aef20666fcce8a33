"""Redaction: secrets must never leave the portal, so each spelling of a secret in an answer is found and replaced.

These spellings are found: the secret itself, in upper or lower case; its base64, alone or inside a longer text, in both
alphabets; its hex; and each of these with any characters escaped as in JSON, URLs or HTML, also several times over.

The search normalises a text to lower case without escapes, and looks for the remaining spellings. Undoing escapes is slow,
and mostly not needed: ordinary escaping leaves letters and digits alone. So a first, quick search looks for the longest run
of letters and digits of each spelling. It costs one `lower` and a few searches for plain bytes, and most answers pass it.
Escaped letters and digits are undone as well, but only up to a limit if the quick search found nothing. Without the limit, an
answer that consists of escapes would block the event loop.
"""

import re
from base64 import b64decode, b64encode
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import islice
from urllib.parse import unquote, urlsplit

MIN_SECRET_CHARS = 8  # shorter secrets are placeholders for upstreams without keys, and common words in answers
MIN_RUN = 8  # a run of so many letters and digits is long enough to tell that a spelling may be present
MOST_ESCAPES = 10_000  # undone in an answer in which the quick search found nothing
REDACTED = "[credential]"
_REDACTED = REDACTED.encode()

_PERCENT = re.compile(rb"%(?:25)*[3-7][0-9a-f]")  # an escaped letter or digit
_RUN = re.compile(rb"[a-z0-9]+")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9-]*) +(\S.*)")  # of an Authorization header
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_NAMED = {"quot": '"', "amp": "&", "lt": "<", "gt": ">", "apos": "'"}


class Secrets:
    """A set of secrets, prepared for the search."""

    def __init__(self, *secrets: str) -> None:
        spellings = {text for secret in secrets for part in _parts(secret) for text in _spellings(part)}
        self._escapes = _escapes(b"".join(spellings))
        plain = {self._plain(spelling)[0] for spelling in spellings}  # a secret may hold what looks like an escape
        self._needles = tuple(sorted(spellings | plain, key=lambda text: (-len(text), text)))
        self._runs = tuple(sorted({max(_RUN.findall(needle) or [needle], key=len) for needle in self._needles}))
        self._has_long_runs = min(map(len, self._runs), default=0) >= MIN_RUN

    def hidden_in_body(self, body: bytes) -> bytes:
        """The body with `[credential]` in the place of each secret; the same object if it holds no secret."""
        if not self._needles:
            return body
        lower = body.lower()
        for run in self._runs:
            if run in lower:
                return self._without(body, lower, most=None)
        if _holds_escaped_letters(lower) if self._has_long_runs else self._holds_escapes(lower):
            return self._without(body, lower, most=MOST_ESCAPES)
        return body

    def hidden_in(self, text: str) -> str:
        """The text with `[credential]` in the place of each secret; the same object if it holds no secret."""
        raw = text.encode("utf-8", "surrogatepass")
        hidden = self.hidden_in_body(raw)
        return text if hidden is raw else hidden.decode("utf-8", "surrogatepass")

    def _holds_escapes(self, lower: bytes) -> bool:
        """Whether the text holds an escape of any character that a secret has."""
        return any(first in lower and escape.search(lower) for first, escape in self._escapes)

    def _without(self, body: bytes, lower: bytes, *, most: int | None) -> bytes:
        """The body with its secrets replaced; at most `most` escapes of each sort are undone, all if it is None."""
        spans = self._spans(lower)
        plain, passes = self._plain(lower, most=most)
        if passes:
            for span in self._spans(plain):
                for each in reversed(passes):
                    span = each.place(span[0]), each.place(span[1])
                spans.append(span)
        return _replaced(body, spans) if spans else body

    def _spans(self, text: bytes) -> list[tuple[int, int]]:
        """The beginning and end of each secret in the text."""
        found = []
        for needle in self._needles:
            if needle in text:
                found += [match.span() for match in re.finditer(re.escape(needle), text)]
        return found

    def _plain(self, text: bytes, *, most: int | None = None) -> tuple[bytes, list["_Pass"]]:
        """A text without the escapes that may hide a secret, and the passes that undid them. The text is in lower case."""
        passes = []
        for first, escape in self._escapes:
            if first in text and escape.search(text):
                passes.append(_Pass(text, escape, most))
                text = passes[-1].text
        return text, passes


class _Pass:
    """A text with at most `most` escapes of one sort undone. It maps each character to its place in the escaped text."""

    def __init__(self, escaped: bytes, escape: re.Pattern[bytes], most: int | None) -> None:
        self._starts: list[int] = []  # the beginning of each piece in the plain text
        self._places: list[int] = []  # the beginning of the same piece in the escaped text
        pieces: list[bytes] = []
        size = end = 0
        for found in islice(escape.finditer(escaped), most):
            for piece, place in ((escaped[end : found.start()], end), (_meaning(found), found.start())):
                self._starts.append(size)
                self._places.append(place)
                pieces.append(piece)
                size += len(piece)
            end = found.end()
        self._starts += [size, size + len(escaped) - end]
        self._places += [end, len(escaped)]
        self.text = b"".join([*pieces, escaped[end:]])

    def place(self, index: int) -> int:
        """The index in the escaped text of the character at an index of the plain text."""
        piece = bisect_right(self._starts, index) - 1
        return min([self._places[piece] + index - self._starts[piece], *self._places[piece + 1 : piece + 2]])


def _holds_escaped_letters(lower: bytes) -> bool:
    """Whether letters or digits are escaped in the text. Ordinary escaping never does that.

    A search for one byte takes a tenth of the time of a search for several bytes, and mostly the one byte is absent.
    """
    if (b"\\" in lower and b"\\u00" in lower) or (b"&" in lower and b"&#" in lower):
        return True
    return b"%" in lower and _PERCENT.search(lower) is not None


def _escapes(held: bytes) -> list[tuple[bytes, re.Pattern[bytes]]]:
    """The patterns of the escapes of these characters, one for each sort, with the byte that each sort begins with.

    Each level of JSON in JSON doubles the backslashes. In URLs, each level writes a percent sign as `%25`.
    """
    names = "|".join(name for name, meaning in _NAMED.items() if meaning.encode() in held)
    short = "".join(letter for letter, meaning in _SHORT.items() if meaning.encode() in held)
    itself = "".join(character for character in "\"'/\\" if character.encode() in held)
    after_backslash = [
        r"u(?P<unicode>[0-9a-f]{4})" if max(held, default=0) >= 0x80 else r"u(?P<unicode>00[0-7][0-9a-f])",
        *([f"(?P<short>[{short}])"] if short else []),
        *([f"(?P<itself>[{re.escape(itself)}])"] if itself else []),
    ]
    after_ampersand = [r"#0*(?P<decimal>[0-9]{1,7})", r"#x0*(?P<hex>[0-9a-f]{1,6})", *([f"(?P<name>{names})"] if names else [])]
    # Each pattern begins with one plain character, so that the search for it is fast.
    sorts = {
        b"\\": rf"\\\\*(?:{'|'.join(after_backslash)})",
        b"%": r"%(?:25)*(?P<byte>[0-9a-f]{2})",
        b"&": rf"&(?:{'|'.join(after_ampersand)});",
    }
    return [(first, re.compile(pattern.encode())) for first, pattern in sorts.items()]


def _meaning(escape: re.Match[bytes]) -> bytes:
    """The character that an escape stands for, in lower case."""
    kind = escape.lastgroup
    assert kind is not None
    value = escape[kind].decode()
    match kind:
        case "byte":
            return bytes.fromhex(value).lower()
        case "short":
            return _SHORT[value].encode()
        case "itself":
            return value.encode()
        case "name":
            return _NAMED[value].encode()
    number = int(value, 10 if kind == "decimal" else 16)
    return chr(number).encode("utf-8", "surrogatepass").lower() if number <= 0x10FFFF else escape[0]


def _parts(secret: str) -> Iterator[str]:
    """A secret, and its parts that are secrets themselves: a token behind `Bearer`, a user's password, a password in a URL."""
    yield secret
    if header := _SCHEME.fullmatch(secret):
        yield header[2]
        if header[1].lower() == "basic":
            yield from _password_in(header[2])
    if "://" in secret and (password := _password_of(secret)):
        yield unquote(password)


def _password_in(encoded: str) -> Iterator[str]:
    try:
        yield b64decode(encoded, validate=True).decode().partition(":")[2]
    except ValueError:
        return


def _password_of(url: str) -> str | None:
    try:
        return urlsplit(url).password
    except ValueError:
        return None


def _spellings(secret: str) -> Iterator[bytes]:
    """The spellings of a secret, in lower case: plain, as in a form, hex and base64. Escaped spellings are left out."""
    if len(secret) < MIN_SECRET_CHARS:
        return
    raw = secret.encode("utf-8", "surrogatepass")
    yield raw.lower()
    if b" " in raw:
        yield raw.lower().replace(b" ", b"+")  # as in a form
    yield raw.hex().encode()
    for before in range(3):
        encoded = b64encode(bytes(before) + raw)
        # The characters that depend on the bytes before or behind the secret are left out.
        core = encoded[-(-8 * before // 6) : 8 * (before + len(raw)) // 6]
        yield core.lower()
        yield core.translate(_URL_SAFE).lower()


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def _replaced(body: bytes, spans: Iterable[tuple[int, int]]) -> bytes:
    """The body with `[credential]` in the place of each span. Spans may overlap."""
    pieces: list[bytes] = []
    end = 0
    for start, stop in sorted(spans):
        if start > end or not pieces:
            pieces += [body[end:start], _REDACTED]
        end = max(end, stop)
    return b"".join([*pieces, body[end:]])

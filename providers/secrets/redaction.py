"""Secrets: what must never leave the portal, found in any spelling that an answer may give it, and replaced.

Found are the secret itself, in any case; base64 of it, alone or inside something longer, in both alphabets; hex; and each of
these with any of its characters escaped as JSON, a URL or HTML escapes it, also several times over.

A text is brought into one spelling, lower case without escapes, and searched for the spellings that are left. Whatever escapes a
text for a reason leaves letters and digits alone: so most answers are known to hold no secret by the longest run of these that
each spelling has, and cost one `lower` and a few searches for plain bytes. Escapes of letters are undone as well, but where no
such run is found only so many of them: else an answer that consists of escapes would keep everybody waiting.
"""

import re
from base64 import b64decode, b64encode
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import islice
from urllib.parse import unquote, urlsplit

MIN_SECRET_CHARS = 8  # shorter ones are placeholders of upstreams without keys, and common words of answers
MIN_RUN = 8  # letters and digits in a row by which a spelling is known to be there
MOST_ESCAPES = 10_000  # that are undone in an answer that does not look as if it held a secret
REDACTED = "[credential]"
_REDACTED = REDACTED.encode()

_PERCENT = re.compile(rb"%(?:25)*[3-7][0-9a-f]")  # an escaped letter or digit
_RUN = re.compile(rb"[a-z0-9]+")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9-]*) +(\S.*)")  # of an Authorization header
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_NAMED = {"quot": '"', "amp": "&", "lt": "<", "gt": ">", "apos": "'"}


class Secrets:
    """Some secrets, ready to be looked for."""

    def __init__(self, *secrets: str) -> None:
        spellings = {text for secret in secrets for part in _parts(secret) for text in _spellings(part)}
        self._escapes = _escapes(b"".join(spellings))
        plain = {self._plain(spelling)[0] for spelling in spellings}  # a secret may hold what looks like an escape
        self._needles = tuple(sorted(spellings | plain, key=lambda text: (-len(text), text)))
        self._runs = tuple(sorted({max(_RUN.findall(needle) or [needle], key=len) for needle in self._needles}))
        self._has_long_runs = min(map(len, self._runs), default=0) >= MIN_RUN

    def hidden_in_body(self, body: bytes) -> bytes:
        """The body, with `[credential]` in the place of each secret; itself when it holds none."""
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
        """The same for text."""
        raw = text.encode("utf-8", "surrogatepass")
        hidden = self.hidden_in_body(raw)
        return text if hidden is raw else hidden.decode("utf-8", "surrogatepass")

    def _holds_escapes(self, lower: bytes) -> bool:
        """Whether any character of a secret may be escaped in it."""
        return any(first in lower and escape.search(lower) for first, escape in self._escapes)

    def _without(self, body: bytes, lower: bytes, *, most: int | None) -> bytes:
        """The body without the secrets in it, of whose escapes so many are undone."""
        spans = self._spans(lower)
        plain, passes = self._plain(lower, most=most)
        if passes:
            for span in self._spans(plain):
                for each in reversed(passes):
                    span = each.place(span[0]), each.place(span[1])
                spans.append(span)
        return _replaced(body, spans) if spans else body

    def _spans(self, text: bytes) -> list[tuple[int, int]]:
        """Where secrets begin and end."""
        found = []
        for needle in self._needles:
            if needle in text:
                found += [match.span() for match in re.finditer(re.escape(needle), text)]
        return found

    def _plain(self, text: bytes, *, most: int | None = None) -> tuple[bytes, list["_Pass"]]:
        """A text in lower case without the escapes in which a secret may be hidden, and how it was made."""
        passes = []
        for first, escape in self._escapes:
            if first in text and escape.search(text):
                passes.append(_Pass(text, escape, most))
                text = passes[-1].text
        return text, passes


class _Pass:
    """A text with its escapes of one sort undone, at most so many, and where each character of it was."""

    def __init__(self, escaped: bytes, escape: re.Pattern[bytes], most: int | None) -> None:
        self._starts: list[int] = []  # of pieces of the plain text, ...
        self._places: list[int] = []  # ... and where they were
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
        """Where the character at this index of the plain text began."""
        piece = bisect_right(self._starts, index) - 1
        return min([self._places[piece] + index - self._starts[piece], *self._places[piece + 1 : piece + 2]])


def _holds_escaped_letters(lower: bytes) -> bool:
    """Whether letters or digits are escaped in it: nothing that escapes for a reason does that.

    A search for one byte takes a tenth of the time that a search for a few takes, and mostly there is no such byte.
    """
    if (b"\\" in lower and b"\\u00" in lower) or (b"&" in lower and b"&#" in lower):
        return True
    return b"%" in lower and _PERCENT.search(lower) is not None


def _escapes(held: bytes) -> list[tuple[bytes, re.Pattern[bytes]]]:
    """The escapes that a text may have in the place of these characters, and how each sort begins.

    Backslashes are doubled with each level of JSON in JSON, and so are percent signs in URLs, as `%25`.
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
    # Each begins with one plain character, which is what the search for it is fast for.
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
    """A secret, and what it is made of that is secret by itself: without `Bearer`, a user's password, a URL's."""
    yield secret
    if told := _SCHEME.fullmatch(secret):
        yield told[2]
        if told[1].lower() == "basic":
            yield from _password_in(told[2])
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
    """A secret in each spelling that is no mere escaping of its characters, in lower case."""
    if len(secret) < MIN_SECRET_CHARS:
        return
    raw = secret.encode("utf-8", "surrogatepass")
    yield raw.lower()
    if b" " in raw:
        yield raw.lower().replace(b" ", b"+")  # as a form has it
    yield raw.hex().encode()
    for before in range(3):
        encoded = b64encode(bytes(before) + raw)
        # What depends on the bytes before and behind is left out.
        core = encoded[-(-8 * before // 6) : 8 * (before + len(raw)) // 6]
        yield core.lower()
        yield core.translate(_URL_SAFE).lower()


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def _replaced(body: bytes, spans: Iterable[tuple[int, int]]) -> bytes:
    """The body with something else in the place of what lies between these, which may overlap."""
    pieces: list[bytes] = []
    end = 0
    for start, stop in sorted(spans):
        if start > end or not pieces:
            pieces += [body[end:start], _REDACTED]
        end = max(end, stop)
    return b"".join([*pieces, body[end:]])

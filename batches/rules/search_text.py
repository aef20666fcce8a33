"""The text of a search: everything that one text from a search box may be. Pure functions."""

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from batches.rules import identifiers

LONGEST = 512  # characters of a search; a custom_id has no more
LEAST_DIGITS = 8  # hexadecimal digits of the beginning of an id; they name a minute, since ids begin with their time
MOST_WORDS = 8  # words that are searched for; the words behind them are left out, and the reader is told
WORD_CHARS = 64  # characters of a word that are compared

_ID_START = re.compile(r"(?:[a-z]+(?:_[a-z]+)*[-_])?([0-9a-f-]{8,36})", re.ASCII)
_SENT_KEY = re.compile(r"([0-9a-f]{32})\.([1-9]\d{0,8})-\d{1,5}-\d{1,5}", re.ASCII)
_PAIR = re.compile(r"(?:metadata\.)?([^=\s]{1,64})=(.{1,512})", re.DOTALL)
# Words end at spaces and at ASCII punctuation. batches/services/search/words.py has the same characters for PostgreSQL.
BETWEEN_WORDS = r"[\s!-/:-@\[-`{-~]+"
_BETWEEN_WORDS = re.compile(BETWEEN_WORDS, re.ASCII)


@dataclass(frozen=True, slots=True)
class SentRequest:
    """One request of a batch, as the portal's own Idempotency-Key names it."""

    batch: uuid.UUID
    line: int


@dataclass(frozen=True, slots=True)
class SearchText:
    """A text and its possible meanings.

    `id` is a whole id in any dialect's spelling. `ids` is the range of ids with this beginning. `sent` is a request that the
    portal's own request id names. `pair` is a pair of metadata. `words` are the words in lower case.
    """

    text: str
    id: uuid.UUID | None
    ids: tuple[uuid.UUID, uuid.UUID] | None
    sent: SentRequest | None
    pair: tuple[str, str] | None
    words: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def read_search(text: str) -> SearchText:
    """The possible meanings of a text."""
    text = text.strip()
    lower = text.lower()
    pair = _PAIR.fullmatch(text)
    found = list(dict.fromkeys(words_of(text)))
    return SearchText(
        text=text,
        id=identifiers.parse(lower),
        ids=_ids(lower),
        sent=_sent(lower),
        pair=(pair[1], pair[2].strip()) if pair else None,
        words=tuple(word[:WORD_CHARS] for word in found[:MOST_WORDS]),
        left_out=tuple(found[MOST_WORDS:]),
    )


def words_of(text: str) -> Iterable[str]:
    """The words of a text, in lower case."""
    return (word for word in _BETWEEN_WORDS.split(text.lower()) if word)


def has_words(text: str, words: Iterable[str]) -> bool:
    """Whether each of the words is the beginning of a word of the text."""
    words, lower = tuple(words), text.lower()
    if not all(word in lower for word in words):
        return False  # most texts are left out here, at a tenth of the cost
    present = list(words_of(text))
    return all(any(other.startswith(word) for other in present) for word in words)


def _ids(text: str) -> tuple[uuid.UUID, uuid.UUID] | None:
    """The least and the greatest id with this beginning. Ids sort as their hexadecimal digits."""
    match = _ID_START.fullmatch(text)
    digits = match[1].replace("-", "") if match else ""
    if not LEAST_DIGITS <= len(digits) <= 32:
        return None
    return uuid.UUID(digits.ljust(32, "0")), uuid.UUID(digits.ljust(32, "f"))


def _sent(text: str) -> SentRequest | None:
    match = _SENT_KEY.fullmatch(text)
    return SentRequest(uuid.UUID(match[1]), int(match[2])) if match else None

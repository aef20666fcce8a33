"""subject: what is erased, and where a text mentions it."""

import re
from dataclasses import dataclass, field
from typing import Any

from batches.models import Erasure
from batches.rules.errors import InvalidRequest

ERASED = "[erased]"  # stands in texts for a value that was erased
PLAIN_CHARS = 5  # a shorter value is a mention only in quotes: `1` and `no` are in many texts
MOST_CHARS = 512
_QUOTES = "\"'`“”‘’"


@dataclass(frozen=True)
class Subject:
    """A custom_id, or a pair of metadata. `key` is the key of the pair."""

    value: str
    key: str = ""
    _mention: "re.Pattern[str]" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 < len(self.value) <= MOST_CHARS or "\0" in self.value:
            raise InvalidRequest(f"The value has from 1 to {MOST_CHARS} characters, and no NUL among them.", param="value")
        if "=" in self.key or "\0" in self.key:
            raise InvalidRequest("A pair whose key has an = or a NUL in it cannot be erased.", param="value")
        word = re.escape(self.value)
        alone = rf"(?<![\w\-]){word}(?![\w\-])" if len(self.value) >= PLAIN_CHARS else rf"(?<=[{_QUOTES}]){word}(?=[{_QUOTES}])"
        object.__setattr__(self, "_mention", re.compile(alone))

    @classmethod
    def of(cls, kind: str, text: str) -> "Subject":
        """The subject of a kind of erasure. A metadata pair is `key=value`. Raises InvalidRequest."""
        if kind == Erasure.Kind.CUSTOM_ID:
            return cls(text)
        key, separator, value = text.partition("=")
        if not (key and separator):
            raise InvalidRequest("Give a metadata pair as key=value.", param="value")
        return cls(value, key)

    @property
    def kind(self) -> Erasure.Kind:
        return Erasure.Kind.METADATA if self.key else Erasure.Kind.CUSTOM_ID

    @property
    def text(self) -> str:
        """The subject as people write it, and as the digest in the receipt has it."""
        return f"{self.key}={self.value}" if self.key else self.value

    def is_in(self, text: str) -> bool:
        """Whether a text mentions the value: as a word of its own, or in quotes if the value is short."""
        return self._mention.search(text) is not None or text == self.value

    def out_of(self, text: str) -> str:
        """The text without the value."""
        return ERASED if text == self.value else self._mention.sub(ERASED, text)

    def out_of_json(self, value: Any) -> Any:
        """A JSON value without the value in any of its texts; keys, too."""
        if isinstance(value, str):
            return self.out_of(value)
        if isinstance(value, list):
            return [self.out_of_json(item) for item in value]
        if isinstance(value, dict):
            return {self.out_of(key): self.out_of_json(item) for key, item in value.items()}
        return value

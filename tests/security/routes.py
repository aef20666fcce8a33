"""Every address of the portal, taken from its own URLs, so that a new one is walked without anybody remembering it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver, get_resolver

_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
_GROUP = re.compile(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)")  # in a pattern that is a regular expression


@dataclass(frozen=True, slots=True)
class Address:
    """A path with `{names}` where something is to be named."""

    path: str

    @property
    def names(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.path)

    def of(self, values: Mapping[str, str]) -> str:
        """The path to these things. Raises KeyError for what has no value: then a test does not know this address yet."""
        return self.path.format(**{name: values[name] for name in self.names})


def addresses() -> list[Address]:
    """All of them, those of the admin included."""
    return list(dict.fromkeys(_walk(get_resolver().url_patterns, "/")))


def _walk(patterns: "list[URLPattern | URLResolver]", before: str) -> Iterator[Address]:
    for pattern in patterns:
        part = _GROUP.sub(r"{\1}", _PARAMETER.sub(r"{\1}", str(pattern.pattern)))
        path = before + re.sub(r"[\^$?\\]|\(\?:|\)", "", part)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, path)
        else:
            yield Address(path)

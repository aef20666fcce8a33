"""Every address of the portal, taken from its own URLs, so that a new one is walked without anybody remembering it."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from batches.dialects.base.views import DialectView
from tests.dialects.routes import METHODS, ROUTES

DIALECTS = {route.path: route.dialect for route in reversed(ROUTES)}

_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
_GROUP = re.compile(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)")  # in a pattern that is a regular expression


@dataclass(frozen=True, slots=True)
class Address:
    """A path with `{names}` where something is to be named, and the methods that do something there."""

    path: str
    methods: tuple[str, ...] = ("GET", "POST")

    @property
    def face(self) -> str:
        """Whose it is: `console`, `admin`, `native`, or a dialect."""
        first = self.path.split("/")[1]
        if first in ("", "console", "admin"):
            return first or "console"
        return DIALECTS.get(self.path, "native")

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
        part = _PARAMETER.sub(r"{\1}", _GROUP.sub(r"{\1}", str(pattern.pattern)))
        path = before + re.sub(r"[\^$?\\]|\(\?:|\)", "", part)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, path)
        else:
            yield Address(path, _methods(pattern.callback))


def _methods(view: Callable[..., Any]) -> tuple[str, ...]:
    """What a view of an API has; any other view is asked for GET and POST."""
    words: Iterable[str] = getattr(view, "actions", None) or ()
    if not words and issubclass(found := getattr(view, "view_class", object), DialectView):
        words = (word for word in METHODS if hasattr(found, word.lower()))
    return tuple(word.upper() for word in words) or ("GET", "POST")

"""Every route of every dialect, taken from the portal's own URLs, so that none is ever forgotten."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from batches.http.views import DialectView

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Route:
    """One path of a dialect; `path` has `{batch_id}` and the like where ids go."""

    path: str
    view: type[DialectView]
    fixed: dict[str, Any] = field(default_factory=dict)  # what the URL pattern itself passes to the view

    @property
    def dialect(self) -> str:
        return self.view.__module__.split(".")[2]

    @property
    def methods(self) -> list[str]:
        """The methods that do something."""
        return [method for method in METHODS if hasattr(self.view, method.lower())]

    @property
    def names(self) -> list[str]:
        """What has to be named in the path."""
        return re.findall(r"\{(\w+)\}", self.path)

    @property
    def endpoint(self) -> str:
        """What a batch must be for to be read here."""
        if self.dialect == "merge":
            return f"/accounting/v1/{self.fixed['model']}"
        return "/v1/messages" if self.dialect == "anthropic" else "/v1/chat/completions"


def routes() -> list[Route]:
    """All of them, in the order of the URLs."""
    return list(_walk(get_resolver().url_patterns, "/"))


def _walk(patterns: "list[URLPattern | URLResolver]", before: str) -> Iterator[Route]:
    for pattern in patterns:
        path = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, path)
            continue
        view = getattr(pattern.callback, "view_class", None)
        if isinstance(view, type) and issubclass(view, DialectView) and view.__module__.startswith("batches.dialects."):
            yield Route(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path), view, pattern.default_args)


ROUTES = routes()
EVERY_CALL = [(route, method) for route in ROUTES for method in route.methods]


def label(value: object) -> str:
    """How a route is named in a test's id."""
    return value.path if isinstance(value, Route) else str(value)

"""Every address of the portal, taken from its own URLs, so that a new one is walked without anybody remembering it."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.urls import URLPattern, URLResolver, get_resolver

from batches.http.views import DialectView
from batches.models import Batch, ErrorGroup
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


def paths(batch: Batch) -> list[str]:
    """The path of every address, to what is of this batch and its project, or open to it, or is not there at all."""
    group, nothing = ErrorGroup.objects.filter(project=batch.project).first(), "019bd3a1-c0de-7b33-a9d4-1f52c8e07a66"
    values = {
        "batch_id": str(batch),
        "file_id": str(batch.input_file),
        "line": "1",
        "which": "input",
        "code": "gone",
        "fingerprint": group.fingerprint if group else "v1:none",
        "name": batch.provider.name,
        "project": batch.project.slug,
        "model": "m",
        "object_id": str(batch.pk),
        "id": str(User.objects.values_list("pk", flat=True).first() or 1),
        "app_label": "batches",
        "content_type_id": "1",
        **dict.fromkeys(("upload_id", "operation_id", "key_id", "stop_id", "job_id", "hold_id", "erasure_id"), nothing),
        **dict.fromkeys(("endpoint_id", "delivery_id", "subscription_id"), nothing),
        **dict.fromkeys(("slug", "url", "provider_id"), "nowhere"),
    }
    return sorted({address.of(values) for address in addresses()})


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

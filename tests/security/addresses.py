"""Every address of the portal, found from its URLs, so that a new one is walked without anybody remembering."""

import re
from collections.abc import Iterator, Mapping

from django.contrib.auth.models import User
from django.urls import URLPattern, URLResolver, get_resolver

from batches.models import Batch, ErrorGroup

_CONVERTER = re.compile(r"<(?:\w+:)?(\w+)>")
_GROUP = re.compile(r"\(\?P<(\w+)>[^)]*\)")


def addresses(values: Mapping[str, object]) -> list[str]:
    """The path of every route, with these values where it names something; `x` where there is none for it."""
    return sorted(set(_walk(get_resolver().url_patterns, "/", values)))


def named(batch: Batch) -> dict[str, object]:
    """What paths name, all of it of one batch and its project, or open to it."""
    group = ErrorGroup.objects.filter(project=batch.project).first()
    return {
        "batch_id": batch,
        "file_id": batch.input_file,
        "line": 1,
        "which": "input",
        "fingerprint": group.fingerprint if group else "v1:none",
        "name": batch.provider.name,
        "object_id": batch.pk,
        "id": User.objects.values_list("pk", flat=True).first() or 1,
        "app_label": "batches",
        "slug": "none",
        "operation_id": "019bd3a1-c0de-7b33-a9d4-1f52c8e07a66",
        "content_type_id": 1,
        "url": "nowhere",
    }


def _walk(patterns: "list[URLPattern | URLResolver]", before: str, values: Mapping[str, object]) -> Iterator[str]:
    for pattern in patterns:
        route = str(pattern.pattern).removeprefix("^").removesuffix("$").replace("\\Z", "")
        path = before + _GROUP.sub(
            lambda found: _value(found[1], values), _CONVERTER.sub(lambda found: _value(found[1], values), route)
        )
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, path, values)
        else:
            yield path


def _value(name: str, values: Mapping[str, object]) -> str:
    return str(values.get(name, "x"))

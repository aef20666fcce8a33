"""The JSON of answers. Bodies of results are embedded as they are stored, never parsed and written again."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from rest_framework import renderers, serializers

from batches.rules import identifiers
from batches.rules.lines.jsonl import is_too_deep, unbroken

_encoder = msgspec.json.Encoder()


def encode(value: object) -> bytes:
    """JSON on one line, with line separators escaped, so that no reader splits it. `raw` values pass unchanged."""
    return unbroken(_encoder.encode(value))


def raw(document: bytes | str) -> msgspec.Raw:
    """A JSON document to be embedded byte for byte."""
    return msgspec.Raw(document if isinstance(document, bytes) else document.encode())


def as_written(line: bytes) -> msgspec.Raw | str:
    """A line of an input: the JSON document itself, or a string if the line is no JSON. A skipped line may be any bytes."""
    try:
        msgspec.json.decode(line)
        if not is_too_deep(line):
            return raw(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    return line.decode(errors="replace")


def list_object(items: Iterable[Mapping[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """A page in the format of OpenAI, which several dialects share. Each item needs an `id`."""
    data = list(items)
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": has_more,
    }


class JSONRenderer(renderers.BaseRenderer):
    """Compact JSON in UTF-8."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        del accepted_media_type, renderer_context  # there is only one format
        return encode(data)


class Constant(serializers.Field[Any, Any, Any, Any]):
    """A value that is the same on every object of its kind."""

    def __init__(self, value: object) -> None:
        super().__init__(read_only=True)
        self.value = value

    def get_attribute(self, instance: Any) -> Any:
        return instance

    def to_representation(self, _value: Any) -> object:
        return self.value


class UnixTime(serializers.Field[Any, Any, Any, Any]):
    """A moment as whole seconds since 1970."""

    def __init__(self, *, source: str | None = None) -> None:
        super().__init__(read_only=True, source=source)

    def to_representation(self, value: datetime) -> int:
        return int(value.timestamp())


class PrefixedId(serializers.Field[Any, Any, Any, Any]):
    """An id in the form that clients see: a prefix and the id."""

    def __init__(self, prefix: str, *, source: str | None = None) -> None:
        super().__init__(read_only=True, source=source)
        self.prefix = prefix

    def to_representation(self, value: Any) -> str:
        return identifiers.render(self.prefix, value)

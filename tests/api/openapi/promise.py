"""The promise to clients of version 1: finds the parts of an OpenAPI document that a later document breaks."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

# Texts that may change at any time. Names that begin with x- are the generator's, and may change as well.
WORDS = frozenset({"description", "summary", "example", "examples", "title"})
MAY_GROW = frozenset({"required", "enum", "tags", "security", "parameters", "allOf", "oneOf"})  # lists without an order
SCHEMA = re.compile(r"/components/schemas/(\w+)")


def broken(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """The places of a document where a part was removed or changed, or became required, each with a word about it.

    A field of answers alone may become required, since clients then always get it.
    """
    asked = _asked(after)
    for place, what in _differences(before, after):
        schema = SCHEMA.match(place)
        if what != "is demanded" or schema is None or schema[1] in asked:
            yield f"{place} {what}"


def _differences(before: Any, after: Any, *, at: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name, value in before.items():
            place = f"{at}/{name}"
            if (name in WORDS and not isinstance(value, Mapping)) or name.startswith("x-"):
                continue
            if name not in after:
                yield place, "is gone"
            elif name in MAY_GROW and isinstance(value, list):
                yield from _differences_of_lists(name, value, after[name], at=place)
            else:
                yield from _differences(value, after[name], at=place)
        if after.get("required") and not before.get("required"):
            yield f"{at}/required", "is demanded"
    elif before != after:
        yield at, f"was {before!r} and is {after!r}"


def _differences_of_lists(name: str, before: list[Any], after: list[Any], *, at: str) -> Iterator[tuple[str, str]]:
    """The differences of two lists. Members are matched by their names."""
    known, found = ({_key(item): item for item in items} for items in (before, after))
    for key, item in known.items():
        if key not in found:
            yield f"{at}/{key}", "is gone"
        elif isinstance(item, Mapping):
            yield from _differences(item, found[key], at=f"{at}/{key}")
    for key in found.keys() - known.keys():
        if name == "required" or (isinstance(found[key], Mapping) and found[key].get("required")):
            yield f"{at}/{key}", "is demanded"


def _key(item: Any) -> str:
    return f"{item['in']} {item['name']}" if isinstance(item, Mapping) and {"in", "name"} <= item.keys() else str(item)


def _asked(document: Mapping[str, Any]) -> set[str]:
    """The names of the schemas in bodies of requests, directly or inside other schemas."""
    bodies = [
        operation["requestBody"]
        for operations in document["paths"].values()
        for operation in operations.values()
        if "requestBody" in operation
    ]
    found: set[str] = set()
    new = _referred(bodies)
    while new:
        found |= new
        new = _referred([document["components"]["schemas"][name] for name in new]) - found
    return found


def _referred(part: Any) -> set[str]:
    return set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(part, default=str)))

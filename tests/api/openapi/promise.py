"""What clients of version 1 may rely on: what one OpenAPI document says that a later one does not say any more."""

from collections.abc import Iterator, Mapping
from typing import Any

WORDS = frozenset({"description", "summary", "example", "examples", "title"})  # may be said better at any time
MAY_GROW = frozenset({"required", "enum", "tags", "security", "parameters", "allOf", "oneOf"})  # lists without an order


def broken(before: Any, after: Any, *, at: str = "") -> Iterator[str]:
    """The places of a document where something was taken away, changed or newly demanded, each with a word about it."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name, value in before.items():
            place = f"{at}/{name}"
            if name in WORDS and not isinstance(value, Mapping):
                continue
            if name not in after:
                yield f"{place} is gone"
            elif name in MAY_GROW and isinstance(value, list):
                yield from _of_list(name, value, after[name], at=place)
            else:
                yield from broken(value, after[name], at=place)
        if after.get("required") and not before.get("required"):
            yield f"{at} is demanded, or demands more: {after['required']}"
    elif before != after:
        yield f"{at} was {before!r} and is {after!r}"


def _of_list(name: str, before: list[Any], after: list[Any], *, at: str) -> Iterator[str]:
    """The same of a list, whose members are known by what names them."""
    known, found = ({_key(item): item for item in items} for items in (before, after))
    for key, item in known.items():
        if key not in found:
            yield f"{at}/{key} is gone"
        elif isinstance(item, Mapping):
            yield from broken(item, found[key], at=f"{at}/{key}")
    for key in found.keys() - known.keys():
        if name == "required" or (isinstance(found[key], Mapping) and found[key].get("required")):
            yield f"{at}/{key} is demanded"


def _key(item: Any) -> str:
    return f"{item['in']} {item['name']}" if isinstance(item, Mapping) and {"in", "name"} <= item.keys() else str(item)

"""Values that fit a JSON Schema, for structured answers of the simulator.

The same schema always gets the same value. Its size and depth are bounded: optional properties are made down to the third
level only, and deeper values are as small as the schema allows, so that a schema that refers to itself comes to an end. A
schema that no value fits raises Unfit, such as an object that must contain itself. The keywords `not` and `if`, and rules about
the names of properties, are ignored.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from providers.online.simulator.numbers import numeral
from providers.online.simulator.patterns import Unfit, matching

MOST_VALUES = 5000  # the most values that are tried for one answer
MOST_CHARS = 100_000  # the most characters of all texts of one answer
MAX_DEPTH = 40
FULL_DEPTH = 3  # above this depth optional properties are made, too
TEXT = "simulated"

_FORMATS = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "time": "00:00:00Z",
    "duration": "P1D",
    "email": "simulated@example.com",
    "idn-email": "simulated@example.com",
    "hostname": "example.com",
    "idn-hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/simulated",
    "uri-reference": "/simulated",
    "iri": "https://example.com/simulated",
    "url": "https://example.com/simulated",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "json-pointer": "/simulated",
    "regex": "simulated",
    "byte": "c2ltdWxhdGVk",
    "binary": TEXT,
}
# The keywords that show the type of a schema without `type`.
_TELLING = {
    "object": ("properties", "required", "additionalProperties", "minProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "contains"),
    "string": ("pattern", "format", "minLength", "maxLength"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
Schema = Mapping[str, Any]


def fitting(schema: Any) -> Any:
    """A value that fits the schema. Raises Unfit."""
    return _Maker(schema).make(schema, depth=0, number=0)


class _Maker:
    """Makes the values of one answer. Values with a different `number` differ, as unique items must."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._values = self._chars = 0

    def make(self, schema: Any, *, depth: int, number: int) -> Any:
        self._values += 1
        if self._values > MOST_VALUES:
            raise _TooMuch("the schema asks for too much")
        if depth > MAX_DEPTH:
            raise Unfit("the schema is nested too deeply, or has to hold itself")
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if isinstance(schema.get("enum"), list):
            return self._one_of(schema["enum"], schema, number=number)
        for word in ("anyOf", "oneOf"):
            if isinstance(schema.get(word), list):
                return self._branch(schema, word, depth=depth, number=number)
        return self._typed(schema, depth=depth, number=number)

    def _resolved(self, schema: Any) -> dict[str, Any]:
        """A schema merged with its `$ref` and with each part of its `allOf`. Raises Unfit."""
        found = _plain(schema)
        for _ in range(MAX_DEPTH):
            if isinstance(reference := found.pop("$ref", None), str):
                found = _merged(_plain(self._at(reference)), found)
            elif isinstance(parts := found.pop("allOf", None), list):
                for part in parts:
                    found = _merged(found, _plain(part))
            else:
                return found
        raise Unfit("the schema refers to itself and to nothing else")

    def _at(self, reference: str) -> Any:
        """The schema that a reference inside the document leads to. Raises Unfit."""
        target = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~").replace("%25", "%")
            if isinstance(target, Mapping) and step in target:
                target = target[step]
            elif isinstance(target, list) and step.isdecimal() and int(step) < len(target):
                target = target[int(step)]
            else:
                raise Unfit(f"the schema has nothing at {reference[:100]!r}")
        return target

    def _one_of(self, values: list[Any], schema: Schema, *, number: int) -> Any:
        kinds = _types(schema)
        fit = [
            value
            for value in values
            if not kinds or _type_of(value) in kinds or {"integer", "number"} <= {*kinds, _type_of(value)}
        ]
        if not fit:
            raise Unfit("an enum has no value of its type")
        return fit[number % len(fit)]

    def _branch(self, schema: Schema, word: str, *, depth: int, number: int) -> Any:
        """A value for the first alternative that a value fits. Deep inside, null comes first if it is an alternative."""
        rest = {name: value for name, value in schema.items() if name != word}
        branches = list(schema[word])
        if depth >= FULL_DEPTH:
            branches.sort(key=lambda branch: not (isinstance(branch, Mapping) and branch.get("type") == "null"))
        reason = Unfit("there is no alternative to choose")
        for branch in branches:
            try:
                return self.make(_merged(self._resolved(branch), rest), depth=depth + 1, number=number)
            except _TooMuch:
                raise
            except Unfit as error:
                reason = error
        raise reason

    def _typed(self, schema: Schema, *, depth: int, number: int) -> Any:
        kinds = _types(schema) or [kind for kind, words in _TELLING.items() if any(word in schema for word in words)]
        if "null" in kinds and (depth >= FULL_DEPTH or len(kinds) == 1):
            return None
        kind = next((kind for kind in kinds if kind != "null"), "string")
        if kind == "object":
            return self._object(schema, depth=depth)
        if kind == "array":
            return self._array(schema, depth=depth)
        if kind == "string":
            return self._text(schema, number=number)
        if kind in ("integer", "number"):
            return numeral(schema, whole=kind == "integer", number=number)
        if kind == "boolean":
            return number % 2 == 0
        raise Unfit(f"the schema has a type {str(kind)[:50]!r}")

    def _object(self, schema: Schema, *, depth: int) -> dict[str, Any]:
        properties = _plain(schema.get("properties", {}))
        required = [name for name in _listed(schema, "required") if isinstance(name, str)]
        others = schema.get("additionalProperties", True)
        made: dict[str, Any] = {}
        for name in [*properties, *(name for name in required if name not in properties)]:
            if name in required:
                made[name] = self.make(properties.get(name, others), depth=depth + 1, number=0)
            elif depth < FULL_DEPTH:
                try:
                    made[name] = self.make(properties[name], depth=depth + 1, number=0)
                except _TooMuch:
                    raise
                except Unfit:
                    continue  # the property is optional
        least = _whole(schema, "minProperties")
        for name in (name for name in properties if name not in made):
            if len(made) < least:
                made[name] = self.make(properties[name], depth=depth + 1, number=0)
        while len(made) < least:
            made[f"property{len(made) + 1}"] = self.make(others, depth=depth + 1, number=0)
        return made

    def _array(self, schema: Schema, *, depth: int) -> list[Any]:
        first = _listed(schema, "prefixItems")
        most = schema.get("maxItems")
        count = max(_whole(schema, "minItems"), len(first), 1 if depth < FULL_DEPTH or "contains" in schema else 0)
        items = schema.get("items", True)
        if items is False:
            count = len(first)
        if isinstance(most, int):
            count = min(count, most)
        if count > MOST_VALUES:
            raise _TooMuch("the schema asks for too much")
        made: list[Any] = []
        for place in range(count):
            wanted = first[place] if place < len(first) else items
            if place == len(first) and "contains" in schema:
                wanted = {"allOf": [items, schema["contains"]]}
            try:
                made.append(self.make(wanted, depth=depth + 1, number=place if schema.get("uniqueItems") else 0))
            except _TooMuch:
                raise
            except Unfit:
                if place < max(_whole(schema, "minItems"), len(first)):
                    raise
                break  # the list is long enough without the item
        return made

    def _text(self, schema: Schema, *, number: int) -> str:
        least, most = _whole(schema, "minLength"), schema.get("maxLength")
        if isinstance(pattern := schema.get("pattern"), str):
            text = matching(pattern, least=least)
        elif (form := schema.get("format")) in _FORMATS:
            text = _numbered(str(form), number)
        else:
            text = f"{TEXT} {number}" if number else TEXT
            if least > MOST_CHARS:
                raise _TooMuch("the schema asks for too much")
            text = text.ljust(least, ".")
            text = text[-most:] if isinstance(most, int) and 0 < most < len(text) else "" if most == 0 else text
        if len(text) < least or (isinstance(most, int) and len(text) > most):
            raise Unfit("a text has to be longer or shorter than its pattern or format lets it be")
        self._chars += len(text)
        if self._chars > MOST_CHARS:
            raise _TooMuch("the schema asks for too much")
        return text


class _TooMuch(Unfit):
    """The answer has become too large, so no other alternative is tried."""


def _numbered(form: str, number: int) -> str:
    """A text of a format; another text for each number."""
    text = _FORMATS[form]
    if not number:
        return text
    if form == "uuid":
        return f"00000000-0000-4000-8000-{number:012d}"
    if form in ("date", "date-time"):
        return f"{2026 + number:04d}{text[4:]}" if number < 7000 else text
    return f"{number}.{text}" if form in ("hostname", "idn-hostname") else f"{text}{number}"


def _whole(schema: Schema, name: str) -> int:
    value = schema.get(name, 0)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _listed(schema: Schema, name: str) -> list[Any]:
    value = schema.get(name)
    return value if isinstance(value, list) else []


def _plain(schema: Any) -> dict[str, Any]:
    """A schema as an object: `true` is an empty one. Raises Unfit for `false`, and for a value that is no schema."""
    if isinstance(schema, Mapping):
        return dict(schema)
    if schema is False:
        raise Unfit("nothing fits the schema")
    if schema is True:
        return {}
    raise Unfit("a schema must be an object")


def _types(schema: Schema) -> list[Any]:
    kind = schema.get("type")
    return kind if isinstance(kind, list) else [] if kind is None else [kind]


def _type_of(value: Any) -> str:
    names = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _merged(first: Schema, second: Schema) -> dict[str, Any]:
    """A schema for the values that fit both schemas. Only keywords that both have are compared."""
    both = {**first, **second}
    for name in first.keys() & second.keys():
        both[name] = _agreed(name, first[name], second[name])
    return both


def _agreed(name: str, one: Any, other: Any) -> Any:
    if name in ("properties", "$defs", "definitions") and isinstance(one, Mapping) and isinstance(other, Mapping):
        shared = {key: {"allOf": [one[key], other[key]]} for key in one.keys() & other.keys()}
        return {**one, **other, **(shared if name == "properties" else {})}
    if name == "required" and isinstance(one, list) and isinstance(other, list):
        return list(dict.fromkeys(_hashable(one + other)))
    if name == "enum" and isinstance(one, list) and isinstance(other, list):
        return [value for value in one if value in other]
    if name in ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"):
        return max(one, other) if isinstance(one, int | float) and isinstance(other, int | float) else other
    if name in ("maximum", "exclusiveMaximum", "maxLength", "maxItems"):
        return min(one, other) if isinstance(one, int | float) and isinstance(other, int | float) else other
    return other


def _hashable(names: list[Any]) -> Iterator[str]:
    return (name for name in names if isinstance(name, str))

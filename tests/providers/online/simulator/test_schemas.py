"""Values that the simulator makes up fit their JSON schema, and patterns and bounds in it."""

import json
import re
import time
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from providers.online.simulator.patterns import Unfit, matching
from providers.online.simulator.schemas import MOST_VALUES, fitting

GOOD: list[Any] = [
    {"type": "string", "minLength": 12, "maxLength": 12},
    {"type": "string", "pattern": r"^[A-Z]{3}-\d{4}$"},
    {"type": "string", "pattern": r"^\w+$", "minLength": 40},
    {"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5},
    {"type": "integer", "multipleOf": 7, "minimum": 8},
    {"type": "integer", "maximum": -3},
    {"type": "number", "multipleOf": 0.5, "minimum": 0.6, "maximum": 1},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001},
    {"type": ["null", "boolean"]},
    {"enum": [None, 5, "x"], "type": "string"},
    {"const": {"a": [1]}},
    {"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 3, "uniqueItems": True},
    {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 4}, "minItems": 4, "uniqueItems": True},
    {"type": "array", "items": {"type": "string", "format": "date"}, "minItems": 3, "uniqueItems": True},
    {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False},
    {"type": "array", "contains": {"const": 5}, "minItems": 2},
    {"type": "array", "maxItems": 0},
    {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 2},
    {"type": "object", "required": ["a"]},
    {
        "oneOf": [
            {"properties": {"kind": {"const": "cat"}}, "required": ["kind"]},
            {"properties": {"kind": {"const": "dog"}}, "required": ["kind"]},
        ]
    },
    {"anyOf": [{"type": "object", "properties": {"x": {"$ref": "#"}}, "required": ["x"]}, {"type": "null"}]},
    {
        "allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"properties": {"a": {"maxLength": 3}}}],
        "type": "object",
    },
    {"$defs": {"a/b": {"type": "integer"}}, "$ref": "#/$defs/a~1b"},
    {
        "definitions": {
            "node": {
                "type": "object",
                "properties": {"kids": {"type": "array", "items": {"$ref": "#/definitions/node"}}},
                "required": ["kids"],
            }
        },
        "$ref": "#/definitions/node",
    },
    {},
    True,
]


@pytest.mark.parametrize("schema", GOOD, ids=lambda schema: json.dumps(schema)[:50])
def test_a_value_fits(schema: Any) -> None:
    jsonschema.Draft202012Validator(schema).validate(fitting(schema))
    assert fitting(schema) == fitting(schema)


@pytest.mark.parametrize("name", ["date-time", "date", "email", "ipv4", "ipv6", "uuid"])
def test_a_format_is_kept(name: str) -> None:
    schema = {"type": "array", "items": {"type": "string", "format": name}, "minItems": 2}
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(fitting(schema))


@pytest.mark.parametrize(
    "schema",
    [
        False,
        5,
        {"$ref": "#"},
        {"$ref": "#/nowhere"},
        {"type": "object", "properties": {"x": {"$ref": "#"}}, "required": ["x"]},
        {"type": "array", "minItems": 10**9},
        {"type": "string", "minLength": 10**9},
        {"type": "object", "minProperties": 10**9},
        {"type": "array", "items": {"$ref": "#"}, "minItems": 2},
        {"type": "integer", "minimum": 3, "maximum": 2},
        {"type": "integer", "minimum": 0.2, "maximum": 0.8},
        {"enum": []},
        {"type": "colour"},
        {"type": "string", "pattern": "(?=a)b"},
        {"type": "string", "pattern": "a", "minLength": 2},
        {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
    ],
    ids=lambda schema: json.dumps(schema)[:50],
)
def test_what_nothing_fits_ends_soon(schema: Any) -> None:
    began = time.process_time()
    with pytest.raises(Unfit):
        fitting(schema)
    assert time.process_time() - began < 5


def test_an_answer_is_bounded_however_a_schema_branches() -> None:
    wide = {
        "$defs": {"n": {"type": "object", "properties": {str(n): {"$ref": "#/$defs/n"} for n in range(50)}}},
        "$ref": "#/$defs/n",
    }
    with pytest.raises(Unfit):
        fitting(wide)
    flat = {"type": "object", "properties": {str(n): {"type": "string"} for n in range(MOST_VALUES - 2)}}
    assert len(msgspec.json.encode(fitting(flat))) < 200_000


bounds = st.one_of(st.none(), st.integers(-50, 50))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    kind=st.sampled_from(["integer", "number"]),
    low=bounds,
    high=bounds,
    above=bounds,
    below=bounds,
    step=st.one_of(st.none(), st.integers(1, 9)),
)
def test_a_number_fits_its_bounds_or_there_is_none(kind: str, low: Any, high: Any, above: Any, below: Any, step: Any) -> None:
    named = {"minimum": low, "maximum": high, "exclusiveMinimum": above, "exclusiveMaximum": below, "multipleOf": step}
    schema = {"type": kind} | {name: value for name, value in named.items() if value is not None}
    validator = jsonschema.Draft202012Validator(schema)
    try:
        value = fitting(schema)
    except Unfit:
        assert not any(validator.is_valid(number if kind == "integer" or step else number / 2) for number in range(-120, 121))
    else:
        validator.validate(value)


@pytest.mark.parametrize(
    "pattern",
    [
        r"^\+?[1-9]\d{1,14}$",
        r"(foo|bar)+x?",
        r"[^abc]{2,3}",
        r"^[^\s@]+@[^\s@]+\.[^\s@]+$",
        r"(?P<y>\d{4})-(?:0[1-9]|1[0-2])",
        r"[\]\-a]",
        r"\u0041\x42\/",
        r"^$",
        r"^(?:a|b)*?c$",
    ],
)
def test_a_text_matches_its_pattern(pattern: str) -> None:
    for least in (0, 3):
        assert re.search(pattern, matching(pattern, least=least))


@pytest.mark.parametrize(
    "pattern", ["(?=a)b", r"(a)\1", "(a{1000}){1000}", "(", "a)", "[", "[]", "a{x}", "\\", "(" * 100 + ")" * 100, "x" * 5000]
)
def test_a_pattern_that_texts_cannot_be_made_for_is_unfit(pattern: str) -> None:
    with pytest.raises(Unfit):
        matching(pattern)

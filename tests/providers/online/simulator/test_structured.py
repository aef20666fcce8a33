"""C20: the simulator's answers fit a schema, and call the tools that a request forces."""

import json
import re
import time
from typing import Any, Literal

import jsonschema
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from providers.base import Connection
from providers.online.simulator.patterns import Unfit, matching
from providers.online.simulator.schemas import MOST_VALUES, fitting
from tests.providers.calls import call, failed, send, succeeded

MESSAGES = [{"role": "user", "content": "two plus two?"}]
ASKS = {"/v1/chat/completions": "messages", "/v1/responses": "input", "/v1/messages": "messages"}


def answer(endpoint: str, **body: Any) -> Any:
    request = {"model": "m", "max_tokens": 9, ASKS[endpoint]: MESSAGES} | body
    (outcome,) = send("simulator", Connection("sim", "", ""), call(request, endpoint=endpoint))
    return json.loads(succeeded(outcome).body)


def refused(endpoint: str, **body: Any) -> str:
    request = {"model": "m", "max_tokens": 9, ASKS[endpoint]: MESSAGES} | body
    (outcome,) = send("simulator", Connection("sim", "", ""), call(request, endpoint=endpoint))
    assert failed(outcome).http_status == 400
    return failed(outcome).message


class Step(BaseModel):
    explanation: str = Field(min_length=3)
    output: float = Field(gt=0, lt=0.5)


class Person(BaseModel):
    name: str
    kind: Literal["adult", "child"]
    age: int = Field(ge=18, le=99)
    tags: list[str] = Field(min_length=2, max_length=3)
    steps: list[Step]
    parent: "Person | None"
    scores: dict[str, int]


# --- Formats ------------------------------------------------------------------------------------------------------


def test_a_chat_answer_fits_the_models_that_a_client_parses_it_with() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": Person.model_json_schema()}}
    choice = answer("/v1/chat/completions", response_format=form)["choices"][0]
    assert choice["finish_reason"] == "stop"
    person = Person.model_validate_json(choice["message"]["content"])
    assert person == Person.model_validate_json(
        answer("/v1/chat/completions", response_format=form)["choices"][0]["message"]["content"]
    )


def test_a_response_and_a_message_fit_theirs() -> None:
    schema = Person.model_json_schema()
    response = answer("/v1/responses", text={"format": {"type": "json_schema", "name": "person", "schema": schema}})
    Person.model_validate_json(response["output"][0]["content"][0]["text"])
    for wanted in (
        {"output_config": {"format": {"type": "json_schema", "schema": schema}}},
        {"output_format": {"type": "json_schema", "schema": schema}},
    ):
        message = answer("/v1/messages", **wanted)
        Person.model_validate_json(message["content"][0]["text"])


def test_a_json_object_is_one_and_text_stays_text() -> None:
    text = answer("/v1/chat/completions", response_format={"type": "json_object"})["choices"][0]["message"]["content"]
    assert json.loads(text) == {"simulated": True, "answer": "Simulated answer to: two plus two?"}
    text = answer("/v1/responses", text={"format": {"type": "json_object"}})["output"][0]["content"][0]["text"]
    assert isinstance(json.loads(text), dict)
    plain = answer("/v1/chat/completions", response_format={"type": "text"})["choices"][0]["message"]["content"]
    assert plain == "Simulated answer to: two plus two?"


# --- Forced tools -----------------------------------------------------------------------------------------------


def function(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": schema}}


TOOLS = [
    function("first", {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}),
    function("second", Person.model_json_schema()),
]


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ("required", "first"),
        ({"type": "function", "function": {"name": "second"}}, "second"),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "second"}}]},
            },
            "second",
        ),
    ],
)
def test_chat_calls_the_forced_tool(choice: Any, name: str) -> None:
    found = answer("/v1/chat/completions", tools=TOOLS, tool_choice=choice)["choices"][0]
    (made,) = found["message"]["tool_calls"]
    assert (made["type"], made["function"]["name"], found["message"]["content"]) == ("function", name, None)
    parsed = json.loads(made["function"]["arguments"])
    assert parsed == {"n": 1} if name == "first" else Person.model_validate(parsed)


@pytest.mark.parametrize(
    "choice", ["auto", "none", None, {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}]
)
def test_a_tool_that_is_not_forced_is_not_called(choice: Any) -> None:
    message = answer("/v1/chat/completions", tools=TOOLS, tool_choice=choice)["choices"][0]["message"]
    assert message["content"].startswith("Simulated")
    assert "tool_calls" not in message


def test_old_functions_and_custom_tools_are_called_too() -> None:
    old = answer("/v1/chat/completions", functions=[TOOLS[0]["function"]], function_call={"name": "first"})
    assert json.loads(old["choices"][0]["message"]["function_call"]["arguments"]) == {"n": 1}
    tools = [{"type": "custom", "custom": {"name": "shell"}}]
    custom = answer("/v1/chat/completions", tools=tools, tool_choice={"type": "custom", "custom": {"name": "shell"}})
    assert custom["choices"][0]["message"]["tool_calls"][0]["custom"]["name"] == "shell"


def test_a_response_calls_the_forced_tool() -> None:
    tools = [{"type": "function", **tool["function"]} for tool in TOOLS] + [{"type": "custom", "name": "shell"}]
    for choice, name in (("required", "first"), ({"type": "function", "name": "second"}, "second")):
        (item,) = answer("/v1/responses", tools=tools, tool_choice=choice)["output"]
        assert (item["type"], item["name"], item["status"]) == ("function_call", name, "completed")
        assert json.loads(item["arguments"])
    (item,) = answer("/v1/responses", tools=tools, tool_choice={"type": "custom", "name": "shell"})["output"]
    assert (item["type"], item["name"]) == ("custom_tool_call", "shell")


def test_a_message_uses_the_forced_tool() -> None:
    tools = [{"name": tool["function"]["name"], "input_schema": tool["function"]["parameters"]} for tool in TOOLS]
    for choice, name in (({"type": "any"}, "first"), ({"type": "tool", "name": "second"}, "second")):
        message = answer("/v1/messages", tools=tools, tool_choice=choice)
        (block,) = message["content"]
        assert (block["type"], block["name"], message["stop_reason"]) == ("tool_use", name, "tool_use")
    Person.model_validate(block["input"])
    assert answer("/v1/messages", tools=tools, tool_choice={"type": "auto"})["stop_reason"] == "end_turn"


def test_what_cannot_be_answered_is_refused_as_any_upstream_would() -> None:
    assert "no tool 'nobody'" in refused(
        "/v1/chat/completions", tools=TOOLS, tool_choice={"type": "function", "function": {"name": "nobody"}}
    )
    assert "no tool" in refused("/v1/chat/completions", tool_choice="required")
    assert "no tool" in refused("/v1/messages", tool_choice={"type": "any"})
    assert "no schema" in refused("/v1/chat/completions", response_format={"type": "json_schema"})
    endless = {"type": "object", "properties": {"x": {"$ref": "#"}}, "required": ["x"]}
    assert "hold itself" in refused("/v1/responses", text={"format": {"type": "json_schema", "name": "x", "schema": endless}})


# --- Schemas ------------------------------------------------------------------------------------------------------

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

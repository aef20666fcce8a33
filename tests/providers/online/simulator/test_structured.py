"""C20: the simulator's answers fit a schema, and call the tools that a request forces."""

import json
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from providers.base import Connection
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

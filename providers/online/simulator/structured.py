"""Structured answers of the simulator: JSON that fits a schema, and calls of tools that a request forces."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from providers.online.simulator.patterns import Unfit
from providers.online.simulator.schemas import fitting

Name = Callable[[str], str]  # makes an id with this prefix

_ANY_OBJECT = {"simulated": True}


def chat_message(request: Mapping[str, Any], text: str, *, identifier: Name) -> tuple[dict[str, Any], str]:
    """The message of a chat completion, and its `finish_reason`. Raises Unfit."""
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    if isinstance(function := request.get("function_call"), Mapping):
        chosen = _chosen(_list(request, "functions"), function.get("name"), within=None)
        return message | {
            "content": None,
            "function_call": {"name": chosen["name"], "arguments": _arguments(chosen, "parameters")},
        }, "stop"
    choice = request.get("tool_choice")
    if _is_forced(choice):
        call = _chat_call(_chosen_tool(_list(request, "tools"), choice), identifier=identifier)
        return message | {"content": None, "tool_calls": [call]}, "tool_calls" if choice == "required" else "stop"
    form = request.get("response_format")
    schema = form.get("json_schema") if isinstance(form, Mapping) else None
    return message | {"content": _formatted(form, schema, text)}, "stop"


def response_output(request: Mapping[str, Any], text: str, *, identifier: Name) -> list[dict[str, Any]]:
    """The output of a response. Raises Unfit."""
    choice = request.get("tool_choice")
    if _is_forced(choice):
        tool = _chosen_tool(_list(request, "tools"), choice)
        call = {"id": identifier("fc_sim_"), "call_id": identifier("call_sim_"), "name": tool["name"], "status": "completed"}
        if tool.get("type") == "custom":
            return [call | {"type": "custom_tool_call", "input": text}]
        return [call | {"type": "function_call", "arguments": _arguments(tool, "parameters")}]
    settings = request.get("text")
    form = settings.get("format") if isinstance(settings, Mapping) else None
    part = {"type": "output_text", "text": _formatted(form, form, text), "annotations": []}
    return [{"id": identifier("msg_sim_"), "type": "message", "status": "completed", "role": "assistant", "content": [part]}]


def message_content(request: Mapping[str, Any], text: str, *, identifier: Name) -> tuple[list[dict[str, Any]], str]:
    """The content of an Anthropic message, and its `stop_reason`. Raises Unfit."""
    choice = request.get("tool_choice")
    kind = choice.get("type") if isinstance(choice, Mapping) else None
    if kind in ("any", "tool"):
        tools = [tool for tool in _list(request, "tools") if isinstance(tool, Mapping) and "input_schema" in tool]
        tool = _chosen(tools, choice.get("name") if kind == "tool" and isinstance(choice, Mapping) else None, within=None)
        made = _input(tool, "input_schema")
        return [{"type": "tool_use", "id": identifier("toolu_sim_"), "name": tool["name"], "input": made}], "tool_use"
    settings = request.get("output_config")
    form = settings.get("format") if isinstance(settings, Mapping) else request.get("output_format")
    return [{"type": "text", "text": _formatted(form, form, text)}], "end_turn"


def _formatted(form: Any, holder: Any, text: str) -> str:
    """The text of an answer in the format that the request asks for. `holder` is the object with the schema. Raises Unfit."""
    kind = form.get("type") if isinstance(form, Mapping) else None
    if kind == "json_object":
        return _json({**_ANY_OBJECT, "answer": text})
    if kind != "json_schema":
        return text
    schema = holder.get("schema") if isinstance(holder, Mapping) else None
    if not isinstance(schema, Mapping):
        raise Unfit("the format has no schema")
    return _json(fitting(schema))


def _is_forced(choice: Any) -> bool:
    """Whether the request demands the call of a tool."""
    if not isinstance(choice, Mapping):
        return bool(choice == "required")
    if choice.get("type") == "allowed_tools":
        return _allowed(choice).get("mode") == "required"
    return choice.get("type") in ("function", "custom")


def _allowed(choice: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields of a choice among allowed tools. In chat completions they are one level deeper."""
    inner = choice.get("allowed_tools")
    return inner if isinstance(inner, Mapping) else choice


def _chosen_tool(tools: Iterable[Any], choice: Any) -> Mapping[str, Any]:
    """The tool to be called, without the object that chat completions put around it. Raises Unfit."""
    if not isinstance(choice, Mapping):
        return _chosen(map(_inside, tools), None, within=None)
    if choice.get("type") == "allowed_tools":
        named = [_inside(tool).get("name") for tool in _list(_allowed(choice), "tools")]
        return _chosen(map(_inside, tools), None, within=named)
    return _chosen(map(_inside, tools), _inside(choice).get("name"), within=None)


def _inside(tool: Any) -> Mapping[str, Any]:
    """The fields of a function or custom tool. A tool that the upstream runs itself has no name among them."""
    if not isinstance(tool, Mapping):
        return {}
    kind = tool.get("type")
    inner = tool.get(kind) if isinstance(kind, str) else None
    return {**inner, "type": kind} if isinstance(inner, Mapping) else dict(tool)


def _chosen(tools: Iterable[Any], name: Any, *, within: list[Any] | None) -> Mapping[str, Any]:
    """The tool with this name, or the first one if `name` is None. `within` are the allowed names. Raises Unfit."""
    for tool in tools:
        known = tool.get("name") if isinstance(tool, Mapping) else None
        if isinstance(known, str) and name in (None, known) and (within is None or known in within):
            return dict(tool)
    raise Unfit("there is no tool that could be called" if name is None else f"there is no tool {str(name)[:100]!r}")


def _chat_call(tool: Mapping[str, Any], *, identifier: Name) -> dict[str, Any]:
    call = {"id": identifier("call_sim_")}
    if tool.get("type") == "custom":
        return call | {"type": "custom", "custom": {"name": tool["name"], "input": "simulated"}}
    return call | {"type": "function", "function": {"name": tool["name"], "arguments": _arguments(tool, "parameters")}}


def _arguments(tool: Mapping[str, Any], name: str) -> str:
    return _json(_input(tool, name))


def _input(tool: Mapping[str, Any], name: str) -> Any:
    schema = tool.get(name)
    return {} if schema is None else fitting(schema)


def _list(request: Mapping[str, Any], name: str) -> list[Any]:
    value = request.get(name)
    return value if isinstance(value, list) else []


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()

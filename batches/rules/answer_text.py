"""The part of an answer that a person reads: its text, if the answer is nothing but text, and its model. Pure rules."""

from typing import Any

import msgspec


def read_answer(body: str) -> tuple[str, str]:
    """The model that an answer names (empty if it names none), and its text; else the whole JSON, so that nothing is lost."""
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return "", body
    model = answer.get("model") if isinstance(answer, dict) else None
    text = plain_text(answer)
    return model if isinstance(model, str) else "", body if text is None else text


def plain_text(answer: Any) -> str | None:
    """The text of an answer; None if the answer has anything besides one text: several choices, calls of tools, images."""
    match answer:
        case {"choices": [{"message": {"content": str(text)} as message}]}:  # chat completions
            return None if message.get("tool_calls") or message.get("audio") else text
        case {"choices": [{"text": str(text)}]}:  # completions
            return text
        case {"content": [*parts]}:  # messages
            return _joined(parts, kind="text")
        case {"output": [*items]}:  # responses
            return _joined([part for item in items for part in _parts(item)], kind="output_text")
    return None


def _parts(item: Any) -> list[Any]:
    """The parts of an item of a response. A summary of the reasoning is no part of the answer."""
    match item:
        case {"type": "reasoning"}:
            return []
        case {"type": "message", "content": [*parts]}:
            return parts
    return [None]


def _joined(parts: list[Any], *, kind: str) -> str | None:
    texts = [part["text"] for part in parts if isinstance(part, dict) and part.get("type") == kind and "text" in part]
    if not parts or len(texts) < len(parts) or not all(isinstance(text, str) for text in texts):
        return None
    return "".join(texts)

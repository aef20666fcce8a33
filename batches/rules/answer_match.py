"""Whether two answers say the same: their JSON is compared, and what differs from call to call is left aside. Pure rules."""

import json
import re
from decimal import Decimal
from typing import Any

# The members that are not compared, each with the reason. `[]` stands for any item of a list, and `**.` for any path.
LEFT_ASIDE = {
    "id": "the id of the answer",
    "**.request_id": "the id of the call",
    "created": "the time of the answer",
    "created_at": "the time of the answer",
    "completed_at": "the time of the answer",
    "system_fingerprint": "the build of the upstream",
    "service_tier": "the queue of the upstream",
    "usage": "token counts, which caches change",
    "timings": "how long the upstream took",
    "choices[].message.tool_calls[].id": "the id of a call of a tool",
    "choices[].message.audio.id": "the id of a sound",
    "choices[].message.audio.expires_at": "until when a sound is kept",
    "content[].id": "the id of a part of a message",
    "container.id": "the id of a container",
    "container.expires_at": "until when a container is kept",
    "output[].id": "the id of an item of a response",
    "output[].call_id": "the id of a call of a tool",
}


def _pattern(path: str) -> str:
    anywhere = r"(?:.*\.)?" if path.startswith("**.") else ""
    return anywhere + re.escape(path.removeprefix("**."))


_ASIDE = re.compile("|".join(_pattern(path) for path in LEFT_ASIDE))
_WHOLE = "the whole answer"


def first_difference(first: str, second: str) -> str | None:
    """The path at which two answers first differ, such as `choices[].message.content`; None if they say the same."""
    if first == second:
        return None
    try:
        return _differ(_read(first), _read(second), "")
    except (ValueError, RecursionError):  # no JSON, a number of thousands of digits, or nested too deeply
        return _WHOLE


def _read(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def _differ(first: Any, second: Any, path: str) -> str | None:
    if path and _ASIDE.fullmatch(path):
        return None
    if isinstance(first, dict) and isinstance(second, dict):
        return _members_differ(first, second, path)
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        found = (_differ(one, other, f"{path}[]") for one, other in zip(first, second, strict=True))
        return next((place for place in found if place is not None), None)
    return None if _equal(first, second) else path or _WHOLE


def _members_differ(first: dict[str, Any], second: dict[str, Any], path: str) -> str | None:
    """A member that is null says the same as one that is absent."""
    for name in {**first, **second}:
        place = _differ(first.get(name), second.get(name), f"{path}.{name}" if path else name)
        if place is not None:
            return place
    return None


def _equal(first: Any, second: Any) -> bool:
    """Whether two values are the same in JSON: 1 is 1.0, and is not true."""
    return isinstance(first, bool) == isinstance(second, bool) and bool(first == second)

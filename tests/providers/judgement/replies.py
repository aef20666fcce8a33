"""Replies to judge, without a network."""

from typing import Any

import msgspec
from multidict import CIMultiDict

from providers.base import Call, Failure, Outcome, Success
from providers.judgement import Secrets, judge, judge_write
from providers.transport import Reply

CHAT = "/v1/chat/completions"
KEY = "0a1b.7-1-0"  # as the engine makes them


def judged(body: Any, *, status: int = 200, endpoint: str = CHAT, **headers: str) -> Outcome:
    """The outcome of a reply; a body that is not bytes is written as JSON."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return judge(Reply(status, CIMultiDict(named), raw), Call(endpoint, b"{}", KEY, 1.0), secrets=Secrets(""))


def written(body: Any, *, status: int = 200) -> Outcome:
    """The outcome of a reply to a record that was written."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return judge_write(Reply(status, CIMultiDict(), raw), Call("/accounting/v1/invoices", b"{}", KEY, 1.0), secrets=Secrets(""))


def success(outcome: Outcome) -> Success:
    assert isinstance(outcome, Success), outcome
    return outcome


def failure(outcome: Outcome) -> Failure:
    assert isinstance(outcome, Failure), outcome
    return outcome


def completion(**more: Any) -> dict[str, Any]:
    """A full chat completion."""
    message = {"role": "assistant", "content": "four"}
    return {"object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], **more}

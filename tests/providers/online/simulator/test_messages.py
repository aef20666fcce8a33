"""The simulator on `/v1/messages`: it speaks as Anthropic does, also when it refuses."""

from typing import Any

import msgspec
import pytest

from providers.base import Connection, Outcome
from providers.failures import Kind
from tests.providers.calls import call, failed, send, succeeded

BODY = {"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": [{"type": "text", "text": "two plus two?"}]}]}


def ask(**changes: Any) -> Outcome:
    return send("simulator", Connection("simulator", "", ""), call(BODY | changes, endpoint="/v1/messages"))[0]


def test_a_message_has_every_field_of_the_contract() -> None:
    outcome = succeeded(ask())
    message = msgspec.json.decode(outcome.body)
    identifier, usage = message.pop("id"), message.pop("usage")
    assert identifier.startswith("msg_sim_")
    assert message == {
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "Simulated answer to: two plus two?"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
    }
    assert outcome.usage is not None
    assert (usage["input_tokens"], usage["output_tokens"]) == (outcome.usage.input, outcome.usage.output)


@pytest.mark.parametrize(
    ("status", "word", "kind"),
    [
        (400, "invalid_request_error", Kind.INVALID_REQUEST),
        (402, "billing_error", Kind.QUOTA),
        (418, "invalid_request_error", Kind.INVALID_REQUEST),
        (429, "rate_limit_error", Kind.RATE_LIMITED),
        (500, "api_error", Kind.SERVER_ERROR),
        (529, "overloaded_error", Kind.OVERLOADED),
    ],
)
def test_a_refusal_is_in_anthropics_words(status: int, word: str, kind: Kind) -> None:
    failure = failed(ask(simulate={"status": status, "message": "no", "retry_after": 2}))
    assert (failure.kind, failure.code, failure.message, failure.retry_after) == (kind, word, "no", 2.0)
    assert msgspec.json.decode(failure.body) == {
        "type": "error",
        "error": {"type": word, "message": "no"},
        "request_id": failure.request_id,
    }


def test_a_request_that_no_upstream_takes_is_refused_in_them_too() -> None:
    failure = failed(ask(messages=[]))
    assert failure.code == "invalid_request_error"
    assert b'"type":"error"' in failure.body

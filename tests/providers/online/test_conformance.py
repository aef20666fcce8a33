"""What the engine relies on, for every adapter there is. A new adapter joins with a line in `CONNECTIONS`."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from providers import registry
from providers.base import ACCOUNTING_ENDPOINTS, ANTHROPIC_ENDPOINTS, OPENAI_ENDPOINTS, Adapter, Call, Check, Connection, Outcome
from providers.failures import Kind
from tests.answers import refuse, stay_silent
from tests.providers.calls import CHAT, SECRET, call, failed, send, succeeded, talk
from tests.upstream import Upstream

HTTP_ENDPOINTS = sorted(ACCOUNTING_ENDPOINTS | OPENAI_ENDPOINTS)  # it serves what its options say

# A connection of each adapter to an upstream that answers, as far as the adapter has one.
CONNECTIONS: dict[str, Callable[[Upstream], Connection]] = {
    "anthropic": lambda upstream: Connection("tested", upstream.base_url, SECRET),
    "http": lambda upstream: Connection("tested", upstream.base_url, SECRET, {"endpoints": HTTP_ENDPOINTS}),
    "openai": lambda upstream: Connection("tested", upstream.base_url, SECRET),
    "simulator": lambda _: Connection("tested", "", ""),
}
BODY = {
    "model": "m-small",
    "messages": [{"role": "user", "content": "two plus two?"}],
    "input": "two plus two?",
    "prompt": "two plus two?",
}

every_adapter = pytest.mark.parametrize("adapter", sorted(registry.ADAPTERS))
ANSWERED_IN_TOKENS = [
    *(
        (adapter, endpoint)
        for adapter in ("http", "openai", "simulator")
        for endpoint in ("/v1/chat/completions", "/v1/responses", "/v1/completions", "/v1/embeddings")
    ),
    *((adapter, "/v1/messages") for adapter in ("anthropic", "simulator")),
]


def question(adapter: str, body: dict[str, Any] | None = None, *, key: str = "object-1-0", timeout: float = 10.0) -> Call:
    """A call of an endpoint that the adapter serves."""
    endpoint = "/v1/messages" if registry.adapter_class(adapter).endpoints == ANTHROPIC_ENDPOINTS else CHAT
    return call(BODY if body is None else body, endpoint=endpoint, key=key, timeout=timeout)


@every_adapter
def test_every_endpoint_is_answered_with_one_line_of_json(adapter: str, upstream: Upstream) -> None:
    connection = CONNECTIONS[adapter](upstream)
    for endpoint in sorted(registry.adapter_class(adapter).endpoints):
        outcome = succeeded(send(adapter, connection, call(BODY, endpoint=endpoint))[0])
        assert outcome.http_status == 200
        assert outcome.request_id
        assert b"\n" not in outcome.body
        assert isinstance(msgspec.json.decode(outcome.body), dict)


@pytest.mark.parametrize(("adapter", "endpoint"), ANSWERED_IN_TOKENS)
def test_tokens_are_counted(adapter: str, endpoint: str, upstream: Upstream) -> None:
    outcome = succeeded(send(adapter, CONNECTIONS[adapter](upstream), call(BODY, endpoint=endpoint))[0])
    assert outcome.usage is not None
    assert outcome.usage.tokens


@every_adapter
def test_an_unknown_endpoint_is_a_failure_not_an_exception(adapter: str, upstream: Upstream) -> None:
    failure = failed(send(adapter, CONNECTIONS[adapter](upstream), Call("/v1/unknown", b"{}", "o-1-0", 1.0))[0])
    assert failure.kind is Kind.PORTAL
    assert "/v1/unknown" in failure.message


@every_adapter
def test_a_refused_request_is_a_failure_with_the_upstreams_words(adapter: str, upstream: Upstream) -> None:
    upstream.answer(refuse(400, message="Missing required parameter: 'model'.", param="model"))
    failure = failed(send(adapter, CONNECTIONS[adapter](upstream), question(adapter, {"messages": []}))[0])
    assert (failure.kind, failure.http_status, failure.param) == (Kind.INVALID_REQUEST, 400, "model")
    assert msgspec.json.decode(failure.body)["error"]["message"] == failure.message


@every_adapter
def test_time_is_kept(adapter: str, upstream: Upstream) -> None:
    upstream.answer(stay_silent())
    slow = {**BODY, "simulate": {"latency_ms": 60_000}}
    failure = failed(send(adapter, CONNECTIONS[adapter](upstream), question(adapter, slow, timeout=0.2))[0])
    assert failure.kind is Kind.TIMEOUT
    assert not failure.kind.answered


@every_adapter
def test_a_call_can_be_cancelled_and_the_adapter_goes_on(adapter: str, upstream: Upstream) -> None:
    slow = question(adapter, {**BODY, "simulate": {"latency_ms": 60_000}}, timeout=120)

    async def work(connected: Adapter) -> Outcome:
        await connected.send(question(adapter))  # so that a connection is there, and it is not the connecting that is cancelled
        upstream.answer(stay_silent())
        sending = asyncio.create_task(connected.send(slow))
        await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        upstream.forget()
        return await connected.send(question(adapter))

    succeeded(talk(adapter, CONNECTIONS[adapter](upstream), work))


@every_adapter
def test_many_calls_run_at_once(adapter: str, upstream: Upstream) -> None:
    async def work(connected: Adapter) -> list[Outcome]:
        return await asyncio.gather(*[connected.send(question(adapter, key=f"o{n}-1-0")) for n in range(200)])

    outcomes = talk(adapter, CONNECTIONS[adapter](upstream), work)
    assert {succeeded(outcome).http_status for outcome in outcomes} == {200}


@every_adapter
def test_a_check_is_one_sentence(adapter: str, upstream: Upstream) -> None:
    async def work(connected: Adapter) -> Check:
        return await connected.check()

    check = talk(adapter, CONNECTIONS[adapter](upstream), work)
    assert check.ok
    assert check.message.endswith(".")


@every_adapter
def test_closing_twice_or_unused_does_no_harm(adapter: str, upstream: Upstream) -> None:
    async def work() -> None:
        connected = registry.connect(adapter, CONNECTIONS[adapter](upstream))
        await connected.close()
        await connected.close()

    asyncio.run(work())


@every_adapter
def test_settings_that_work_have_no_problems(adapter: str, upstream: Upstream) -> None:
    connection = CONNECTIONS[adapter](upstream)
    problems = registry.adapter_class(adapter).problems(base_url=connection.base_url, options=connection.options)
    assert problems == {}


@every_adapter
def test_unknown_options_are_named(adapter: str, upstream: Upstream) -> None:
    connection = CONNECTIONS[adapter](upstream)
    problems = registry.adapter_class(adapter).problems(base_url=connection.base_url, options={"colour": "red"})
    assert "colour" in problems["options"]

"""Sending calls to an adapter from a test."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

import msgspec

from providers import registry
from providers.base import Adapter, Call, Connection, Failure, Outcome, Success

SECRET = "sk-very-secret-0123456789"
CHAT = "/v1/chat/completions"
T = TypeVar("T")


def call(
    body: Mapping[str, Any] | bytes | None = None, *, endpoint: str = CHAT, key: str = "object-1-0", timeout: float = 10.0
) -> Call:
    """A chat completion unless told otherwise."""
    if body is None:
        body = {"model": "m-small", "messages": [{"role": "user", "content": "two plus two?"}]}
    return Call(endpoint, body if isinstance(body, bytes) else msgspec.json.encode(body), key, timeout)


def answered(inside: bytes = b"", *, content: bytes = b'"four"') -> bytes:
    """The body of a chat completion, with these fields (as JSON) beside its choices."""
    choice = b'{"index":0,"message":{"role":"assistant","content":' + content + b'},"finish_reason":"stop"}'
    return b'{"choices":[' + choice + b"]" + (b"," + inside if inside else b"") + b"}"


def talk(adapter: str, connection: Connection, work: Callable[[Adapter], Coroutine[Any, Any, T]]) -> T:
    """Run some work with an adapter on an event loop of its own, and close it."""

    async def session() -> T:
        connected = registry.connect(adapter, connection)
        try:
            return await work(connected)
        finally:
            await connected.close()

    return asyncio.run(session())


def send(adapter: str, connection: Connection, *calls: Call) -> list[Outcome]:
    """The outcomes of calls that are sent one after the other."""

    async def work(connected: Adapter) -> list[Outcome]:
        return [await connected.send(each) for each in calls]

    return talk(adapter, connection, work)


def succeeded(outcome: Outcome) -> Success:
    assert isinstance(outcome, Success), outcome
    return outcome


def failed(outcome: Outcome) -> Failure:
    assert isinstance(outcome, Failure), outcome
    return outcome

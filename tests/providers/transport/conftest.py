"""A client of the fast path whose coroutines run to their end in a test."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import uvloop
from yarl import URL

from providers.transport.connections import Client
from providers.transport.interface import MaxBytes, Reply

Session = Callable[[Client], Awaitable[None]]


@pytest.fixture(params=[uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def session(request: pytest.FixtureRequest) -> Callable[[Session], None]:
    """Runs a coroutine with a client, on the event loop of executors and on Python's own."""

    def run(work: Session) -> None:
        async def whole() -> None:
            client = Client(headers={"Accept": "application/json"}, most=MaxBytes(2**20, 2**16))
            try:
                await work(client)
            finally:
                await client.close()

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(whole())

    return run


Run = Callable[[Session], None]


async def post(client: Client, url: str, body: bytes = b"{}", *, seconds: float = 20.0) -> Reply:
    return await client.send("POST", URL(url), headers={"Idempotency-Key": "key"}, body=body, seconds=seconds)

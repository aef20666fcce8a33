"""The stub upstream as a process of its own: start it, ask it, and find out how much it can take."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import uvloop

CONNECTIONS = 256
_PROBE = b'POST /v1/chat/completions HTTP/1.1\r\nHost: stub\r\nContent-Length: 1024\r\n\r\n{"user":"probe"' + b" " * 1008 + b"}"


@dataclass(frozen=True, slots=True)
class Upstream:
    """A stub that runs: where."""

    port: int

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def stats(self, *, method: str = "GET") -> dict[str, Any]:
        """What it has counted, and its own CPU seconds."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/stats", method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            told: dict[str, Any] = json.load(answer)
        return told

    def reset(self) -> None:
        """Count from zero."""
        self.stats(method="DELETE")

    def cpu(self) -> float:
        """Its CPU seconds so far."""
        return float(self.stats()["cpu"])


@contextlib.contextmanager
def upstream(**options: float) -> Iterator[Upstream]:
    """A stub for as long as it is needed; its options are those of its command line."""
    words = (word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value)))
    command = [sys.executable, "-m", "tests.benchmarks.stub", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Upstream(int(process.stdout.readline()))
        finally:
            process.terminate()


def greatest_rate(stub: Upstream, *, seconds: float) -> tuple[float, float]:
    """Requests per second that it answers when asked as cheaply as possible, and per CPU-second of its own."""
    before = stub.stats()
    started = time.monotonic()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_ask_for(stub.port, seconds))
    wall = time.monotonic() - started
    after = stub.stats()
    requests = after["requests"] - before["requests"]
    return requests / wall, requests / max(after["cpu"] - before["cpu"], 0.001)


async def _ask_for(port: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(_Asker, "127.0.0.1", port) for _ in range(CONNECTIONS)]
    await asyncio.sleep(seconds)
    for transport, _ in made:
        transport.abort()


class _Asker(asyncio.Protocol):
    """Asks again as soon as an answer begins to come."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(_PROBE)

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"HTTP/1.1 "):
            self._transport.write(_PROBE)

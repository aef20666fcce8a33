"""A client that asks one thing on many connections as fast as it is answered, in a process of its own.

`python -m tests.benchmarks.asker URL KEY PATH CONNECTIONS SECONDS` prints the seconds that each answer took.
"""

import asyncio
import json
import subprocess
import sys
import time
from typing import cast
from urllib.parse import urlsplit

import uvloop

from tests.benchmarks.inputs import WrongResult


class Asker(asyncio.Protocol):
    """One connection. It asks again when it was answered."""

    def __init__(self, request: bytes, took: list[float], wrong: list[bytes]) -> None:
        self._request = request
        self._took = took
        self._wrong = wrong
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._held += data
        head, found, body = self._held.partition(b"\r\n\r\n")
        if not found:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self._wrong.append(self._held)
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) == length:
            self._took.append(time.monotonic() - self._began)
            self._ask()

    def _ask(self) -> None:
        self._held, self._began = b"", time.monotonic()
        self._transport.write(self._request)


async def main(url: str, key: str, path: str, connections: int, seconds: float) -> list[float]:
    """Ask for so long; the seconds that each answer took."""
    where, took, wrong = urlsplit(url), list[float](), list[bytes]()
    request = f"GET {path} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
    loop = asyncio.get_running_loop()
    for _ in range(connections):
        await loop.create_connection(lambda: Asker(request, took, wrong), str(where.hostname), int(where.port or 80))
    await asyncio.sleep(seconds)
    if wrong or not took:
        raise WrongResult(f"{len(took)} good answers, {len(wrong)} others: {wrong[:1]}")
    return took


def asked(url: str, key: str, path: str, *, connections: int, seconds: float) -> list[float]:
    """Ask in another process; the seconds that each answer took."""
    words = [sys.executable, "-m", "tests.benchmarks.asker", url, key, path, str(connections), str(seconds)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WrongResult(done.stderr)
    found: list[float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    where, credential, what, number, duration = sys.argv[1:]
    sys.stdout.write(json.dumps(uvloop.run(main(where, credential, what, int(number), float(duration)))))

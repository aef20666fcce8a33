"""`python -m tests.benchmarks.retry_loop`: the bare loop with the retries that a careful script has. Nothing is durable.

It sends again after a 429, a 5xx and a lost connection: as late as the answer's Retry-After says, else after a fixed pause.
"""

import asyncio
from collections.abc import Iterator
from typing import BinaryIO

import aiohttp
import msgspec
import uvloop

from tests.benchmarks.bare_loop import HEADERS, decode, encode
from tests.benchmarks.rival import Job, run

PAUSE_SECONDS = 0.1


async def work(job: Job) -> None:
    """Read JSONL, post each body until it is answered with 200, with so many in flight, write JSONL."""
    with job.source.open("rb") as source, job.sink.open("wb") as sink:
        lines = job.lines_of(source)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, headers=HEADERS) as session, asyncio.TaskGroup() as group:
            for _ in range(job.concurrency):
                group.create_task(_post_each(session, job.url, lines, sink))


async def _post_each(session: aiohttp.ClientSession, url: str, lines: Iterator[bytes], sink: BinaryIO) -> None:
    for line in lines:
        request = decode(line)
        body = await _answer(session, url, bytes(request.body))
        sink.write(encode({"custom_id": request.custom_id, "response": {"status_code": 200, "body": msgspec.Raw(body)}}) + b"\n")


async def _answer(session: aiohttp.ClientSession, url: str, body: bytes) -> bytes:
    while True:
        pause = PAUSE_SECONDS
        try:
            async with session.post(url, data=body) as response:
                answer = await response.read()
                if response.status == 200:
                    return answer
                pause = float(response.headers.get("Retry-After", pause))
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(pause)


if __name__ == "__main__":
    run(work, loop_factory=uvloop.new_event_loop)

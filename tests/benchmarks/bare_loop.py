"""Rival (a), `python -m tests.benchmarks.bare_loop`: the least that a script can do. Nothing is durable, no error survived."""

import asyncio
from collections.abc import Iterator
from typing import BinaryIO

import aiohttp
import msgspec
import uvloop

from tests.benchmarks.rival import Job, run


class _Line(msgspec.Struct):
    custom_id: str
    body: msgspec.Raw


decode = msgspec.json.Decoder(_Line).decode
encode = msgspec.json.Encoder().encode
HEADERS = {"Content-Type": "application/json"}


async def work(job: Job) -> None:
    """Read JSONL, post each body with so many in flight, write JSONL."""
    with job.source.open("rb") as source, job.sink.open("wb") as sink:
        lines = job.lines_of(source)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, headers=HEADERS) as session, asyncio.TaskGroup() as group:
            for _ in range(job.concurrency):
                group.create_task(_post_each(session, job.url, lines, sink))


async def _post_each(session: aiohttp.ClientSession, url: str, lines: Iterator[bytes], sink: BinaryIO) -> None:
    for line in lines:
        request = decode(line)
        async with session.post(url, data=bytes(request.body)) as response:
            body = await response.read()
        response_part = {"status_code": response.status, "body": msgspec.Raw(body)}
        sink.write(encode({"custom_id": request.custom_id, "response": response_part}) + b"\n")


if __name__ == "__main__":
    run(work, loop_factory=uvloop.new_event_loop)

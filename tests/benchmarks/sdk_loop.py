"""Rival (d), `python -m tests.benchmarks.sdk_loop`: the SDK's asynchronous client on its default transport, with a semaphore."""

import asyncio
from typing import Any, BinaryIO

import msgspec
from openai import AsyncOpenAI

from tests.benchmarks.rival import Job, run


async def work(job: Job) -> None:
    """Read JSONL, create a chat completion of each body with so many at once, write JSONL."""
    slots = asyncio.Semaphore(job.concurrency)
    base_url = job.url.removesuffix("/chat/completions")
    with job.source.open("rb") as source, job.sink.open("wb") as sink:
        async with AsyncOpenAI(base_url=base_url, api_key="none") as client, asyncio.TaskGroup() as group:
            for line in job.lines_of(source):
                group.create_task(_complete(client, slots, msgspec.json.decode(line), sink))


async def _complete(client: AsyncOpenAI, slots: asyncio.Semaphore, line: dict[str, Any], sink: BinaryIO) -> None:
    async with slots:
        completion = await client.chat.completions.create(**line["body"])
    response = {"status_code": 200, "body": msgspec.Raw(completion.model_dump_json().encode())}
    sink.write(msgspec.json.encode({"custom_id": line["custom_id"], "response": response}) + b"\n")


if __name__ == "__main__":
    run(work, loop_factory=asyncio.new_event_loop)

"""The unmodified `openai` package, over real HTTP, with strict validation of every answer and no retries."""

import asyncio
import io
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types import Batch as ShownBatch

from batches.models import Batch
from batches.rules.actors import ENGINE
from batches.rules.states import BatchStatus
from batches.services.core.transition import transition
from tests.conftest import Portal, Queue

LINE = b'{"custom_id":"row-%d","method":"POST","url":"/v1/chat/completions","body":{"model":"m","messages":[%s]}}\n'
Answer = TypeVar("Answer")
MESSAGE = b'{"role":"user","content":"two plus two?"}'


def lines(count: int) -> bytes:
    return b"".join(LINE % (number, MESSAGE) for number in range(1, count + 1))


@pytest.fixture
def client(portal: Portal) -> Iterator[OpenAI]:
    """The SDK as a user sets it up, but strict."""
    with OpenAI(base_url=f"{portal.url}/v1", api_key=portal.key, max_retries=0, _strict_response_validation=True) as client:
        yield client


def test_a_file_is_taken_in_every_form_that_the_sdk_has(client: OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "jobs.jsonl"
    path.write_bytes(lines(1))
    assert client.files.create(file=lines(1), purpose="batch").filename == "upload"
    assert client.files.create(file=io.BytesIO(lines(1)), purpose="batch").filename == "upload"
    assert client.files.create(file=("mine.jsonl", lines(1)), purpose="batch").filename == "mine.jsonl"
    assert client.files.create(file=("mine.jsonl", lines(1), "application/jsonl"), purpose="batch").filename == "mine.jsonl"
    assert client.files.create(file=path, purpose="batch").filename == "jobs.jsonl"
    with path.open("rb") as opened:
        assert client.files.create(file=opened, purpose="batch").filename == "jobs.jsonl"


def test_a_file_lives_as_long_as_the_sdk_says(client: OpenAI) -> None:
    file = client.files.create(file=lines(1), purpose="batch", expires_after={"anchor": "created_at", "seconds": 3600})
    assert file.expires_at == file.created_at + 3600


def test_files_are_listed_read_and_deleted(client: OpenAI) -> None:
    ids = {client.files.create(file=lines(number), purpose="batch").id for number in range(1, 4)}
    assert {file.id for file in client.files.list(limit=1)} == ids
    assert {file.id for file in client.files.list(purpose="batch", order="asc", limit=2)} == ids
    first = client.files.list(order="asc").data[0]
    assert client.files.retrieve(first.id) == first
    assert client.files.content(first.id).read() == lines(1)
    assert client.files.wait_for_processing(first.id).status == "processed"
    deleted = client.files.delete(first.id)
    assert (deleted.id, deleted.deleted) == (first.id, True)
    with pytest.raises(openai.NotFoundError) as missing:
        client.files.retrieve(first.id)
    assert missing.value.type == "invalid_request_error"
    assert missing.value.request_id


def test_every_listed_file_can_be_deleted_while_the_sdk_pages(client: OpenAI) -> None:
    for number in range(1, 4):
        client.files.create(file=lines(number), purpose="batch")
    for file in client.files.list(limit=1):
        client.files.delete(file.id)
    assert client.files.list().data == []


def test_an_upload_in_two_parts_becomes_a_file(client: OpenAI) -> None:
    content = lines(4)
    half = len(content) // 2
    upload = client.uploads.create(bytes=len(content), filename="jobs.jsonl", mime_type="application/jsonl", purpose="batch")
    assert upload.status == "pending"
    parts = [client.uploads.parts.create(upload.id, data=piece).id for piece in (content[:half], content[half:])]
    completed = client.uploads.complete(upload.id, part_ids=parts)
    assert completed.status == "completed"
    assert completed.file is not None
    assert client.files.content(completed.file.id).read() == content


def test_the_sdk_splits_a_file_into_parts_itself(client: OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "jobs.jsonl"
    path.write_bytes(lines(20))
    upload = client.uploads.upload_file_chunked(file=path, mime_type="application/jsonl", purpose="batch", part_size=500)
    assert upload.file is not None
    assert client.files.content(upload.file.id).read() == lines(20)


def test_an_upload_is_cancelled(client: OpenAI) -> None:
    upload = client.uploads.create(bytes=5, filename="jobs.jsonl", mime_type="application/jsonl", purpose="batch")
    assert client.uploads.cancel(upload.id).status == "cancelled"


def test_batches_are_listed_and_read(client: OpenAI) -> None:
    file = client.files.create(file=lines(1), purpose="batch")
    made = [
        client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"n": str(number)}
        )
        for number in range(3)
    ]
    assert [batch.id for batch in client.batches.list(limit=1)] == [batch.id for batch in reversed(made)]
    assert client.batches.retrieve(made[0].id) == made[0]


def test_a_batch_without_metadata_and_with_an_output_that_expires(client: OpenAI) -> None:
    file = client.files.create(file=lines(1), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/responses",
        completion_window="24h",
        metadata=None,
        output_expires_after={"anchor": "created_at", "seconds": 7200},
    )
    assert batch.metadata is None
    assert Batch.objects.get().output_lifetime_seconds == 7200


def test_cancelling_a_batch_that_is_over_is_a_conflict_at_the_first_try(client: OpenAI) -> None:
    """With retries allowed, so that the header which forbids them is what stops them."""
    file = client.files.create(file=lines(1), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    assert client.batches.cancel(batch.id).status == "cancelling"
    assert client.batches.cancel(batch.id).status == "cancelling"
    transition(Batch.objects.get(), BatchStatus.CANCELLED, actor=ENGINE, now=Batch.objects.get().created_at)
    with pytest.raises(openai.ConflictError) as conflict:
        client.with_options(max_retries=2).batches.cancel(batch.id)
    assert conflict.value.response.request.headers["x-stainless-retry-count"] == "0"
    assert "'cancelled'" in conflict.value.message


def test_every_error_is_the_one_that_the_sdk_has_a_class_for(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_unknown")
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("a/b")
    with pytest.raises(openai.BadRequestError) as bad:
        client.batches.list(limit=101).data  # noqa: B018
    assert (bad.value.param, bad.value.code) == ("limit", "invalid_value")
    with pytest.raises(openai.AuthenticationError) as unknown:
        client.with_options(api_key="by_wrong").files.list()
    assert unknown.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError, match="the base URL is"):
        client.with_options(base_url=str(client.base_url).replace("/v1", "")).batches.list()


def test_a_batch_runs_from_upload_to_results(client: OpenAI, queue: Queue) -> None:
    file = client.files.create(file=lines(300), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    assert batch.status == "validating"
    queue.run_until(lambda: client.batches.retrieve(batch.id).status == "completed")
    batch = client.batches.retrieve(batch.id)
    assert batch.request_counts is not None
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (300, 300, 0)
    assert (batch.model, batch.error_file_id) == ("m", None)
    assert batch.usage is not None
    assert batch.usage.total_tokens == batch.usage.input_tokens + batch.usage.output_tokens > 0
    assert batch.output_file_id is not None
    output = client.files.content(batch.output_file_id)
    assert [line.count('"status_code":200') for line in output.text.splitlines()] == [1] * 300
    assert client.files.retrieve(batch.output_file_id).purpose == "batch_output"


def test_the_asynchronous_client_is_answered_alike(portal: Portal, queue: Queue) -> None:
    def ask(call: Callable[[AsyncOpenAI], Awaitable[Answer]]) -> Answer:
        async def asked() -> Answer:
            base_url, key = f"{portal.url}/v1", portal.key
            async with AsyncOpenAI(base_url=base_url, api_key=key, max_retries=0, _strict_response_validation=True) as client:
                return await call(client)

        return asyncio.run(asked())

    async def create(client: AsyncOpenAI) -> ShownBatch:
        file = await client.files.create(file=lines(3), purpose="batch")
        return await client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")

    async def listed(client: AsyncOpenAI) -> list[str]:
        return [batch.id async for batch in client.batches.list(limit=1)]

    made = [ask(create).id for _ in range(2)]
    assert ask(listed) == made[::-1]
    queue.run_until(lambda: ask(lambda client: client.batches.retrieve(made[0])).status == "completed")
    output_file_id = ask(lambda client: client.batches.retrieve(made[0])).output_file_id
    assert output_file_id is not None
    output = ask(lambda client: client.files.content(output_file_id))
    assert output.text.count('"status_code":200') == 3

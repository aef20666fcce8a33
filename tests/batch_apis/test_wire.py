"""The stand-in is held to the wire: the official clients work with it unmodified."""

from collections.abc import Iterator

import msgspec
import pytest
from anthropic import Anthropic
from openai import AzureOpenAI, NotFoundError, OpenAI

from tests.batch_apis import BatchApis, Create, Ending, Plan

pytestmark = pytest.mark.long

KEY = "sk-of-a-client-0123456789"


@pytest.fixture
def apis() -> Iterator[BatchApis]:
    with BatchApis() as served:
        yield served


def lines(count: int) -> bytes:
    """An input file of chat completions."""
    body = {"model": "m-small", "messages": [{"role": "user", "content": "two plus two?"}]}
    rows = [{"custom_id": f"row-{n}", "method": "POST", "url": "/v1/chat/completions", "body": body} for n in range(count)]
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


@pytest.mark.parametrize("family", ["openai", "groq", "novita", "azure", "azure dated"])
def test_openais_client_runs_a_whole_batch(apis: BatchApis, family: str) -> None:
    client = _openai(apis, family)
    file = client.files.create(file=("rows.jsonl", lines(4)), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"a": "b"}
    )
    assert batch.status.lower() == "validating"

    apis.advance(60)
    batch = client.batches.retrieve(batch.id)
    assert batch.status.lower() == "completed"
    assert batch.output_file_id
    found = [msgspec.json.decode(line) for line in client.files.content(batch.output_file_id).text.splitlines()]
    assert [row["custom_id"] for row in found] == [f"row-{n}" for n in range(4)]
    assert [each.id for each in client.batches.list()] == [batch.id]

    assert client.files.delete(file.id).deleted
    with pytest.raises(NotFoundError):
        client.files.retrieve(file.id)


def test_openais_client_cancels_and_reads_what_ran(apis: BatchApis) -> None:
    client = _openai(apis, "openai")
    apis.plan(Plan(seconds=100))
    file = client.files.create(file=("rows.jsonl", lines(4)), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    apis.advance(50)
    assert client.batches.cancel(batch.id).status == "cancelling"
    apis.advance(100)
    batch = client.batches.retrieve(batch.id)
    assert (batch.status, batch.request_counts and batch.request_counts.completed) == ("cancelled", 2)
    assert batch.error_file_id
    assert client.files.content(batch.error_file_id).text.count("batch_cancelled") == 2


def test_openais_client_sends_a_create_again_by_itself(apis: BatchApis) -> None:
    """The reason why no official client submits the portal's jobs: each repeat makes a job that is paid for."""
    client = OpenAI(base_url=apis.url("openai"), api_key=KEY, max_retries=1)
    apis.plan(Plan(create=Create.ERROR_AFTER))
    file = client.files.create(file=("rows.jsonl", lines(1)), purpose="batch")
    client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    assert len(apis.jobs) == 2


def test_anthropics_client_runs_a_whole_batch(apis: BatchApis) -> None:
    client = Anthropic(base_url=apis.url("anthropic"), api_key=KEY, max_retries=0)
    apis.plan(Plan(ending=Ending.EXPIRED, answered=0.5))
    params = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "two plus two?"}]}
    batch = client.messages.batches.create(requests=[{"custom_id": f"row-{n}", "params": params} for n in range(4)])  # type: ignore[typeddict-item]
    assert batch.processing_status == "in_progress"
    assert batch.request_counts.processing == 4

    apis.advance(60)
    batch = client.messages.batches.retrieve(batch.id)
    assert (batch.processing_status, batch.request_counts.succeeded, batch.request_counts.expired) == ("ended", 2, 2)
    kinds = [row.result.type for row in client.messages.batches.results(batch.id)]
    assert kinds == ["succeeded", "succeeded", "expired", "expired"]
    assert [each.id for each in client.messages.batches.list(limit=1)] == [batch.id]
    assert client.messages.batches.delete(batch.id).type == "message_batch_deleted"


def _openai(apis: BatchApis, family: str) -> OpenAI:
    if family == "azure dated":
        return AzureOpenAI(azure_endpoint=f"{apis.origin}/azure", api_key=KEY, api_version="2024-10-21", max_retries=0)
    return OpenAI(base_url=apis.url(family), api_key=KEY, max_retries=0)

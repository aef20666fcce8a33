"""C16: Azure's client, unmodified, and its spelling of endpoints."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import AzureOpenAI, OpenAI

from batches.models import Batch
from tests.conftest import Portal, Queue
from tests.dialects.openai.conftest import Api

BODY = {"model": "m", "messages": [{"role": "user", "content": "two plus two?"}]}


def line(custom_id: str, url: str) -> bytes:
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": url, "body": BODY}).encode() + b"\n"


@pytest.fixture
def client(portal: Portal) -> Iterator[AzureOpenAI]:
    with AzureOpenAI(azure_endpoint=portal.url, api_key=portal.key, api_version="2024-10-21", max_retries=0) as client:
        yield client


def finished(client: OpenAI, batch_id: str, queue: Queue) -> Any:
    queue.run_until(lambda: client.batches.retrieve(batch_id).status in ("completed", "failed"))
    return client.batches.retrieve(batch_id)


@pytest.mark.parametrize("endpoint", ["/chat/completions", "/v1/chat/completions"])
def test_a_batch_from_its_file_to_its_results(client: AzureOpenAI, queue: Queue, endpoint: Any) -> None:
    content = line("a", "/chat/completions") + line("b", "/v1/chat/completions")
    file = client.files.create(file=("jobs.jsonl", content), purpose="batch")
    made = client.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h")
    batch = finished(client, made.id, queue)
    assert (batch.status, batch.request_counts.completed) == ("completed", 2)
    results = [json.loads(text) for text in client.files.content(batch.output_file_id).text.splitlines()]
    assert [result["custom_id"] for result in results] == ["a", "b"]
    assert [each.id for each in client.batches.list(limit=1)] == [made.id]
    assert client.files.delete(file.id).deleted


def test_uploads_cancels_and_errors(client: AzureOpenAI) -> None:
    content = line("a", "/chat/completions")
    upload = client.uploads.create(bytes=len(content), filename="j.jsonl", mime_type="application/jsonl", purpose="batch")
    part = client.uploads.parts.create(upload.id, data=content)
    file = client.uploads.complete(upload.id, part_ids=[part.id]).file
    assert file is not None
    made = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    assert client.batches.cancel(made.id).status == "cancelling"
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_unknown")
    stranger = AzureOpenAI(
        azure_endpoint=str(client.base_url).removesuffix("/openai/"), api_key="wrong", api_version="v", max_retries=0
    )
    with pytest.raises(openai.AuthenticationError):
        stranger.batches.list()


def test_a_single_call_of_a_deployment_is_told_apart_from_a_wrong_base_url(client: AzureOpenAI) -> None:
    messages: Any = BODY["messages"]
    with pytest.raises(openai.NotFoundError) as refused:
        client.chat.completions.create(model="m", messages=messages)
    assert "/openai/deployments/m/chat/completions" in str(refused.value)
    assert "put them into a batch" in str(refused.value)


def test_inline_requests_may_leave_the_version_out_too(api: Api) -> None:
    items = [{"custom_id": "a", "url": "/chat/completions", "body": BODY}, {"custom_id": "b", "body": BODY}]
    answer = api.batch(input_file_id=None, endpoint="/chat/completions", requests=items)
    assert answer.status == 200
    assert answer.json["endpoint"] == Batch.objects.get().endpoint == "/v1/chat/completions"
    for wrong in ("/chat", "chat/completions", "/v2/chat/completions", "/v1/v1/chat/completions"):
        assert api.batch(endpoint=wrong).status == 400


def test_the_key_is_taken_in_azures_header(key: str, api: Api) -> None:
    nobody = Api(None)
    assert nobody.get("/openai/batches?api-version=v", headers={"api-key": key}).status == 200
    assert nobody.get("/v1/batches", headers={"api-key": key}).status == 200
    assert nobody.get("/openai/files", headers={"api-key": "wrong"}).status == 401

"""Clients of a gateway over real HTTP: plain calls, and the `openai` package with what it may add to them."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any, Literal

import openai
import pytest
from openai import OpenAI

from tests.conftest import Portal, Queue
from tests.dialects.bifrost.conftest import item

CHAT: Literal["/v1/chat/completions"] = "/v1/chat/completions"
SIMULATOR = {"provider": "simulator"}


def call(portal: Portal, path: str, document: object = None) -> Any:
    """What the portal answers, over plain HTTP."""
    body = None if document is None else json.dumps(document).encode()
    headers = {"x-bf-vk": portal.key, "Content-Type": "application/json"}
    request = urllib.request.Request(f"{portal.url}/bifrost/v1{path}", data=body, headers=headers)  # noqa: S310 - our own
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return json.load(answer)


@pytest.fixture
def client(portal: Portal) -> Iterator[OpenAI]:
    """The SDK, which reads the gateway's answers without validating them."""
    with OpenAI(base_url=f"{portal.url}/bifrost/v1", api_key=portal.key, max_retries=0) as client:
        yield client


def test_a_batch_runs_from_its_creation_to_its_results_over_plain_http(portal: Portal, queue: Queue) -> None:
    batch = call(portal, "/batches", {"model": "simulator/m", "requests": [item("a"), item("b")]})
    path = f"/batches/{batch['id']}"
    queue.run_until(lambda: bool(call(portal, f"{path}?provider=simulator")["done"]))
    ended = call(portal, f"{path}?provider=simulator")
    assert ended["results_url"].startswith(f"{portal.url}/bifrost/v1{path}/results?")
    found = call(portal, ended["results_url"].removeprefix(f"{portal.url}/bifrost/v1"))
    assert [one["custom_id"] for one in found["results"]] == ["a", "b"]
    assert [one["id"] for one in call(portal, "/batches?provider=simulator")["data"]] == [batch["id"]]


def test_the_openai_sdk_reads_the_gateways_answers(client: OpenAI, queue: Queue) -> None:
    line = {"custom_id": "a", "method": "POST", "url": CHAT, "body": item()["body"]}
    file = client.files.create(file=json.dumps(line).encode(), purpose="batch", extra_body=SIMULATOR)
    batch = client.batches.create(
        input_file_id=file.id, endpoint=CHAT, completion_window="24h", extra_body={"model": "simulator/m"}
    )
    queue.run_until(lambda: client.batches.retrieve(batch.id, extra_query=SIMULATOR).status == "completed")
    assert [one.id for one in client.batches.list(extra_query=SIMULATOR, limit=1)] == [batch.id]
    ended = client.batches.retrieve(batch.id, extra_query=SIMULATOR)
    assert ended.output_file_id is not None
    assert '"custom_id":"a"' in client.files.content(ended.output_file_id).text
    with pytest.raises(openai.BadRequestError, match="provider") as missing:
        client.batches.retrieve(batch.id)
    assert (missing.value.param, missing.value.code) == ("provider", "missing_required_parameter")
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(batch.id, extra_query=SIMULATOR)


def test_the_openai_sdk_sends_requests_inline_to_the_openai_face(portal: Portal, queue: Queue) -> None:
    with OpenAI(base_url=f"{portal.url}/v1", api_key=portal.key, max_retries=0, _strict_response_validation=True) as client:
        batch = client.batches.create(
            input_file_id=openai.omit,  # type: ignore[arg-type]
            endpoint=CHAT,
            completion_window="24h",
            extra_body={"model": "simulator/m", "requests": [item("a"), item("b")]},
        )
        assert (batch.status, batch.endpoint) == ("validating", CHAT)
        queue.run_until(lambda: client.batches.retrieve(batch.id).status == "completed")
        ended = client.batches.retrieve(batch.id)
        assert ended.request_counts is not None
        assert (ended.request_counts.total, ended.request_counts.completed) == (2, 2)
        with pytest.raises(openai.BadRequestError) as both:
            client.batches.create(
                input_file_id=batch.input_file_id, endpoint=CHAT, completion_window="24h", extra_body={"requests": [item()]}
            )
        assert both.value.param == "requests"

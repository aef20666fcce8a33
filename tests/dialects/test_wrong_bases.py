"""C15: Groq's client has a base URL of its own; and whoever has a wrong one gets advice that works."""

import json
import re
from collections.abc import Callable
from typing import Any

import anthropic
import groq
import httpx
import openai
import pytest
from anthropic import Anthropic
from groq import AsyncGroq, Groq
from merge.client import Merge
from merge.core.api_error import ApiError
from openai import AzureOpenAI, OpenAI

from tests.conftest import Portal, Queue
from tests.dialects.conformance import FACES

Try = Callable[[str, str], object]  # a call with this base URL and key


def by_openai(base: str, key: str) -> object:
    with OpenAI(base_url=base, api_key=key, max_retries=0) as client:
        return client.batches.list()


def by_openai_to_bifrost(base: str, key: str) -> object:
    with OpenAI(base_url=base, api_key=key, max_retries=0) as client:
        return client.batches.list(extra_query={"provider": "simulator"})


def by_azure(base: str, key: str) -> object:
    with AzureOpenAI(azure_endpoint=base, api_key=key, api_version="v", max_retries=0) as client:
        return client.batches.list()


def by_groq(base: str, key: str) -> object:
    with Groq(base_url=base, api_key=key, max_retries=0) as client:
        return client.batches.list()


def by_anthropic(base: str, key: str) -> object:
    with Anthropic(base_url=base, api_key=key, max_retries=0) as client:
        return client.messages.batches.list()


def by_merge(base: str, key: str) -> object:
    items: Any = [{"item_id": "a", "payload": {"total_amount": 1}}]
    with httpx.Client() as http:  # the SDK does not close one that it makes itself
        client = Merge(base_url=base, api_key=key, account_token="simulator", httpx_client=http)
        return client.accounting.invoices.bulk_create(batch_items=items, request_options={"max_retries": 0})


REFUSED = (openai.NotFoundError, groq.NotFoundError, anthropic.NotFoundError, ApiError)
WRONG: list[tuple[str, Try, str, list[str]]] = [
    (
        "OpenAI's clients",
        by_openai,
        "/v1",
        ["", "/v1/v1", "/v2", "/groq", "/anthropic", "/anthropic/v1", "/api", "/v1/openai", "/accounting"],
    ),
    ("OpenAI's clients in this dialect", by_openai_to_bifrost, "/bifrost/v1", ["/bifrost", "/bifrost/v1/v1"]),
    ("Novita's clients", by_openai, "/openai/v1", ["/openai/v1/v1"]),
    ("Azure's clients", by_azure, "", ["/openai", "/v1", "/openai/v1", "/azure"]),
    ("Groq's client", by_groq, "/groq", ["", "/v1", "/openai/v1", "/groq/openai/v1", "/openai"]),
    ("Anthropic's clients", by_anthropic, "", ["/v1", "/openai/v1", "/groq", "/api", "/v1/messages", "/bifrost"]),
    ("Merge's client", by_merge, "/api", ["/v1", "/api/v1", "/api/accounting", "/api/accounting/v1", "/openai/v1", "/merge"]),
]


@pytest.mark.parametrize(
    ("who", "call", "right", "wrong"), [(who, call, right, base) for who, call, right, bases in WRONG for base in bases]
)
def test_the_advice_works(portal: Portal, who: str, call: Try, right: str, wrong: str) -> None:
    with pytest.raises(REFUSED) as refused:
        call(portal.url + wrong, portal.key)
    said = str(refused.value)
    advice = re.search(rf"{re.escape(who)}: the base URL is (\S+)\.(?=[\s'\"]|$)", said)
    assert advice, said
    assert advice[1].rstrip("/") == portal.url + right
    call(advice[1], portal.key)


def test_groqs_client_from_its_file_to_its_results(portal: Portal, queue: Queue) -> None:
    client = Groq(base_url=f"{portal.url}/groq", api_key=portal.key, max_retries=0)
    body = {"model": "m", "messages": [{"role": "user", "content": "?"}]}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    file = client.files.create(file=("jobs.jsonl", json.dumps(line).encode()), purpose="batch")
    assert file.id
    made = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    queue.run_until(lambda: client.batches.retrieve(made.id).status == "completed")
    output = client.batches.retrieve(made.id).output_file_id
    assert output
    assert json.loads(client.files.content(output).read())["custom_id"] == "a"
    assert [batch.id for batch in client.batches.list().data] == [made.id]


def test_groqs_asynchronous_client_is_known_by_its_name_too(key: str, portal: Portal) -> None:
    agent = AsyncGroq(api_key=key).user_agent
    face = FACES["novita"](key)
    refused = face.get("/openai/v1/batches", headers={"User-Agent": agent})
    assert (refused.status, refused.error["code"]) == (404, "unknown_url")
    assert face.get("/openai/v1/batches", headers={"User-Agent": "AsyncOpenAI/Python 3.57.0"}).status == 200


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses", "/openai/v1/embeddings"])
def test_a_single_call_is_told_to_come_in_a_batch(key: str, portal: Portal, path: str) -> None:
    answer = FACES["openai"](key).call("POST", path)
    assert answer.status == 404
    assert b"put them into a batch" in answer.content


def test_a_path_of_many_segments_is_looked_at_from_its_end_alone(key: str, portal: Portal) -> None:
    answer = FACES["openai"](key).get("/v1" + "/x" * 2000 + "/batches")
    assert answer.status == 404
    assert "/v1." in answer.error["message"]


def test_a_browser_sees_a_page(key: str, portal: Portal) -> None:
    answer = FACES["openai"](key).get("/elsewhere/batches", headers={"Accept": "text/html,*/*"})
    assert (answer.status, answer.headers["Content-Type"].partition(";")[0]) == (404, "text/html")

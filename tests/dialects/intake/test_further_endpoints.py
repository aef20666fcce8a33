"""C19: a provider may be given further endpoints, which are batched in every dialect that leaves the choice."""

from typing import Any

import msgspec
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from batches.models import Batch, Dialect, File, Project
from batches.rules.actors import COMMAND
from batches.rules.errors import NoProvider
from batches.rules.states import BatchStatus
from batches.services.control.reroute import reroute
from providers.models import Provider
from tests.answers import say
from tests.conftest import Queue
from tests.upstream import Upstream, upstream

__all__ = ["upstream"]

SCORE, RERANK, TRANSCRIPTIONS = FURTHER = ["/v1/score", "/v1/rerank", "/v1/audio/transcriptions"]


@pytest.fixture
def vllm(transactional_db: None, simulator: Provider, upstream: Upstream) -> Provider:
    return Provider.objects.create(
        name="vllm", adapter="openai", base_url=upstream.base_url, options={"further_endpoints": FURTHER}, is_default=True
    )


@pytest.fixture
def caller(client: Client, key: str) -> Client:
    client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {key}"
    return client


def lines(endpoint: str, **more: Any) -> bytes:
    body = {"text_1": "a", "text_2": "b", "query": "q", **more}
    return b"".join(
        msgspec.json.encode({"custom_id": name, "method": "POST", "url": endpoint, "body": body}) + b"\n"
        for name in ("one", "two")
    )


def inline(endpoint: str, **more: Any) -> dict[str, Any]:
    items = [msgspec.json.decode(line) for line in lines(endpoint).splitlines()]
    return {"endpoint": endpoint, "completion_window": "24h", "requests": items, **more}


def post(caller: Client, path: str, body: dict[str, Any]) -> Any:
    return caller.post(path, msgspec.json.encode(body), content_type="application/json")


@pytest.mark.parametrize("endpoint", FURTHER)
@pytest.mark.parametrize("path", ["/v1/batches", "/bifrost/v1/batches?provider=vllm"])
def test_c19_further_endpoints_are_carried_out(
    path: str, endpoint: str, vllm: Provider, caller: Client, upstream: Upstream, queue: Queue
) -> None:
    upstream.behave(lambda _: say(b'{"score":0.5}'))
    answer = post(caller, path, inline(endpoint))
    assert answer.status_code == 200, answer.content
    batch = Batch.objects.get()
    queue.run_until(lambda: Batch.objects.get().status == BatchStatus.COMPLETED)
    batch.refresh_from_db()
    assert batch.endpoint == endpoint
    assert {request.path for request in upstream.requests} == {endpoint}
    assert msgspec.json.decode(upstream.requests[0].body)["text_1"] == "a"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/batches", inline(SCORE)),
        ("/bifrost/v1/batches?provider=simulator", inline(SCORE)),
        ("/api/v1/batches", {key: value for key, value in inline(SCORE).items() if key != "completion_window"}),
    ],
)
def test_c19_what_nobody_serves_is_refused_with_what_there_is(
    path: str, body: dict[str, Any], simulator: Provider, caller: Client, transactional_db: None
) -> None:
    answer = post(caller, path, body)
    assert answer.status_code == 400
    assert "endpoint" in answer.content.decode() or "url" in answer.content.decode()
    assert not Batch.objects.exists()


@pytest.mark.parametrize("path", ["/v1/batches", "/bifrost/v1/batches", "/api/v1/batches"])
def test_c19_a_provider_that_does_not_serve_it_says_what_it_serves(path: str, vllm: Provider, caller: Client) -> None:
    body = inline(SCORE, provider="simulator")
    if path.startswith("/api"):
        body.pop("completion_window")
    answer = post(caller, path, body)
    assert answer.status_code == 400
    text = answer.content.decode()
    assert "Provider simulator does not serve /v1/score. It serves " in text
    assert "/v1/chat/completions" in text
    assert not Batch.objects.exists()


def test_c19_novita_takes_a_file_for_a_further_endpoint(vllm: Provider, caller: Client) -> None:
    upload = SimpleUploadedFile("in.jsonl", lines(RERANK))
    file = caller.post("/openai/v1/files", {"purpose": "batch", "file": upload}).json()
    wanted = {"input_file_id": file["id"], "completion_window": "48h"}
    assert post(caller, "/openai/v1/batches", {**wanted, "endpoint": RERANK}).status_code == 200
    refused = post(caller, "/openai/v1/batches", {**wanted, "endpoint": "/v1/elsewhere"})
    assert refused.status_code == 400
    assert "/v1/rerank" in refused.content.decode(), "it names what there is"
    assert Batch.objects.get().endpoint == RERANK
    assert File.objects.filter(purpose="batch").count() == 1


def test_c19_a_batch_goes_only_to_providers_that_serve_it(vllm: Provider, caller: Client, project: Project, queue: Queue) -> None:
    other = Provider.objects.create(name="other", adapter="openai", base_url=vllm.base_url, options=vllm.options)
    assert post(caller, "/v1/batches", inline(SCORE)).status_code == 200
    batch = Batch.objects.get()
    with pytest.raises(NoProvider, match="Provider simulator does not serve /v1/score"):
        reroute(batch, provider_name="simulator", actor=COMMAND, now=timezone.now())
    assert reroute(batch, provider_name="other", actor=COMMAND, now=timezone.now()).provider == other
    assert batch.dialect == Dialect.OPENAI

"""The superset of gateways at `/v1/batches`: requests in the create call, and the choice of a provider."""

import json
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from batches.models import Batch, File
from providers.models import Provider
from tests.conftest import Queue
from tests.dialects.openai.conftest import CHAT, Answer, Api

BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


def item(custom_id: object = "a", **more: Any) -> dict[str, Any]:
    """One request in OpenAI's flavour."""
    return {"custom_id": custom_id, "body": BODY} | more


def message(custom_id: str = "a", **more: Any) -> dict[str, Any]:
    """One request in Anthropic's flavour."""
    return {"custom_id": custom_id, "params": BODY | {"max_tokens": 5}} | more


def create(api: Api, *items: object, **parameters: Any) -> Answer:
    return api.post("/v1/batches", {"requests": items, "completion_window": "24h"} | parameters)


def input_lines() -> list[Any]:
    """The lines of the one input file there is."""
    with File.objects.get().content.open("rb") as content:
        return [json.loads(line) for line in content]


def test_requests_in_the_call_make_a_batch_that_looks_like_any_other(api: Api) -> None:
    answer = create(api, item("a"), item("b"), endpoint=CHAT, metadata={"team": "ops"})
    assert answer.status == 200
    assert answer.json.keys() == api.batch().json.keys()
    batch = Batch.objects.get(pk=answer.json["id"].removeprefix("batch_"))
    assert (batch.dialect, batch.endpoint, batch.metadata) == ("openai", CHAT, {"team": "ops"})
    assert api.get(f"/v1/files/{answer.json['input_file_id']}").json["purpose"] == "batch"


def test_bodies_reach_the_input_byte_for_byte(api: Api) -> None:
    body = b'{"n": 1.0e2,"big":123456789012345678901234567890, "t":"\\u00e4\\/ \xc3\xa4"}'
    answer = api.post_bytes("/v1/batches", b'{"completion_window":"24h","requests":[{"body":' + body + b',"custom_id":"a"}]}')
    assert answer.status == 200
    with File.objects.get().content.open("rb") as content:
        assert content.read() == b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":' + body + b"}\n"


@pytest.mark.parametrize(
    ("items", "named", "endpoint"),
    [
        ([item()], None, CHAT),
        ([item()], "/v1/embeddings", "/v1/embeddings"),
        ([item(url="/v1/responses")], None, "/v1/responses"),
        ([item("a"), item("b", url="/v1/responses")], None, "/v1/responses"),
        ([item("a", url="/v1/responses"), item("b")], "/v1/responses", "/v1/responses"),
        ([item(body=None, params=BODY)], None, "/v1/messages"),
        ([message("a", url="/v1/messages"), message("b")], "/v1/messages", "/v1/messages"),
        ([item(method="POST", url=None, params=None)], None, CHAT),
    ],
)
def test_the_endpoint_is_the_calls_else_the_items_else_chat(api: Api, items: list[Any], named: str | None, endpoint: str) -> None:
    for order in (1, -1):
        members = {"requests": items, "endpoint": named, "completion_window": "24h"}
        answer = api.post("/v1/batches", dict(list(members.items())[::order]))
        assert answer.status == 200, answer.content
        assert answer.json["endpoint"] == endpoint
        assert {line["url"] for line in input_lines()} == {endpoint}
        Batch.objects.all().delete()
        File.objects.all().delete()


@pytest.mark.parametrize(
    ("items", "parameters", "param", "code"),
    [
        ([], {}, "input_file_id", "missing_required_parameter"),
        (None, {}, "input_file_id", "missing_required_parameter"),
        ({}, {}, "requests", "invalid_type"),
        ("text", {}, "requests", "invalid_type"),
        ([item()], {"input_file_id": "file-1"}, "requests", "invalid_value"),
        ([item()], {"completion_window": None}, "completion_window", "invalid_type"),
        ([item()], {"endpoint": "/v1/nothing"}, "endpoint", "invalid_value"),
        ([item()], {"metadata": {"a": 5}}, "metadata", "invalid_type"),
        ([5], {}, "requests.0", "invalid_value"),
        ([{"body": BODY}], {}, "requests.0", "invalid_value"),
        ([item(5)], {}, "requests.0.custom_id", "invalid_value"),
        ([{"custom_id": "a"}], {}, "requests.0", "invalid_value"),
        ([item(params=BODY)], {}, "requests.0", "invalid_value"),
        ([item(body=[])], {}, "requests.0.body", "invalid_type"),
        ([item(body="x")], {}, "requests.0.body", "invalid_type"),
        ([message(params=5)], {}, "requests.0.params", "invalid_type"),
        ([item(method="GET")], {}, "requests.0.method", "invalid_value"),
        ([item(url="/v1/nothing")], {}, "requests.0.url", "invalid_value"),
        ([item("a", url=CHAT), item("b", url="/v1/responses")], {}, "requests.1.url", "invalid_value"),
        ([message(url=CHAT)], {}, "requests.0.url", "invalid_value"),
        ([message("a"), item("b", url=CHAT)], {}, "requests.1.url", "invalid_value"),
        ([item(url="/v1/responses")], {"endpoint": CHAT}, "requests.0", "invalid_value"),
        ([message()], {"endpoint": CHAT}, "requests.0", "invalid_value"),
        ([item("a"), item("a")], {}, "requests.1", "invalid_value"),
        ([item()], {"model": 5}, "model", "invalid_type"),
        ([item()], {"model": "nowhere/m"}, "provider", "no_provider"),
        ([item()], {"provider": "nowhere"}, "provider", "no_provider"),
        ([item()], {"provider": "x" * 101}, "provider", "invalid_value"),
    ],
)
def test_what_cannot_be_taken_is_refused_by_its_place_and_leaves_nothing_behind(
    api: Api, media_root: Path, items: object, parameters: dict[str, Any], param: str, code: str
) -> None:
    answer = api.post("/v1/batches", {"requests": items, "completion_window": "24h"} | parameters)
    assert answer.status == 400
    assert (answer.error["param"], answer.error["code"]) == (param, code)
    assert len(answer.content) < 1000
    assert not Batch.objects.exists()
    assert not File.objects.exists()
    assert [path for path in media_root.rglob("*") if path.is_file()] == []


def test_limits_hold_for_requests_in_the_call(api: Api, settings: Settings) -> None:
    settings.MAX_BATCH_LINES = 2
    assert create(api, item("a"), item("b")).status == 200
    assert create(api, item("a"), item("b"), item("c")).error["param"] == "requests"
    settings.MAX_LINE_BYTES = 100
    assert create(api, item("x" * 100)).status == 413
    settings.MAX_INLINE_BYTES = 50
    assert create(api, item("a")).status == 413


def test_what_an_item_asks_for_is_validated_later_like_a_line_of_a_file(api: Api, queue: Queue) -> None:
    batch_id = create(api, item("a"), item("b", body=BODY | {"model": "other"}), model="simulator/m").json["id"]
    queue.run_until(lambda: api.get(f"/v1/batches/{batch_id}").json["status"] == "failed")
    (error,) = api.get(f"/v1/batches/{batch_id}").json["errors"]["data"]
    assert (error["code"], error["line"], error["param"]) == ("model_mismatch", 2, "body.model")


def test_messages_run_through_the_openai_face_and_come_back_as_messages(api: Api, queue: Queue) -> None:
    refused = message("b", params=BODY | {"max_tokens": 5, "simulate": {"status": 400}})
    batch_id = create(api, message("a"), refused).json["id"]
    queue.run_until(lambda: api.get(f"/v1/batches/{batch_id}").json["status"] == "completed")
    good, bad = api.get(f"/v1/batches/{batch_id}/results").json["results"]
    assert set(good) == {"custom_id", "result"}
    assert (good["result"]["type"], good["result"]["message"]["type"]) == ("succeeded", "message")
    assert (bad["result"]["type"], bad["result"]["message"]["type"]) == ("errored", "error")


@pytest.fixture
def others(simulator: Provider) -> None:
    """Two more providers, neither of which is a default."""
    Provider.objects.filter(name="simulator").update(is_default=True)
    for name in ("left", "right"):
        Provider.objects.create(name=name, adapter="simulator")


@pytest.mark.parametrize(
    ("model", "query", "header", "body", "chosen"),
    [
        (None, None, None, None, "simulator"),
        ("m", None, None, None, "simulator"),
        ("m", None, None, "left", "left"),
        ("m", None, "left", "right", "left"),
        ("m", "left", "right", "right", "left"),
        ("left/m", "right", "right", "right", "left"),
        ("left/vendor/m", None, None, None, "left"),
        ("vendor/m", "left", None, None, "left"),
        ("vendor/m", None, None, "right", "right"),
        ("/m", None, None, None, "simulator"),
        (None, "", "", None, "simulator"),
    ],
)
def test_the_provider_is_the_models_prefix_else_the_querys_the_headers_or_the_bodys(
    api: Api, others: None, model: str | None, query: str | None, header: str | None, body: str | None, chosen: str
) -> None:
    path = "/v1/batches" + ("" if query is None else f"?provider={query}")
    if header is not None:
        api.headers["x-model-provider"] = header
    document = {"requests": [item()], "completion_window": "24h", "model": model, "provider": body}
    answer = api.post(path, document)
    assert answer.status == 200, answer.content
    assert Batch.objects.get().provider.name == chosen


def test_a_file_goes_to_the_provider_that_the_model_names(api: Api, others: None) -> None:
    api.batch(model="right/m")
    assert Batch.objects.get().provider.name == "right"


@pytest.mark.parametrize("query", ["nowhere", "%00", "simulator%00"])
def test_a_provider_that_is_none_is_refused(api: Api, query: str) -> None:
    answer = api.post(f"/v1/batches?provider={query}", {"requests": [item()], "completion_window": "24h"})
    assert (answer.status, answer.error["param"]) == (400, "provider")

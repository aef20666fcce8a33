"""What a create call of Bifrost's may say, what it means, and what is refused."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from batches.models import Batch, File
from providers.models import Provider
from tests.dialects.bifrost.conftest import BATCHES, Bifrost, item, message, problem
from tests.dialects.openai.conftest import CHAT


def input_line(url: object, **more: Any) -> bytes:
    line = {"custom_id": "a", "method": "POST", "url": url, "body": {"model": "m"}} | more
    return json.dumps({name: value for name, value in line.items() if value is not None}).encode() + b"\n"


@pytest.mark.parametrize(
    ("parameters", "query", "header", "model"),
    [
        ({"model": "simulator/m"}, "", None, "m"),
        ({"model": "simulator/vendor/m"}, "", None, "vendor/m"),
        ({"model": "m"}, "?provider=simulator", None, "m"),
        ({"model": "vendor/m"}, "?provider=simulator", None, "vendor/m"),
        ({"model": "simulator/m"}, "?provider=elsewhere", None, "m"),
        ({"model": "m"}, "", "simulator", "m"),
        ({"model": "m", "provider": "simulator"}, "", None, "m"),
        ({"model": None, "provider": "simulator"}, "", None, None),
        ({"model": None}, "?provider=simulator", None, None),
    ],
)
def test_the_provider_is_named_in_one_of_four_places(
    api: Bifrost, parameters: dict[str, Any], query: str, header: str | None, model: str | None
) -> None:
    if header:
        api.headers["x-model-provider"] = header
    answer = api.create(query=query, **parameters)
    assert answer.status == 200, answer.content
    assert answer.json["extra_fields"]["provider"] == "simulator"
    assert answer.json["extra_fields"].get("model_requested") == model


@pytest.mark.parametrize("model", ["m", None, "/m"])
def test_without_a_provider_nothing_is_created(api: Bifrost, model: str | None) -> None:
    answer = api.create(model=model)
    assert (answer.status, problem(answer)["param"]) == (400, "provider")
    assert not File.objects.exists()


@pytest.mark.parametrize("model", ["nowhere/m", "Simulator/m"])
def test_a_provider_that_is_not_there_is_named(api: Bifrost, model: str) -> None:
    answer = api.create(model=model)
    assert (answer.status, problem(answer)["code"]) == (400, "no_provider")
    assert answer.json["extra_fields"] == {"request_type": "batch_create", "provider": model.partition("/")[0]}


def test_the_model_of_the_batch_does_not_change_what_a_request_asks_for(api: Bifrost) -> None:
    api.create(item("a", body={"model": "mine", "n": 1.0}), model="simulator/other")
    with File.objects.get().content.open("rb") as content:
        assert json.loads(content.read())["body"] == {"model": "mine", "n": 1.0}


@pytest.mark.parametrize(
    ("content", "endpoint"),
    [
        (input_line("/v1/embeddings"), "/v1/embeddings"),
        (b"\xef\xbb\xbf\r\n" + input_line("/v1/responses"), "/v1/responses"),
        (input_line(CHAT) + input_line("/v1/responses"), CHAT),
        (input_line(None), CHAT),
        (input_line("/v1/nothing"), CHAT),
        (input_line(5), CHAT),
        (b"nonsense\n", CHAT),
        (b"\xff\xfe\n", CHAT),
        (b"[" * 100_000, CHAT),
        (b"\n", CHAT),
    ],
)
def test_without_an_endpoint_a_file_is_for_what_its_first_line_names(api: Bifrost, content: bytes, endpoint: str) -> None:
    file_id = api.upload(content).json["id"]
    answer = api.post(BATCHES, {"model": "simulator/m", "input_file_id": file_id})
    assert answer.status == 200, answer.content
    assert (answer.json["endpoint"], answer.json["input_file_id"]) == (endpoint, file_id)


def test_a_file_whose_bytes_are_gone_fails_later_like_any_other(api: Bifrost) -> None:
    file_id = api.upload(input_line(CHAT)).json["id"]
    Path(File.objects.get().content.path).unlink()
    assert api.post(BATCHES, {"model": "simulator/m", "input_file_id": file_id}).json["endpoint"] == CHAT


@pytest.mark.parametrize(
    ("items", "endpoint"), [([item()], CHAT), ([message()], "/v1/messages"), ([item(url="/v1/responses")], "/v1/responses")]
)
def test_without_an_endpoint_a_batch_is_for_what_its_items_are(api: Bifrost, items: list[Any], endpoint: str) -> None:
    assert api.create(*items).json["endpoint"] == endpoint


@pytest.mark.parametrize(
    ("window", "length"),
    [
        (None, timedelta(hours=24)),
        ("24h", timedelta(hours=24)),
        ("15m", timedelta(minutes=15)),
        ("90m", timedelta(minutes=90)),
        ("7d", timedelta(days=7)),
        ("168h", timedelta(days=7)),
    ],
)
def test_a_window_is_a_time_from_a_quarter_of_an_hour_to_a_week(api: Bifrost, window: str | None, length: timedelta) -> None:
    shown = api.create(completion_window=window).json
    assert shown["completion_window"] == (window or "24h")
    assert shown["expires_at"] - shown["created_at"] == length.total_seconds()


@pytest.mark.parametrize("window", ["", "14m", "8d", "169h", "24", "h", "1.5h", "-1h", "024h", "24H", "99999d", "24h ", 24, "٢h"])
def test_any_other_window_is_refused(api: Bifrost, window: object) -> None:
    answer = api.create(completion_window=window)
    assert (answer.status, problem(answer)["param"]) == (400, "completion_window")


def test_a_window_that_is_null_is_as_if_it_was_not_there(api: Bifrost) -> None:
    body = {"model": "simulator/m", "requests": [item()], "completion_window": None, "metadata": None, "endpoint": None}
    answer = api.post(BATCHES, body)
    assert answer.json["completion_window"] == "24h"
    assert "metadata" not in answer.json


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"input_file_id": "file-1"}, "requests"),
        ({"requests": None}, "input_file_id"),
        ({"requests": []}, "input_file_id"),
        ({"requests": {}}, "requests"),
        ({"requests": None, "input_blob": "s3://bucket/key"}, "input_file_id"),
        ({"requests": None, "input_file_id": 5}, "input_file_id"),
        ({"endpoint": "/v1/nothing"}, "endpoint"),
        ({"model": 5}, "model"),
        ({"model": "simulator/" + "m" * 300}, "model"),
        ({"metadata": {"a": 5}}, "metadata"),
        ({"metadata": {str(number): "" for number in range(17)}}, "metadata"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 5}}, "output_expires_after.seconds"),
    ],
)
def test_a_wrong_parameter_is_refused_by_its_name(api: Bifrost, parameters: dict[str, Any], param: str) -> None:
    answer = api.create(**parameters)
    assert (answer.status, problem(answer)["param"]) == (400, param)
    assert answer.json["extra_fields"]["request_type"] == "batch_create"
    assert not Batch.objects.exists()
    assert not File.objects.exists()


def test_an_unknown_file_is_not_found(api: Bifrost) -> None:
    answer = api.post(BATCHES, {"model": "simulator/m", "input_file_id": "file-" + "0" * 32})
    assert (answer.status, problem(answer)["param"]) == (404, "input_file_id")


def test_a_provider_of_others_cannot_be_named(api: Bifrost) -> None:
    Provider.objects.create(name="private", adapter="simulator", granted_to_all=False)
    assert problem(api.create(model="private/m"))["code"] == "no_provider"

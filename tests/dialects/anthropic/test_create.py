"""Creating message batches: what is taken, what is refused, and that a refused create leaves nothing behind."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as portal_settings
from pytest_django import Settings

from batches.models import Batch, Event, File, IdempotencyRecord
from providers.models import Provider
from tests.conftest import Queue
from tests.dialects.anthropic.conftest import BATCHES, Api, request


def test_a_new_batch_is_shown_with_every_field_of_the_contract(api: Api) -> None:
    answer = api.create(request("a"), request("b"), request("c"))
    assert answer.status == 200
    shown = answer.json
    identifier, created_at, expires_at = shown.pop("id"), shown.pop("created_at"), shown.pop("expires_at")
    assert identifier.startswith("msgbatch_")
    assert created_at.endswith("Z")
    assert len(created_at) == len("2026-11-21T08:00:00.000000Z")
    assert datetime.fromisoformat(expires_at) - datetime.fromisoformat(created_at) == timedelta(hours=24)
    assert shown == {
        "type": "message_batch",
        "processing_status": "in_progress",
        "request_counts": {"processing": 3, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
        "ended_at": None,
        "cancel_initiated_at": None,
        "archived_at": None,
        "results_url": None,
    }
    assert api.batch(identifier) == answer.json


def test_a_batch_knows_who_made_it(api: Api) -> None:
    api.create()
    batch = Batch.objects.get()
    assert (batch.dialect, batch.endpoint, batch.created_by) == ("anthropic", "/v1/messages", "key tests")
    assert Event.objects.get().source == "api"


def test_params_reach_the_input_byte_for_byte(api: Api) -> None:
    params = b'{"model": "m", "max_tokens":1.0e2,"n":123456789012345678901234567890, "t":"\\u00e4\\/ \xc3\xa4", "stream":false}'
    answer = api.post(BATCHES, b'{"requests":[{"params":' + params + b',"custom_id":"a"}]}')
    assert answer.status == 200
    with File.objects.get().content.open("rb") as content:
        line = content.read()
    assert line == b'{"custom_id":"a","method":"POST","url":"/v1/messages","body":' + params + b"}\n"


@pytest.mark.parametrize("custom_id", ["a", "Z_9-", "x" * 64, "-", "0"])
def test_a_custom_id_has_up_to_64_letters_digits_and_signs(api: Api, custom_id: str) -> None:
    assert api.create(request(custom_id)).status == 200


@pytest.mark.parametrize("custom_id", ["", "x" * 65, "a b", "a.b", "ä", "a\n", "\x00", "a/b", 5, None, ["a"]])
def test_any_other_custom_id_refuses_the_whole_create_and_names_its_place(api: Api, custom_id: Any) -> None:
    answer = api.create(request("fine"), request(custom_id), request("fine-too"))
    assert answer.status == 400
    assert answer.error["type"] == "invalid_request_error"
    assert answer.error["message"].startswith("requests.1.custom_id: ")
    assert_nothing_is_left()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b"[]", "JSON"),
        (b"null", "JSON"),
        (b'{"requests":[{"custom_id":"a","params":{}}]}x', "JSON"),
        (b'{"requests":[{"custom_id":"a","params":{}},]}', "JSON"),
        (b'{"requests":[{"custom_id":"a","params":{}}', "the end"),
        (b'{"requests":[{"custom_id":"a","params":{]]}]}', "requests.0"),
        (b'{"requests":[{"custom_id":"a","params":{"a":NaN}}]}', "requests.0"),
        (b'{"requests":[{"custom_id":"a","params":{"a":"\xff"}}]}', "requests.0: it is not valid UTF-8"),
        (
            b'{"requests":[{"custom_id":"a","params":{"a":' + b"[" * 300 + b"]" * 300 + b"}}]}",
            "requests.0: it is nested too deeply",
        ),
        (b"{}", "requests: "),
        (b'{"requests":[]}', "requests: "),
        (b'{"requests":null}', "requests: "),
        (b'{"requests":{}}', "requests: "),
        (b'{"requests":"x"}', "requests: "),
        (b'{"requests":[5]}', "requests.0: "),
        (b'{"requests":[null]}', "requests.0: "),
        (b'{"requests":[{"params":{}}]}', "requests.0: "),
        (b'{"requests":[{"custom_id":"a"}]}', "requests.0: "),
        (b'{"requests":[{"custom_id":"a","params":null}]}', "requests.0.params: "),
        (b'{"requests":[{"custom_id":"a","params":[]}]}', "requests.0.params: "),
        (b'{"requests":[{"custom_id":"a","params":"x"}]}', "requests.0.params: "),
        (b'{"requests":[{"custom_id":"a","params":{"model":5}}]}', "requests.0.params.model: "),
        (b'{"requests":[{"custom_id":"a","params":{"stream":true}}]}', "requests.0.params.stream: "),
        (b'{"requests":[{"custom_id":"a","params":{"stream":"no"}}]}', "requests.0.params.stream: "),
        (b'{"requests":[{"custom_id":"a","params":{},"metadata":{}}]}', "requests.0: "),
        (b'{"requests":[{"custom_id":"a","params":{}},{"custom_id":"a","params":{}}]}', "requests.1: 'a'"),
        (b'{"requests":[{"custom_id":"a","params":{}}],"requests":[{"custom_id":"a","params":{}}]}', "two members"),
        (b'{"requests":[{"custom_id":"a","params":{}}],"metadata":{}}', "metadata: "),
        (b'{"webhook":null,"requests":[{"custom_id":"a","params":{}}]}', "webhook: "),
        (b'{"requests":5,"requests":[{"custom_id":"a","params":{}}]}', "requests: "),
    ],
)
def test_a_body_that_cannot_be_taken_is_refused_as_a_whole(api: Api, body: bytes, message: str) -> None:
    answer = api.post(BATCHES, body)
    assert answer.status == 400
    assert answer.error["type"] == "invalid_request_error"
    assert message in answer.error["message"]
    assert_nothing_is_left()


def test_a_form_is_not_taken_for_json(api: Api) -> None:
    response = api.client.post(BATCHES, {"requests": "[]"}, headers=api.headers)
    assert response.status_code == 400
    assert_nothing_is_left()


def test_there_may_be_so_many_requests_and_no_more(api: Api, settings: Settings) -> None:
    settings.MAX_INLINE_REQUESTS = 3
    assert api.create(*(request(f"r{n}") for n in range(3))).status == 200
    answer = api.create(*(request(f"r{n}") for n in range(4)))
    assert answer.status == 400
    assert answer.error["message"] == "requests: there may be at most 3 items."


def test_a_body_of_3_mb_is_taken(api: Api) -> None:
    assert api.create(*(request(f"r{n}", system="x" * 1000) for n in range(3000))).json["request_counts"]["processing"] == 3000


def test_a_body_over_the_limit_is_refused(api: Api, settings: Settings) -> None:
    settings.MAX_INLINE_BYTES = 1000
    answer = api.create(request(system="x" * 1000))
    assert (answer.status, answer.error["type"]) == (413, "request_too_large")
    assert_nothing_is_left()


@pytest.mark.parametrize("spare", [0, 30])
def test_one_request_over_the_limit_of_a_line_is_refused(api: Api, settings: Settings, spare: int) -> None:
    """Also one that is below it as the client wrote it, and above it as the portal keeps it."""
    settings.MAX_LINE_BYTES = len(json.dumps(request("a"))) + spare - 20
    answer = api.create(request("a"))
    assert (answer.status, answer.error["type"]) == (413, "request_too_large")
    assert_nothing_is_left()


def test_a_body_of_unknown_length_is_refused_where_the_server_cannot_tell_its_end(api: Api) -> None:
    answer = api.post(BATCHES, Transfer_Encoding="chunked", Content_Length="")
    assert answer.status == 411
    assert answer.error["type"] == "invalid_request_error"


def test_a_create_that_no_provider_can_carry_out_leaves_nothing(api: Api, media_root: Path) -> None:
    Provider.objects.update(enabled=False)
    answer = api.create()
    assert answer.status == 400
    assert "/v1/messages" in answer.error["message"]
    assert_nothing_is_left()
    assert [path for path in media_root.rglob("*") if path.is_file()] == []


def test_a_provider_can_be_named_by_header(api: Api) -> None:
    Provider.objects.create(name="other", adapter="anthropic", base_url="http://127.0.0.1:1", is_default=True)
    api.create(x_model_provider="simulator")
    assert Batch.objects.get().provider.name == "simulator"
    assert api.create(x_model_provider="nobody").status == 400


# --- Repeated calls ------------------------------------------------------------------------------------------


def test_a_retry_of_the_sdk_makes_no_second_batch(api: Api) -> None:
    first = api.create(x_stainless_retry_count="0")
    retried = api.create(x_stainless_retry_count="1")
    assert retried.json == first.json
    assert Batch.objects.count() == File.objects.count() == 1


def test_the_same_body_without_a_retry_is_another_batch(api: Api) -> None:
    api.create(x_stainless_retry_count="0")
    api.create(x_stainless_retry_count="0")
    assert Batch.objects.count() == 2


def test_a_key_means_one_batch_and_one_body(api: Api) -> None:
    first = api.create(idempotency_key="k-1")
    assert api.create(idempotency_key="k-1").json == first.json
    other = api.create(request("other"), idempotency_key="k-1")
    assert (other.status, other.error["type"]) == (400, "invalid_request_error")
    assert api.create(request("other"), idempotency_key="k-2").json["id"] != first.json["id"]


def test_a_refused_create_does_not_use_up_its_key(api: Api) -> None:
    Provider.objects.update(enabled=False)
    assert api.create(idempotency_key="k-1").status == 400
    Provider.objects.update(enabled=True)
    assert api.create(idempotency_key="k-1").status == 200


# --- What is accepted is good --------------------------------------------------------------------------------


def test_whatever_is_accepted_passes_validation(api: Api, queue: Queue) -> None:
    """Params that no upstream takes become errored results, never a batch that failed."""
    odd: list[dict[str, Any]] = [
        {},
        {"model": None},
        {"model": ""},
        {"model": "\x00"},
        {"model": "m" * 5000},
        {"model": "a", "messages": "none", "stream": None},
        {"model": "a", "max_tokens": 0, "messages": {}},
        {"deep": json.loads("[" * 190 + "]" * 190)},
    ]
    batch_id = api.batch_id(*({"custom_id": f"odd-{number}", "params": params} for number, params in enumerate(odd)))
    queue.run_until(lambda: Batch.objects.get().is_terminal)
    assert Batch.objects.get().status == "completed"
    results = api.results(batch_id).results
    assert {result["type"] for result in results.values()} == {"errored"}
    assert len(results) == len(odd)


def assert_nothing_is_left() -> None:
    assert not Batch.objects.exists()
    assert not File.objects.exists()
    assert not IdempotencyRecord.objects.exists()
    assert list(Path(portal_settings.FILE_UPLOAD_TEMP_DIR).iterdir()) == []

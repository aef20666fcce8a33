"""Results: a stream of JSON lines with all four types, which the SDK's decoder can read."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings
from uuid_utils.compat import uuid7

from batches.dialects.anthropic.errors import TYPES, error_type
from batches.dialects.anthropic.outbound import result_lines
from batches.models import Batch, BatchObject, BatchResult, Purpose, RetentionKind
from batches.rules.states import ObjectStatus
from batches.services.results.object_result import ObjectResult
from batches.services.retention.terms import set_terms
from batches.services.storage.store import store
from batches.services.upkeep.prune import prune
from tests.cast import TESTER
from tests.conftest import Queue
from tests.dialects.anthropic.conftest import BATCHES, ENDED, Api, move, request


def result(**changes: Any) -> ObjectResult:
    """A success, but for the changes."""
    values: dict[str, Any] = {
        "id": uuid7(),
        "line": 1,
        "custom_id": "row-1",
        "status": ObjectStatus.SUCCEEDED.value,
        "round": 1,
        "attempts": 1,
        "http_status": 200,
        "latency_ms": 5,
        "request_id": "req_up",
        "error_code": "",
        "error_message": "",
        "body": '{"type":"message"}',
    }
    return ObjectResult(**(values | changes))


def shown(**changes: Any) -> Any:
    """The result of one object as clients get it."""
    (line,) = b"".join(result_lines([result(**changes)])).splitlines()
    return json.loads(line)["result"]


def failed(**changes: Any) -> Any:
    """The error of one failed object as clients get it."""
    found = shown(status="failed", **{"http_status": 400, "error_code": "c", "error_message": "m", "body": "", **changes})
    assert found["type"] == "errored"
    return found["error"]


# --- Lines -----------------------------------------------------------------------------------------------------


def test_each_outcome_has_its_type() -> None:
    assert shown() == {"type": "succeeded", "message": {"type": "message"}}
    assert shown(status="cancelled", body="") == {"type": "canceled"}
    assert shown(status="expired", body="") == {"type": "expired"}
    assert failed()["error"] == {"type": "invalid_request_error", "message": "m"}


def test_a_message_is_embedded_byte_for_byte() -> None:
    body = '{"n":1.0e2,"big":123456789012345678901234567890, "t":"\\u00e4\\/\\u2028"}'
    assert b"".join(result_lines([result(body=body)])) == (
        b'{"custom_id":"row-1","result":{"type":"succeeded","message":' + body.encode() + b"}}\n"
    )


def test_an_answer_of_the_contracts_shape_passes_unchanged() -> None:
    body = '{"type":"error","error":{"message":"too long","type":"invalid_request_error","details":{}},"request_id":"r"}'
    (line,) = list(result_lines([result(status="failed", http_status=400, body=body)]))
    assert b'"error":' + body.encode() + b"}}\n" in line


@pytest.mark.parametrize(
    "body",
    ["", '{"error":{"message":"x","type":"t","code":null}}', '"text"', "[]", '{"type":"error"}', '{"type":"error","error":"x"}'],
)
def test_any_other_answer_becomes_an_error_of_the_contracts_shape(body: str) -> None:
    assert failed(body=body, http_status=429, error_message="slow down") == {
        "type": "error",
        "error": {"type": "rate_limit_error", "message": "slow down"},
        "request_id": "req_up",
    }


@pytest.mark.parametrize(
    ("http_status", "code", "kind"),
    [
        *((status, "", kind) for status, kind in TYPES.items()),
        (418, "", "invalid_request_error"),
        (405, "", "invalid_request_error"),
        (502, "", "api_error"),
        (200, "invalid_response", "api_error"),
        (None, "timeout", "timeout_error"),
        (None, "connection_lost", "api_error"),
        (None, "authentication", "api_error"),
    ],
)
def test_every_failure_has_a_type_of_the_contract(http_status: int | None, code: str, kind: str) -> None:
    assert failed(http_status=http_status, error_code=code)["error"]["type"] == kind
    assert http_status is None or error_type(http_status) == kind


def test_a_failure_without_an_answer_has_no_request_id() -> None:
    assert failed(http_status=None, request_id="")["request_id"] is None


def test_lines_end_in_one_newline_and_none_is_blank() -> None:
    content = b"".join(result_lines([result(), result(status="expired", body="")]))
    assert content.endswith(b"}\n")
    assert b"\r" not in content
    assert b"\n\n" not in content
    assert list(result_lines([])) == []


def test_lines_are_sent_in_pieces_of_a_bounded_size() -> None:
    pieces = list(result_lines(result(body=json.dumps("x" * 10_000)) for _ in range(100)))
    assert len(pieces) > 10
    assert max(map(len, pieces)) < 100_000


# --- The endpoint ----------------------------------------------------------------------------------------------


def run(api: Api, queue: Queue, *requests: object) -> str:
    """The id of a batch that has run to its end."""
    batch_id = api.batch_id(*requests)
    queue.run_until(lambda: not Batch.objects.filter(ended_at=None).exists())
    return batch_id


def test_the_results_of_a_batch_that_ran(api: Api, queue: Queue) -> None:
    batch_id = run(api, queue, request("good"), request("bad", simulate={"status": 400, "message": "no"}))
    ended = api.batch(batch_id)
    assert ended["request_counts"] == {"processing": 0, "succeeded": 1, "errored": 1, "canceled": 0, "expired": 0}
    answer = api.get(ended["results_url"].removeprefix("http://testserver"))
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/x-jsonl"
    results = answer.results
    message = results["good"]["message"]
    assert (message["type"], message["role"], message["stop_reason"]) == ("message", "assistant", "end_turn")
    assert message["content"] == [{"type": "text", "text": "Simulated answer to: two plus two?"}]
    assert results["bad"]["error"]["error"] == {"type": "invalid_request_error", "message": "no"}
    assert results["bad"]["error"]["request_id"].startswith("req_")


def test_results_come_in_input_order_and_all_four_types_fit_one_stream(api: Api, queue: Queue) -> None:
    batch_id = run(api, queue, request("a"), request("b", simulate={"status": 400}), request("c"), request("d"))
    for custom_id, status in (("c", "cancelled"), ("d", "expired")):
        BatchObject.objects.filter(custom_id=custom_id).update(status=status)
        BatchResult.objects.filter(line=BatchObject.objects.get(custom_id=custom_id).line).delete()
    results = api.results(batch_id).results
    assert [(custom_id, result["type"]) for custom_id, result in results.items()] == [
        ("a", "succeeded"),
        ("b", "errored"),
        ("c", "canceled"),
        ("d", "expired"),
    ]


def test_many_results_take_few_queries(api: Api, queue: Queue, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    batch_id = api.batch_id(*(request(f"r{number}") for number in range(1200)))
    api.cancel(batch_id)
    queue.run_until(lambda: Batch.objects.get().is_terminal)
    with django_assert_max_num_queries(8):
        assert len(api.results(batch_id).results) == 1200


def test_results_before_the_end_are_refused(api: Api) -> None:
    answer = api.results(api.batch_id())
    assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")
    assert "ended" in answer.error["message"]


def test_a_batch_without_any_requests_left_has_an_empty_stream(api: Api) -> None:
    batch_id = api.batch_id()
    move(batch_id, *ENDED)
    assert (api.results(batch_id).status, api.results(batch_id).content) == (200, b"")


def test_results_are_kept_for_29_days_and_the_batch_for_longer(api: Api) -> None:
    batch_id = api.batch_id()
    move(batch_id, *ENDED)
    Batch.objects.update(created_at=timezone.now() - timedelta(days=28, hours=23))
    assert api.batch(batch_id)["archived_at"] is None
    assert api.results(batch_id).status == 200

    Batch.objects.update(created_at=timezone.now() - timedelta(days=29, seconds=1))
    shown = api.batch(batch_id)
    assert shown["archived_at"] is not None
    assert shown["results_url"] is None
    answer = api.results(batch_id)
    assert (answer.status, answer.error["type"]) == (404, "not_found_error")
    assert "archived" in answer.error["message"]


def test_a_batch_whose_result_files_retention_removed_is_archived(api: Api) -> None:
    batch_id = api.batch_id()
    move(batch_id, *ENDED)
    project, now = Batch.objects.get().project, timezone.now()
    set_terms(project, days={RetentionKind.RESULTS: 3}, actor=TESTER, now=now)
    written_at = now - timedelta(days=4)
    file = store(ContentFile(b"{}"), project=project, purpose=Purpose.BATCH_OUTPUT, filename="x", now=written_at)
    Batch.objects.update(output_file=file)

    prune(now=now)

    shown = api.batch(batch_id)
    assert datetime.fromisoformat(shown["archived_at"]) == now
    assert shown["results_url"] is None
    assert shown["processing_status"] == "ended"
    assert api.results(batch_id).status == 404


def test_a_batch_that_still_runs_is_never_archived(api: Api) -> None:
    batch_id = api.batch_id()
    Batch.objects.update(created_at=timezone.now() - timedelta(days=40))
    assert api.batch(batch_id)["archived_at"] is None


@pytest.mark.parametrize("base", ["", "/anthropic"])
def test_the_results_url_is_under_the_host_and_the_base_url_of_the_request(api: Api, base: str) -> None:
    batch_id = api.batch_id()
    move(batch_id, *ENDED)
    expected = f"http://127.0.0.1:81{base}{BATCHES}/{batch_id}/results"
    for path in (f"{base}{BATCHES}/{batch_id}", f"{base}{BATCHES}/{batch_id}/cancel"):
        method = "POST" if path.endswith("cancel") else "GET"
        assert api.call(method, path, headers={"Host": "127.0.0.1:81"}).json["results_url"] == expected
    listed = api.get(f"{base}{BATCHES}", headers={"Host": "127.0.0.1:81"}).json["data"]
    assert [item["results_url"] for item in listed] == [expected]


def test_behind_a_proxy_the_results_url_is_the_one_that_clients_reach(api: Api, settings: Settings) -> None:
    """The SDK sends its key to whatever host this URL names."""
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.USE_X_FORWARDED_HOST = True
    settings.ALLOWED_HOSTS = ["batches.example"]
    api.headers |= {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "batches.example"}
    batch_id = api.batch_id()
    move(batch_id, *ENDED)
    assert api.batch(batch_id)["results_url"] == f"https://batches.example{BATCHES}/{batch_id}/results"
    api.headers |= {"X-Forwarded-Host": "elsewhere.example"}
    assert api.get(f"{BATCHES}/{batch_id}").status == 400


@pytest.mark.parametrize("host", ["a{b}", "{batch_id}.example", "a/../b", "a..b/", "a?b", "a#b", "a@b"])
def test_a_host_that_would_spoil_the_results_url_is_refused(api: Api, settings: Settings, host: str) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    answer = api.get(headers={"Host": host})
    assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")

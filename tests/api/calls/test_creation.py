"""Creating a batch over a file or with its requests: accepted, refused, as a dry run, and repeated."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from pytest_django import Settings

from batches.models import Batch, File, IdempotencyRecord, Membership, Project, Role
from providers.models import Provider
from tests.api.conftest import Native, encode, problem, request
from tests.cast import request_lines
from tests.conftest import Queue
from tests.dialects.openai.conftest import CHAT

MESSAGES = "/v1/messages"


def test_a_batch_over_a_file_runs_to_its_end(native: Native, queue: Queue) -> None:
    lines = b"".join(encode(request(f"row-{number}", method="POST", url=CHAT)) + b"\n" for number in range(3))
    file_id = native.upload(lines).json["id"]
    made = native.create(input_file_id=file_id, requests=None)
    assert (made.status, made.json["input_file_id"]) == (201, file_id)
    queue.run_until(lambda: native.get(f"batches/{made.json['id']}").json["status"] == "completed")
    shown = native.get(f"batches/{made.json['id']}").json
    assert shown["counts"]["succeeded"] == shown["counts"]["total"] == 3
    assert shown["ended_at"] == shown["completed_at"]
    assert native.get(f"files/{shown['output_file_id']}/content").content.count(b"\n") == 3


def test_requests_come_with_the_call_wherever_its_other_parameters_stand(native: Native, queue: Queue) -> None:
    body = b"""{"requests": [
        {"custom_id": "a", "body": {"model": "m-1", "n": 1.50, "input": "\\u00e9"}},
        {"custom_id": "b", "method": "POST", "url": "/v1/embeddings", "body": {"model": "m-2", "input": "b"}}
    ], "endpoint": "/v1/embeddings"}"""
    made = native.post("batches", body)
    assert made.status == 201
    queue.run_until(lambda: native.get(f"batches/{made.json['id']}").json["status"] == "completed")
    content = native.get(f"files/{made.json['input_file_id']}/content").content
    assert content.splitlines()[0] == (
        b'{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{"model": "m-1", "n": 1.50, "input": "\\u00e9"}}'
    )
    assert native.get(f"batches/{made.json['id']}").json["counts"]["succeeded"] == 2


@pytest.mark.parametrize(
    ("changes", "status", "code", "param"),
    [
        ({"endpoint": None}, 400, "missing_required_parameter", "endpoint"),
        ({"endpoint": 5}, 400, "invalid_type", "endpoint"),
        ({"endpoint": "/v1/nothing"}, 400, "no_provider", "endpoint"),
        ({"provider": "nobody"}, 400, "no_provider", "provider"),
        ({"provider": 5}, 400, "invalid_type", "provider"),
        ({"requests": None}, 400, "missing_required_parameter", "requests"),
        ({"requests": []}, 400, "missing_required_parameter", "requests"),
        ({"requests": "a"}, 400, "invalid_type", "requests"),
        ({"requests": {"custom_id": "a"}}, 400, "invalid_type", "requests"),
        ({"input_file_id": "file-" + "0" * 32, "requests": None}, 404, "not_found", "input_file_id"),
        ({"input_file_id": "file-" + "0" * 32}, 400, "invalid_value", "requests"),
        ({"completion_window": "14m"}, 400, "invalid_value", "completion_window"),
        ({"completion_window": "8d"}, 400, "invalid_value", "completion_window"),
        ({"completion_window": "soon"}, 400, "invalid_value", "completion_window"),
        ({"completion_window": 24}, 400, "invalid_type", "completion_window"),
        ({"priority": 101}, 400, "invalid_value", "priority"),
        ({"priority": True}, 400, "invalid_type", "priority"),
        ({"metadata": {"a": 1}}, 400, "invalid_type", "metadata"),
        ({"metadata": {str(number): "" for number in range(17)}}, 400, "invalid_value", "metadata"),
        ({"remark": "x" * 501}, 400, "invalid_value", "remark"),
        ({"guards": 5}, 400, "invalid_type", "guards"),
        ({"guards": {"colour": "red"}}, 400, "invalid_value", "guards.colour"),
        ({"guards": {"max_error_rate": 1.5}}, 400, "invalid_value", "guards.max_error_rate"),
        ({"guards": {"max_error_rate": "0.5"}}, 400, "invalid_type", "guards.max_error_rate"),
        ({"guards": {"error_sample": 0}}, 400, "invalid_value", "guards.error_sample"),
        ({"guards": {"max_cost": True}}, 400, "invalid_type", "guards.max_cost"),
        ({"guards": {"max_cost": "much"}}, 400, "invalid_type", "guards.max_cost"),
        ({"guards": {"max_cost": -1}}, 400, "invalid_value", "guards.max_cost"),
        ({"guards": {"max_cost": "1e9"}}, 400, "invalid_value", "guards.max_cost"),
        ({"guards": {"max_tokens": 1.5}}, 400, "invalid_type", "guards.max_tokens"),
        ({"dry_run": "yes"}, 400, "invalid_type", "dry_run"),
        ({"project": "globex"}, 400, "invalid_value", "project"),
        ({"colour": "red"}, 400, "unknown_parameter", "colour"),
        ({"requests": [request("a"), request("a")]}, 400, "invalid_value", "requests.1.custom_id"),
        ({"requests": [request("")]}, 400, "invalid_value", "requests.0.custom_id"),
        ({"requests": [{"body": {}}]}, 400, "invalid_value", "requests.0.custom_id"),
        ({"requests": [{"custom_id": "a"}]}, 400, "invalid_value", "requests.0.body"),
        ({"requests": [request("a", body="text")]}, 400, "invalid_value", "requests.0.body"),
        ({"requests": [request("a", url="/v1/embeddings")]}, 400, "invalid_value", "requests.0.url"),
        ({"requests": [request("a", method="GET")]}, 400, "invalid_value", "requests.0.method"),
        ({"requests": [request("a", body={"model": "m", "stream": True})]}, 400, "invalid_value", "requests.0.body.stream"),
        ({"requests": [5]}, 400, "invalid_value", "requests.0"),
    ],
)
def test_a_bad_call_is_refused_by_name_and_leaves_nothing_behind(
    native: Native, other_project: Project, changes: dict[str, Any], status: int, code: str, param: str
) -> None:
    answer = native.create(**changes)
    assert answer.status == status, answer.content
    assert (problem(answer)["code"], problem(answer)["param"]) == (code, param)
    assert not Batch.objects.exists()
    assert not File.objects.exists()
    assert not IdempotencyRecord.objects.exists()
    assert not default_storage.exists("files") or default_storage.listdir("")[0] == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b'{"requests": [', b'{"requests": [{"a": "\n"}]}', b"\xff", b'{"a":NaN}']
)
def test_a_body_that_is_no_json_is_refused(native: Native, body: bytes) -> None:
    answer = native.post("batches", body)
    assert answer.status == 400
    problem(answer)


def test_an_item_that_is_deep_and_on_several_lines_is_refused_by_its_place(native: Native) -> None:
    deep = b'{"custom_id":"a",\n"body":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    answer = native.call("POST", "batches", data=b'{"endpoint":"/v1/embeddings","requests":[' + deep + b"]}")
    assert (answer.status, problem(answer)["param"]) == (400, "requests.0")


def test_a_body_of_another_kind_is_refused(native: Native) -> None:
    answer = native.call("POST", "batches", data=b"--b--", content_type="multipart/form-data; boundary=b")
    assert (answer.status, problem(answer)["code"]) == (415, "unsupported_media_type")


def test_a_body_that_is_too_long_is_refused_unread(native: Native, settings: Settings) -> None:
    settings.MAX_INLINE_BYTES = 10
    answer = native.create()
    assert (answer.status, problem(answer)["code"]) == (413, "request_too_large")


def test_more_requests_than_a_batch_may_have_are_refused(native: Native, settings: Settings) -> None:
    settings.MAX_BATCH_LINES = 2
    answer = native.create(requests=[request(str(number)) for number in range(3)])
    assert (answer.status, problem(answer)["param"]) == (400, "requests")


def test_a_file_of_another_purpose_or_project_is_refused(native: Native, stranger: Native) -> None:
    other_purpose = native.upload(purpose="user_data").json["id"]
    assert problem(native.create(input_file_id=other_purpose, requests=None))["param"] == "input_file_id"
    foreign = stranger.upload(request_lines(1)).json["id"]
    assert native.create(input_file_id=foreign, requests=None).status == 404


def test_c1_a_model_that_begins_with_a_provider_goes_there(native: Native) -> None:
    Provider.objects.filter(name="simulator").update(is_default=True)
    Provider.objects.create(name="other", adapter="simulator", granted_to_all=True)
    asked: dict[str, Any] = {"requests": [{"custom_id": "a", "body": {"messages": [{"role": "user", "content": "?"}]}}]}
    made = native.create(**asked, model="other/m").json

    assert (made["provider"]["name"], made["model"]) == ("other", "m")
    vendors = native.create(**asked, model="vendor/m").json
    assert (vendors["provider"]["name"], vendors["model"]) == ("simulator", "vendor/m")


def test_a_provider_that_is_not_granted_cannot_be_named(native: Native) -> None:
    Provider.objects.create(name="secret", adapter="simulator", granted_to_all=False)
    assert problem(native.create(provider="secret"))["code"] == "no_provider"


def test_a_dry_run_of_a_good_call_creates_nothing(native: Native) -> None:
    answer = native.create(dry_run=True, requests=[request("a"), request("b")], endpoint=MESSAGES)
    assert answer.status == 200
    expires_at = answer.json.pop("expires_at")
    assert expires_at.endswith("Z")
    shown = {name: value for name, value in answer.json.items() if name != "expires_at"}
    assert shown == {
        "valid": True,
        "requests": 2,
        "provider": {"name": "simulator", "simulated": True},
        "estimate": {"input_bytes": 124, "input_tokens": 32, "output_tokens": None, "cost": None, "currency": "USD"},
        "problem_count": 0,
        "problems": [],
    }
    assert not Batch.objects.exists()
    assert not File.objects.exists()
    assert not IdempotencyRecord.objects.exists()


def test_a_dry_run_tells_every_problem_of_the_call_and_of_its_requests(native: Native) -> None:
    requests = [request("a"), request("a"), {"custom_id": "c"}, 5, request("d", method="PUT", url="/x")]
    answer = native.create(dry_run=True, requests=requests, colour="red", priority=1000, provider="nobody")
    assert answer.status == 200
    assert answer.json["valid"] is False
    assert answer.json["provider"] is None
    found = [(found["code"], found["param"], found["line"]) for found in answer.json["problems"]]
    assert found == [
        ("unknown_parameter", "colour", None),
        ("invalid_value", "priority", None),
        ("no_provider", "provider", None),
        ("duplicate_custom_id", "custom_id", 2),
        ("missing_required_parameter", "body", 3),
        ("invalid_json_line", None, 4),
        ("invalid_method", "method", 5),
        ("url_mismatch", "url", 5),
    ]
    assert answer.json["problem_count"] == len(found)


def test_a_dry_run_reads_a_file_as_its_validation_will(native: Native) -> None:
    content = b"{not json}\n" + request_lines(2) + request_lines(1)
    file_id = native.upload(content).json["id"]
    answer = native.create(dry_run=True, input_file_id=file_id, requests=None)
    assert (answer.json["valid"], answer.json["requests"]) == (False, 4)
    assert [(found["code"], found["line"]) for found in answer.json["problems"]] == [
        ("invalid_json_line", 1),
        ("duplicate_custom_id", 4),
    ]
    assert native.create(dry_run=True, input_file_id=native.upload(b" \n").json["id"], requests=None).json["problems"][0][
        "code"
    ] == ("empty_file")


def test_a_dry_run_keeps_as_many_problems_as_a_batch_does(native: Native, settings: Settings) -> None:
    settings.MAX_STORED_ERRORS = 3
    answer = native.create(dry_run=True, requests=[5] * 10)
    assert (answer.json["problem_count"], len(answer.json["problems"])) == (10, 3)


def test_a_call_that_is_repeated_under_its_key_makes_one_batch(native: Native) -> None:
    headers = {"Idempotency-Key": "tonight"}
    first, second = (native.create(headers=headers) for _ in range(2))
    assert first.status == second.status == 201
    assert first.json["id"] == second.json["id"]
    assert Batch.objects.count() == 1
    assert native.create(headers={"Idempotency-Key": "tomorrow"}).json["id"] != first.json["id"]
    answer = native.create(headers=headers, remark="Something else")
    assert (answer.status, problem(answer)["code"]) == (400, "idempotency_key_reused")
    answer = native.create(headers={"Idempotency-Key": "x" * 256})
    assert (answer.status, problem(answer)["param"]) == (400, "Idempotency-Key")


def test_a_call_that_its_client_calls_a_retry_makes_one_batch(native: Native) -> None:
    first = native.create()
    again = native.create(headers={"x-stainless-retry-count": "1"})
    assert first.json["id"] == again.json["id"]
    assert native.create().json["id"] != first.json["id"]


def test_somebody_signed_in_names_the_project_and_cannot_reserve(
    signed_in: Callable[..., Native], project: Project, other_project: Project
) -> None:
    person = signed_in(Role.OPERATOR, of=other_project)
    assert problem(person.create())["param"] == "project"
    for unseen in ("nowhere", "acme"):
        answer = person.create(project=unseen)
        assert (answer.status, problem(answer)["param"]) == (400, "project")
    shown = person.create(project="globex").json
    assert (shown["project"], shown["key"], shown["created_by"]) == ("globex", None, "user operator of globex")
    answer = person.create(project="globex", headers={"Idempotency-Key": "x"})
    assert (answer.status, problem(answer)["param"]) == (400, "Idempotency-Key")
    assert Batch.objects.count() == 1


def test_somebody_signed_in_cannot_mix_projects(
    signed_in: Callable[..., Native], native: Native, project: Project, other_project: Project
) -> None:
    file_id = native.upload(request_lines(1)).json["id"]
    person = signed_in(Role.OPERATOR, of=other_project)
    answer = person.create(project="globex", input_file_id=file_id, requests=None)
    assert (answer.status, problem(answer)["param"]) == (404, "input_file_id")
    Membership.objects.create(user=User.objects.get(), project=project, role=Role.OPERATOR)
    answer = person.create(project="globex", input_file_id=file_id, requests=None)
    assert (answer.status, problem(answer)["param"]) == (400, "input_file_id")


def test_requests_may_name_the_simulator_for_any_endpoint_that_it_serves(native: Native) -> None:
    for endpoint in (CHAT, MESSAGES, "/accounting/v1/invoices"):
        assert native.create(endpoint=endpoint, requests=[{"custom_id": "a", "body": {"model": "m"}}]).status == 201

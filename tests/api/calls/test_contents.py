"""The contents of one batch: objects, results, errors, error groups, events."""

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from batches.rules.states import BatchStatus
from tests.api.conftest import Native, problem, request
from tests.conftest import Queue
from tests.console.conftest import MakeBatch

INSIDE = ("objects", "results", "errors", "error-groups", "events")


def failing(custom_id: str, message: str = "Not this one.") -> dict[str, Any]:
    return steered(custom_id, status=400, code="content_filter", message=message)


def steered(custom_id: str, **simulate: Any) -> dict[str, Any]:
    """A request whose `simulate` field tells the simulator the outcome."""
    asked = request(custom_id)
    return asked | {"body": asked["body"] | {"simulate": simulate}}


@pytest.fixture
def ended(native: Native, queue: Queue) -> str:
    """The id of a batch of four that has ended: two succeeded, two failed for the same reason."""
    made = native.batch_id(requests=[request("a"), failing("b"), request("c"), failing("d")])
    queue.run_until(lambda: native.get(f"batches/{made}").json["status"] == "completed")
    return made


def test_objects_are_listed_by_line(native: Native, ended: str) -> None:
    shown = native.get(f"batches/{ended}/objects?limit=3").json
    assert [(row["line"], row["custom_id"], row["status"]) for row in shown["data"]] == [
        (1, "a", "succeeded"),
        (2, "b", "failed"),
        (3, "c", "succeeded"),
    ]
    assert shown["data"][0]["error"] is None
    assert shown["data"][1]["error"] == {"code": "content_filter", "message": "Not this one."}
    assert shown["data"][1]["http_status"] == 400
    assert shown["next_cursor"] == "3"
    rest = native.get(shown["next"].removeprefix("http://testserver")).json
    assert ([row["custom_id"] for row in rest["data"]], rest["next"]) == (["d"], None)


def test_objects_are_found_by_status_custom_id_and_error_group(native: Native, ended: str) -> None:
    (group,) = native.get(f"batches/{ended}/error-groups").json["data"]
    assert (group["count"], group["code"], group["sample"], group["http_status"]) == (2, "content_filter", "Not this one.", 400)
    assert (group["first_line"], group["last_line"], group["kind"]) == (2, 4, "invalid_request")
    for query, found in (
        ("status=failed", "bd"),
        ("status=failed&status=succeeded", "abcd"),
        ("custom_id=c", "c"),
        (f"error={group['fingerprint']}", "bd"),
        ("status=expired", ""),
    ):
        rows = native.get(f"batches/{ended}/objects?{query}").json["data"]
        assert "".join(row["custom_id"] for row in rows) == found, query


def test_one_object_has_its_request_its_answer_and_its_attempts(native: Native, ended: str) -> None:
    shown = native.get(f"batches/{ended}/objects/2").json
    assert shown["request"] == {"method": "POST", "url": "/v1/chat/completions"} | failing("b")
    assert shown["response"]["status_code"] == 400
    assert shown["response"]["body"]["error"]["message"] == "Not this one."
    (attempt,) = shown["history"]
    assert (attempt["round"], attempt["number"], attempt["succeeded"], attempt["http_status"]) == (1, 1, False, 400)
    assert native.get(f"batches/{ended}/objects/1").json["history"][0]["succeeded"] is True


def test_every_attempt_in_between_is_told(native: Native, queue: Queue) -> None:
    made = native.batch_id(requests=[steered("a", status=503, times=1)])
    queue.run_until(lambda: native.get(f"batches/{made}").json["status"] == "completed")
    history = native.get(f"batches/{made}/objects/1").json["history"]
    assert [(attempt["number"], attempt["succeeded"], attempt["http_status"]) for attempt in history] == [
        (1, False, 503),
        (2, True, 200),
    ]
    assert history[0]["kind"] == "overloaded"


@pytest.mark.parametrize("line", ["5", "0", "9" * 30, "x", "-1", "%00"])
def test_an_object_that_is_not_there_is_not_found(native: Native, ended: str, line: str) -> None:
    answer = native.get(f"batches/{ended}/objects/{line}")
    assert answer.status == 404
    problem(answer)


def test_an_input_that_is_no_longer_kept_is_null(native: Native, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=1)
    assert batch.input_file is not None
    batch.input_file.content.storage.delete(str(batch.input_file.content.name))
    shown = native.get(f"batches/{batch}/objects/1").json
    assert (shown["request"], shown["response"]["body"]) == (None, {"answer": 42})


def test_results_are_paged_in_input_order_with_their_requests(native: Native, ended: str) -> None:
    first = native.get(f"batches/{ended}/results?limit=3&include=request").json
    assert [result["custom_id"] for result in first["data"]] == ["a", "b", "c"]
    assert [result["request"]["custom_id"] for result in first["data"]] == ["a", "b", "c"]
    assert first["data"][0]["response"]["body"]["choices"]
    rest = native.get(first["next"].removeprefix("http://testserver")).json
    assert [result["custom_id"] for result in rest["data"]] == ["d"]
    assert rest["next_cursor"] is rest["next"] is None
    assert "request" not in native.get(f"batches/{ended}/results").json["data"][0]


def test_results_of_a_batch_that_runs_say_where_to_ask_again(native: Native, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, succeeded=1, pending=2)
    shown = native.get(f"batches/{batch}/results").json
    assert [result["custom_id"] for result in shown["data"]] == ["a-1"]
    assert shown["next"] is None
    assert shown["next_cursor"]
    assert native.get(f"batches/{batch}/results?cursor={shown['next_cursor']}").status == 200


def test_a_cancelled_object_says_that_it_never_ran(native: Native, queue: Queue) -> None:
    made = native.batch_id()
    native.post(f"batches/{made}/cancel")
    queue.run_until(lambda: native.get(f"batches/{made}").json["status"] == "cancelled")
    (row,) = native.get(f"batches/{made}/objects").json["data"]
    assert (row["status"], row["error"]["code"]) == ("cancelled", "batch_cancelled")
    (result,) = native.get(f"batches/{made}/results").json["data"]
    assert (result["response"], result["error"]["code"]) == (None, "batch_cancelled")


def test_errors_of_an_input_are_listed_page_by_page(native: Native, queue: Queue) -> None:
    file_id = native.upload(b"{\n[]\n5\n").json["id"]
    made = native.batch_id(input_file_id=file_id, requests=None)
    queue.run_until(lambda: native.get(f"batches/{made}").json["status"] == "failed")
    assert native.get(f"batches/{made}").json["error_count"] == 3
    first = native.get(f"batches/{made}/errors?limit=2").json
    rest = native.get(first["next"].removeprefix("http://testserver")).json
    assert [(error["line"], error["round"]) for error in first["data"] + rest["data"]] == [(1, None), (2, None), (3, None)]
    assert rest["next"] is None
    assert [error["line"] for error in native.get(f"batches/{made}/errors?line=2").json["data"]] == [2]
    assert native.get(f"batches/{made}/errors?code=other").json["data"] == []


def test_errors_of_objects_are_found_by_their_group(native: Native, ended: str) -> None:
    (group,) = native.get(f"batches/{ended}/error-groups").json["data"]
    errors = native.get(f"batches/{ended}/errors?error={group['fingerprint']}").json["data"]
    assert [(error["line"], error["code"], error["source"]) for error in errors] == [
        (2, "content_filter", "caller"),
        (4, "content_filter", "caller"),
    ]


def test_the_timeline_tells_every_step(native: Native, ended: str) -> None:
    events = native.get(f"batches/{ended}/events").json["data"]
    assert [event["to_status"] for event in events] == ["validating", "in_progress", "finalizing", "completed"]
    assert (events[0]["from_status"], events[0]["actor"]) == ("", "key tests")
    first = native.get(f"batches/{ended}/events?limit=3").json
    rest = native.get(first["next"].removeprefix("http://testserver")).json
    assert [event["to_status"] for event in rest["data"]] == ["completed"]


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("objects?colour=red", "colour"),
        ("objects?status=validating", "status"),
        ("objects?cursor=x", "cursor"),
        ("objects?limit=0", "limit"),
        ("objects?view=active", "view"),
        ("objects/1?limit=1", "limit"),
        ("results?status=failed", "status"),
        ("results?include=answer", "include"),
        ("results?cursor=x", "cursor"),
        ("errors?line=x", "line"),
        ("errors?line=0", "line"),
        ("errors?line=99999999999", "line"),
        ("errors?cursor=x", "cursor"),
        ("error-groups?limit=1", "limit"),
        ("events?cursor=x", "cursor"),
        ("events?status=failed", "status"),
    ],
)
def test_a_parameter_that_is_not_understood_is_refused_by_name(
    native: Native, make_batch: MakeBatch, path: str, param: str
) -> None:
    answer = native.get(f"batches/{make_batch(succeeded=1)}/{path}")
    assert (answer.status, problem(answer)["param"]) == (400, param)


@pytest.mark.parametrize("path", ["objects", "results", "errors", "error-groups"])
def test_a_list_makes_as_many_queries_for_many_as_for_one(
    native: Native, make_batch: MakeBatch, django_assert_num_queries: DjangoAssertNumQueries, path: str
) -> None:
    few, many = make_batch(succeeded=1, failed=1), make_batch(succeeded=9, failed=9)
    native.get(f"batches/{few}/{path}")
    with django_assert_num_queries(4 if path in ("objects", "results") else 3):
        native.get(f"batches/{few}/{path}")
    with django_assert_num_queries(4 if path in ("objects", "results") else 3):
        native.get(f"batches/{many}/{path}")

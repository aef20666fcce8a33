"""A batch from its creation to its files, with the engine in the test's hand."""

import json
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch
from batches.services.lifecycle.validate import validate
from tests.conftest import Queue
from tests.dialects.openai.conftest import CHAT, Api


@pytest.fixture
def api(queue: Queue, key: str) -> Api:
    """A client of a portal whose engine runs by `queue` alone."""
    return Api(key)


def line(custom_id: object = "row-1", **changes: Any) -> bytes:
    """An input line; a change to None leaves the field out."""
    body = {"model": "m", "messages": [{"role": "user", "content": str(custom_id)}]}
    fields = {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": body} | changes
    return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()


def body(**changes: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": "hello"}]} | changes


def start(api: Api, *input_lines: bytes, **parameters: Any) -> str:
    """The id of a batch over these lines."""
    content = b"".join(content + b"\n" for content in input_lines)
    return str(api.batch(input_file_id=api.file_id(content), **parameters).json["id"])


def ended(api: Api, queue: Queue, batch_id: str) -> dict[str, Any]:
    """The batch when it has ended."""
    terminal = ("completed", "failed", "expired", "cancelled")
    queue.run_until(lambda: api.get(f"/v1/batches/{batch_id}").json["status"] in terminal)
    shown: dict[str, Any] = api.get(f"/v1/batches/{batch_id}").json
    return shown


def rows_of(api: Api, file_id: str) -> list[dict[str, Any]]:
    return [json.loads(row) for row in api.get(f"/v1/files/{file_id}/content").content.splitlines()]


def test_a_mixed_batch_has_each_request_in_one_of_its_files_in_input_order(api: Api, queue: Queue) -> None:
    refused = {2, 5}
    numbers = range(1, 8)
    contents = [
        line(f"row-{number}", body=body(**({"simulate": {"status": 400}} if number in refused else {}), n=number))
        for number in numbers
    ]
    batch_id = start(api, *contents)
    shown = ended(api, queue, batch_id)
    assert shown["status"] == "completed"
    assert shown["request_counts"] == {"total": 7, "completed": 5, "failed": 2}
    assert shown["errors"] is None
    output, errors = rows_of(api, shown["output_file_id"]), rows_of(api, shown["error_file_id"])
    assert [row["custom_id"] for row in output] == [f"row-{number}" for number in numbers if number not in refused]
    assert [row["custom_id"] for row in errors] == [f"row-{number}" for number in numbers if number in refused]
    for row in output + errors:
        assert set(row) == {"id", "custom_id", "response", "error"}
        assert set(row["response"]) == {"status_code", "request_id", "body"}
        assert row["error"] is None
    assert all(row["response"]["body"]["error"]["message"] for row in errors)
    paged = api.get(f"/v1/batches/{batch_id}/results?include=request").json
    assert [item["custom_id"] for item in paged["results"]] == [f"row-{number}" for number in numbers]
    assert [item["request"]["body"]["n"] for item in paged["results"]] == list(numbers)
    assert {item["custom_id"]: item["response"] for item in paged["results"]} == {
        row["custom_id"]: row["response"] for row in output + errors
    }


def test_a_batch_of_which_everything_failed_is_completed_without_an_output_file(api: Api, queue: Queue) -> None:
    shown = ended(api, queue, start(api, line(body=body(simulate={"status": 400}))))
    assert (shown["status"], shown["output_file_id"]) == ("completed", None)
    assert shown["error_file_id"] is not None
    assert shown["request_counts"] == {"total": 1, "completed": 0, "failed": 1}


def test_every_stamp_is_set_on_the_way_and_stays(api: Api, queue: Queue) -> None:
    shown = ended(api, queue, start(api, line()))
    stamps = [shown[name] for name in ("created_at", "in_progress_at", "finalizing_at", "completed_at")]
    assert all(isinstance(stamp, int) for stamp in stamps)
    assert stamps == sorted(stamps)
    assert shown["failed_at"] is shown["expired_at"] is shown["cancelling_at"] is shown["cancelled_at"] is None


def test_answers_can_be_had_while_other_requests_wait(api: Api, queue: Queue) -> None:
    waits = line("waits", body=body(simulate={"status": 429, "retry_after": 3000}))
    batch_id = start(api, line("a"), waits, line("b"))
    queue.run_until(lambda: len(api.get(f"/v1/batches/{batch_id}/results").json["results"]) == 2)
    shown = api.get(f"/v1/batches/{batch_id}").json
    assert shown["status"] == "in_progress"
    assert shown["request_counts"] == {"total": 3, "completed": 2, "failed": 0}
    found = api.get(f"/v1/batches/{batch_id}/results").json
    assert [item["custom_id"] for item in found["results"]] == ["a", "b"]
    assert all(item["response"]["status_code"] == 200 for item in found["results"])
    api.post(f"/v1/batches/{batch_id}/cancel")
    shown = ended(api, queue, batch_id)
    assert shown["request_counts"] == {"total": 3, "completed": 2, "failed": 1}
    later = api.get(f"/v1/batches/{batch_id}/results?after={found['next_cursor']}").json
    assert [(item["custom_id"], item.get("error", {}).get("code")) for item in later["results"]] == [
        ("waits", "batch_cancelled"),
        ("b", None),
    ]
    assert later["next_cursor"] is None


def test_a_cancelled_batch_says_of_each_request_that_it_never_ran(api: Api, queue: Queue) -> None:
    batch_id = start(api, line("a"), line("b"))
    validate(Batch.objects.get().pk, now=timezone.now())
    queue.clear()
    assert api.get(f"/v1/batches/{batch_id}").json["status"] == "in_progress"
    api.post(f"/v1/batches/{batch_id}/cancel")
    shown = ended(api, queue, batch_id)
    assert shown["status"] == "cancelled"
    assert shown["request_counts"] == {"total": 2, "completed": 0, "failed": 2}
    assert shown["output_file_id"] is None
    assert [row["error"]["code"] for row in rows_of(api, shown["error_file_id"])] == ["batch_cancelled"] * 2
    results = api.get(f"/v1/batches/{batch_id}/results").json["results"]
    assert [(item["custom_id"], item["error"]["code"]) for item in results] == [
        ("a", "batch_cancelled"),
        ("b", "batch_cancelled"),
    ]


def test_a_batch_that_is_cancelled_before_it_was_validated_has_neither_objects_nor_files(api: Api, queue: Queue) -> None:
    batch_id = start(api, line())
    api.post(f"/v1/batches/{batch_id}/cancel")
    shown = ended(api, queue, batch_id)
    assert shown["status"] == "cancelled"
    assert shown["request_counts"] == {"total": 0, "completed": 0, "failed": 0}
    assert shown["output_file_id"] is shown["error_file_id"] is None


@pytest.mark.parametrize(
    ("content", "code", "param", "number"),
    [
        ([line("a"), b"{not json"], "invalid_json_line", None, 2),
        ([line("a"), b"[]"], "invalid_json_line", None, 2),
        ([line("a"), b'"\xff"'], "invalid_json_line", None, 2),
        ([line("a"), b"[" * 100_000], "invalid_json_line", None, 2),
        ([line("a"), b'{"custom_id":NaN}'], "invalid_json_line", None, 2),
        ([line("a"), b"", line("a")], "duplicate_custom_id", "custom_id", 3),
        ([line("a"), line(None)], "missing_required_parameter", "custom_id", 2),
        ([line(5)], "invalid_request", "custom_id", 1),
        ([line("")], "invalid_request", "custom_id", 1),
        ([line("a\0b")], "invalid_request", "custom_id", 1),
        ([line("x" * 513)], "invalid_request", "custom_id", 1),
        ([line(method=None)], "missing_required_parameter", "method", 1),
        ([line(method="GET")], "invalid_method", "method", 1),
        ([line(url=None)], "missing_required_parameter", "url", 1),
        ([line(url="/v1/embeddings")], "url_mismatch", "url", 1),
        ([line(body=None)], "missing_required_parameter", "body", 1),
        ([line(body="text")], "invalid_request", "body", 1),
        ([line(body={"messages": []})], "missing_required_parameter", "body.model", 1),
        ([line(body={"model": 5})], "invalid_request", "body.model", 1),
        ([line("a"), line("b", body=body(model="other"))], "model_mismatch", "body.model", 2),
        ([line(body=body(stream=True))], "invalid_request", "body.stream", 1),
        ([b" "], "empty_file", "input_file_id", None),
    ],
)  # fmt: skip
def test_a_bad_input_fails_the_batch_with_its_code_and_line(
    api: Api, queue: Queue, content: list[bytes], code: str, param: str | None, number: int | None
) -> None:
    shown = ended(api, queue, start(api, *content))
    assert shown["status"] == "failed"
    assert [(reason["code"], reason["param"], reason["line"]) for reason in shown["errors"]["data"]] == [(code, param, number)]
    assert shown["errors"]["data"][0]["message"]
    assert shown["output_file_id"] is shown["error_file_id"] is None
    assert shown["request_counts"] == {"total": 0, "completed": 0, "failed": 0}
    assert shown["in_progress_at"] is None


def test_an_input_with_too_many_lines_fails(api: Api, queue: Queue, settings: Settings) -> None:
    settings.MAX_BATCH_LINES = 2
    shown = ended(api, queue, start(api, line("a"), line("b"), line("c")))
    assert shown["errors"]["data"][0]["code"] == "too_many_tasks"


def test_every_bad_line_is_reported(api: Api, queue: Queue) -> None:
    shown = ended(api, queue, start(api, b"{", line("a"), b"[]", line("a"), line("b", url="/v1/x", method="GET")))
    assert [(reason["line"], reason["code"]) for reason in shown["errors"]["data"]] == [
        (1, "invalid_json_line"),
        (3, "invalid_json_line"),
        (4, "duplicate_custom_id"),
        (5, "invalid_method"),
        (5, "url_mismatch"),
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + line("a") + b"\n" + line("b"),
        line("a") + b"\r\n" + line("b") + b"\r\n",
        b"\n\n" + line("a") + b"\n \t\n" + line("b") + b"\n\n",
    ],
    ids=["byte order mark and no last line end", "CRLF", "blank lines"],
)
def test_a_file_may_differ_in_what_does_not_matter(api: Api, queue: Queue, content: bytes) -> None:
    batch_id = str(api.batch(input_file_id=api.file_id(content)).json["id"])
    shown = ended(api, queue, batch_id)
    assert shown["status"] == "completed"
    assert [row["custom_id"] for row in rows_of(api, shown["output_file_id"])] == ["a", "b"]
    results = api.get(f"/v1/batches/{batch_id}/results?include=request").json["results"]
    assert [item["request"]["custom_id"] for item in results] == ["a", "b"]


def test_a_deleted_input_is_still_read_by_the_batch_that_runs_over_it(api: Api, queue: Queue) -> None:
    file_id = api.file_id(line() + b"\n")
    batch_id = str(api.batch(input_file_id=file_id).json["id"])
    assert api.delete(f"/v1/files/{file_id}").status == 200
    assert ended(api, queue, batch_id)["status"] == "completed"


def test_output_files_live_as_long_as_the_client_asked(api: Api, queue: Queue) -> None:
    asked = start(api, line(), output_expires_after={"anchor": "created_at", "seconds": 3600})
    for batch_id, seconds in ((asked, 3600), (start(api, line()), 30 * 86_400)):
        file = api.get(f"/v1/files/{ended(api, queue, batch_id)['output_file_id']}").json
        assert file["expires_at"] == file["created_at"] + seconds

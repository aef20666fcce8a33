"""Novita's batches: statuses in capitals, times as text, counts twice, errors as text, and 48 hours."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from batches.dialects.novita.outbound import STATUSES
from batches.models import ApiKey, Batch, Slice
from batches.rules.actors import ENGINE
from batches.rules.states import BatchStatus
from batches.services.core.transition import transition
from tests.conftest import Queue
from tests.dialects.novita.conftest import BATCHES, Novita, line
from tests.dialects.openai.conftest import CHAT

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}\+00:00")
STAMPS = ("in_progress_at", "finalizing_at", "completed_at", "failed_at", "expired_at", "cancelling_at", "cancelled_at")


def test_a_new_batch_is_shown_with_every_field_of_the_contract(api: Novita) -> None:
    file_id = api.file_id(line())
    answer = api.batch(input_file_id=file_id, metadata={"team": "ops"})
    assert answer.status == 200
    shown = answer.json
    identifier, created_at, expires_at = shown.pop("id"), shown.pop("created_at"), shown.pop("expires_at")
    assert TIME.fullmatch(created_at)
    assert TIME.fullmatch(expires_at)
    assert _time(expires_at) - _time(created_at) == timedelta(hours=48)
    assert shown == {
        "object": "batch",
        "endpoint": CHAT,
        "input_file_id": file_id,
        "output_file_id": "",
        "error_file_id": "",
        "completion_window": "48h",
        **dict.fromkeys(STAMPS),
        "status": "VALIDATING",
        "errors": "",
        "version": 1,
        "updated_at": None,
        "created_by": "key tests",
        "created_by_key_id": ApiKey.objects.get().id.hex,
        "remark": "",
        "total": 0,
        "completed": 0,
        "failed": 0,
        "metadata": {"team": "ops"},
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
    }
    assert api.read(identifier) == answer.json
    assert Batch.objects.get().dialect == "novita"


@pytest.mark.parametrize(("window", "hours"), [("48h", 48), ("24h", 24), (None, 48)])
def test_the_window_is_48_hours_or_the_24_that_the_sdk_is_typed_for(api: Novita, window: str | None, hours: int) -> None:
    shown = api.batch(completion_window=window).json
    assert shown["completion_window"] == f"{hours}h"
    assert _time(shown["expires_at"]) - _time(shown["created_at"]) == timedelta(hours=hours)


def test_a_window_that_is_null_is_as_if_it_was_not_there(api: Novita) -> None:
    body = {"input_file_id": api.file_id(line()), "endpoint": CHAT, "completion_window": None, "metadata": None}
    assert api.post(BATCHES, body).json["completion_window"] == "48h"


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"input_file_id": None}, "input_file_id", "missing_required_parameter"),
        ({"input_file_id": 5}, "input_file_id", "invalid_type"),
        ({"endpoint": None}, "endpoint", "missing_required_parameter"),
        ({"endpoint": "/v1/embeddings"}, "endpoint", "invalid_value"),
        ({"endpoint": "/v1/responses"}, "endpoint", "invalid_value"),
        ({"completion_window": "8d"}, "completion_window", "invalid_value"),
        ({"completion_window": 48}, "completion_window", "invalid_type"),
        ({"metadata": {"a": 5}}, "metadata", "invalid_type"),
        ({"requests": [{"custom_id": "a", "body": {}}]}, "requests", "invalid_value"),
        ({"requests": [{"custom_id": "a", "body": {}}], "input_file_id": None}, "input_file_id", "missing_required_parameter"),
    ],
)
def test_a_wrong_parameter_is_refused_by_its_name(api: Novita, change: dict[str, Any], param: str, code: str) -> None:
    answer = api.batch(**change)
    assert answer.status == 400
    assert (answer.error["param"], answer.error["code"]) == (param, code)
    assert not Batch.objects.exists()


def test_an_unknown_file_is_not_found(api: Novita) -> None:
    assert api.batch(input_file_id="file-" + "0" * 32).status == 404


def test_completions_are_taken_too(api: Novita) -> None:
    assert api.batch(endpoint="/v1/completions").json["endpoint"] == "/v1/completions"


def test_rows_need_neither_method_nor_url_and_come_back_in_openais_shape(api: Novita, queue: Queue) -> None:
    batch_id = api.batch(line("a"), line("b", method="GET", url="/ignored")).json["id"]
    queue.run_until(lambda: api.read(batch_id)["status"] == "COMPLETED")
    shown = api.read(batch_id)
    assert shown["request_counts"] == {"total": 2, "completed": 2, "failed": 0}
    assert (shown["total"], shown["completed"], shown["failed"]) == (2, 2, 0)
    assert all(TIME.fullmatch(shown[name]) for name in ("in_progress_at", "finalizing_at", "completed_at", "updated_at"))
    assert (shown["version"], shown["errors"], shown["error_file_id"]) == (4, "", "")
    content = api.get(f"/openai/v1/files/{shown['output_file_id']}/content").content
    assert [row.count(b'"status_code":200') for row in content.splitlines()] == [1, 1]


def test_what_is_wrong_with_an_input_is_told_as_text(api: Novita, queue: Queue) -> None:
    batch_id = api.batch(line("a"), b"{nonsense\n", line("a"), line("")).json["id"]
    queue.run_until(lambda: api.read(batch_id)["status"] == "FAILED")
    errors = api.read(batch_id)["errors"].splitlines()
    assert [error.partition(": ")[0] for error in errors] == ["line 2", "line 3", "line 4"]
    assert errors[2] == "line 4: custom_id is empty."


def test_an_input_without_lines_has_a_reason_without_a_line(api: Novita, queue: Queue) -> None:
    batch_id = api.batch(b"\n").json["id"]
    queue.run_until(lambda: api.read(batch_id)["status"] == "FAILED")
    assert api.read(batch_id)["errors"] == "The input file has no lines."


def test_once_it_has_ended_completed_and_failed_make_up_the_total(api: Novita) -> None:
    batch_id = api.batch().json["id"]
    batch = transition(Batch.objects.get(), BatchStatus.IN_PROGRESS, actor=ENGINE, now=timezone.now())
    Slice.objects.create(
        batch=batch, first_line=1, last_line=3, input_start=0, input_end=9, total=3, pending=1, succeeded=1, expired=1
    )
    assert api.read(batch_id)["request_counts"] == {"total": 3, "completed": 1, "failed": 0}
    batch = transition(batch, BatchStatus.CANCELLING, actor=ENGINE, now=timezone.now())
    transition(batch, BatchStatus.CANCELLED, actor=ENGINE, now=timezone.now(), total=3, succeeded=1, cancelled=1, expired=1)
    assert api.read(batch_id)["request_counts"] == {"total": 3, "completed": 1, "failed": 2}


def test_a_batch_is_cancelled_and_what_is_over_is_not(api: Novita, queue: Queue) -> None:
    batch_id = api.batch().json["id"]
    cancelled = api.post(f"{BATCHES}/{batch_id}/cancel")
    assert (cancelled.status, cancelled.json["status"]) == (200, "CANCELLING")
    assert TIME.fullmatch(cancelled.json["cancelling_at"])
    queue.run_until(lambda: api.read(batch_id)["status"] == "CANCELLED")
    answer = api.post(f"{BATCHES}/{batch_id}/cancel")
    assert (answer.status, answer.headers["x-should-retry"]) == (409, "false")


def test_the_list_has_openais_envelope(api: Novita) -> None:
    first, second = (api.batch().json["id"] for _ in range(2))
    listed = api.get(f"{BATCHES}?limit=1").json
    assert (listed["object"], listed["first_id"], listed["last_id"], listed["has_more"]) == ("list", second, second, True)
    assert [batch["id"] for batch in api.get(f"{BATCHES}?after={second}").json["data"]] == [first]


def test_no_status_is_called_finalizing() -> None:
    assert set(STATUSES.values()) == {"VALIDATING", "PROGRESS", "CANCELLING", "COMPLETED", "FAILED", "EXPIRED", "CANCELLED"}


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("000+", "+"))

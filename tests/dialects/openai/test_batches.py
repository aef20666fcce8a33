"""Batches: create, list, retrieve, cancel."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from batches.models import Batch, BatchError, Project, Slice
from batches.rules.actors import ENGINE
from batches.rules.states import BatchStatus
from batches.services.core.transition import transition
from tests.dialects.openai.conftest import Api

UNKNOWN = "batch_" + "0" * 32
DAY = 86_400


def move(batch_id: str, *path: BatchStatus, **changes: Any) -> Batch:
    """Take the batch along the lifecycle, as the engine would."""
    batch = Batch.objects.get(pk=batch_id.removeprefix("batch_"))
    for status in path[:-1]:
        batch = transition(batch, status, actor=ENGINE, now=timezone.now())
    return transition(batch, path[-1], actor=ENGINE, now=timezone.now(), **changes)


def test_a_new_batch_is_shown_with_every_field_of_the_contract(api: Api) -> None:
    file_id = api.file_id()
    answer = api.batch(input_file_id=file_id, metadata={"team": "ops"})
    assert answer.status == 200
    shown = answer.json
    identifier, created_at = shown.pop("id"), shown.pop("created_at")
    assert identifier.startswith("batch_")
    assert isinstance(created_at, int)
    assert shown == {
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "model": None,
        "errors": None,
        "input_file_id": file_id,
        "completion_window": "24h",
        "status": "validating",
        "output_file_id": None,
        "error_file_id": None,
        "in_progress_at": None,
        "expires_at": created_at + DAY,
        "finalizing_at": None,
        "completed_at": None,
        "failed_at": None,
        "expired_at": None,
        "cancelling_at": None,
        "cancelled_at": None,
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "usage": {
            "input_tokens": 0,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 0,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 0,
        },
        "metadata": {"team": "ops"},
    }
    assert api.get(f"/v1/batches/{identifier}").json == answer.json


@pytest.mark.parametrize(
    "identifier", [UNKNOWN, "batch_", "x", "..", "%00", "%2F", "%ff%fe", "a" * 5000, "batch_" + "g" * 32, "%0a"]
)
def test_a_batch_that_is_not_there_is_not_found(api: Api, identifier: str) -> None:
    for method, path in (
        ("GET", f"/v1/batches/{identifier}"),
        ("POST", f"/v1/batches/{identifier}/cancel"),
        ("GET", f"/v1/batches/{identifier}/results"),
    ):
        answer = api.call(method, path)
        assert answer.status == 404
        assert answer.error["type"] == "invalid_request_error"


def test_a_foreign_batch_looks_like_an_unknown_one(api: Api, stranger: Api) -> None:
    theirs = stranger.batch_id()
    for method, path in (("GET", ""), ("POST", "/cancel"), ("GET", "/results")):
        foreign, unknown = (api.call(method, f"/v1/batches/{identifier}{path}") for identifier in (theirs, UNKNOWN))
        assert foreign.status == unknown.status == 404
        assert foreign.content.replace(theirs.encode(), b"") == unknown.content.replace(UNKNOWN.encode(), b"")
    assert api.get("/v1/batches").json["data"] == []
    assert stranger.get(f"/v1/batches/{theirs}").json["status"] == "validating"


def test_any_form_of_an_id_is_read_and_the_dialects_own_is_shown(api: Api) -> None:
    batch_id = api.batch_id()
    for form in (batch_id.replace("batch_", "msgbatch_"), batch_id.removeprefix("batch_"), str(Batch.objects.get().pk)):
        assert api.get(f"/v1/batches/{form}").json["id"] == batch_id


def test_cancel_sends_no_body_and_may_be_repeated(api: Api) -> None:
    batch_id = api.batch_id()
    cancelled = api.post(f"/v1/batches/{batch_id}/cancel")
    assert cancelled.status == 200
    assert cancelled.json["status"] == "cancelling"
    assert isinstance(cancelled.json["cancelling_at"], int)
    assert api.post(f"/v1/batches/{batch_id}/cancel").content == cancelled.content
    assert api.post(f"/v1/batches/{batch_id}/cancel", {}).content == cancelled.content


@pytest.mark.parametrize(
    "path",
    [
        (BatchStatus.FAILED,),
        (BatchStatus.EXPIRED,),
        (BatchStatus.CANCELLING, BatchStatus.CANCELLED),
        (BatchStatus.IN_PROGRESS, BatchStatus.FINALIZING),
        (BatchStatus.IN_PROGRESS, BatchStatus.FINALIZING, BatchStatus.COMPLETED),
    ],
)
def test_what_is_over_cannot_be_cancelled_and_sdks_are_told_not_to_insist(api: Api, path: tuple[BatchStatus, ...]) -> None:
    batch_id = api.batch_id()
    move(batch_id, *path)
    before = api.get(f"/v1/batches/{batch_id}").content
    answer = api.post(f"/v1/batches/{batch_id}/cancel")
    assert answer.status == 409
    assert answer.headers["x-should-retry"] == "false"
    assert answer.error["type"] == "invalid_request_error"
    assert f"'{path[-1]}'" in answer.error["message"]
    assert api.get(f"/v1/batches/{batch_id}").content == before


def test_counts_are_live_while_it_runs_and_make_up_the_total_once_it_has_ended(api: Api) -> None:
    batch_id = api.batch_id()
    batch = move(batch_id, BatchStatus.IN_PROGRESS, model="m-small")
    for first_line in (1, 7):
        Slice.objects.create(
            batch=batch, first_line=first_line, last_line=first_line + 5, input_start=0, input_end=1,
            total=6, pending=2, succeeded=1, failed=1, cancelled=1, expired=1, input_tokens=5, output_tokens=2,
            cached_tokens=3, reasoning_tokens=1,
        )  # fmt: skip
    running = api.get(f"/v1/batches/{batch_id}").json
    assert running["model"] == "m-small"
    assert running["request_counts"] == {"total": 12, "completed": 2, "failed": 2}
    assert running["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 6},
        "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 14,
    }
    frozen = {"total": 12, "succeeded": 2, "failed": 2, "cancelled": 4, "expired": 4}
    move(batch_id, BatchStatus.FINALIZING, BatchStatus.COMPLETED, **frozen)
    assert api.get(f"/v1/batches/{batch_id}").json["request_counts"] == {"total": 12, "completed": 2, "failed": 10}


def test_a_failed_batch_says_why(api: Api) -> None:
    batch_id = api.batch_id()
    batch = move(batch_id, BatchStatus.FAILED)
    for line in (7, 2):
        BatchError.objects.create(
            batch=batch, line=line, code="duplicate_custom_id", message=f"on line {line}", param="custom_id",
            fingerprint="x", created_at=timezone.now(),
        )  # fmt: skip
    BatchError.objects.create(
        batch=batch, line=1, round=1, code="timeout", message="of an object", fingerprint="x", created_at=timezone.now()
    )
    shown = api.get(f"/v1/batches/{batch_id}").json
    assert shown["errors"] == {
        "object": "list",
        "data": [
            {"code": "duplicate_custom_id", "message": "on line 2", "param": "custom_id", "line": 2},
            {"code": "duplicate_custom_id", "message": "on line 7", "param": "custom_id", "line": 7},
        ],
    }
    assert isinstance(shown["failed_at"], int)


def test_the_list_goes_from_the_newest_to_the_oldest_in_pages(api: Api) -> None:
    ids = [api.batch_id() for _ in range(3)]
    first = api.get("/v1/batches?limit=2").json
    assert first["object"] == "list"
    assert [batch["id"] for batch in first["data"]] == [ids[2], ids[1]]
    assert (first["first_id"], first["last_id"], first["has_more"]) == (ids[2], ids[1], True)
    second = api.get(f"/v1/batches?limit=2&after={first['last_id']}").json
    assert [batch["id"] for batch in second["data"]] == [ids[0]]
    assert second["has_more"] is False


def test_a_page_has_twenty_batches_unless_asked_otherwise(api: Api, project: Project) -> None:
    file_id = api.file_id()
    for _ in range(21):
        api.batch(input_file_id=file_id)
    assert len(api.get("/v1/batches").json["data"]) == 20
    assert len(api.get("/v1/batches?limit=100").json["data"]) == 21


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=101", "limit"),
        ("limit=abc", "limit"),
        ("limit=", "limit"),
        ("after=x", "after"),
        ("after=%00", "after"),
        (f"after={UNKNOWN}", "after"),
        (f"after={UNKNOWN}&limit=1", "after"),
    ],
)
def test_a_wrong_query_parameter_is_refused_by_its_name(api: Api, query: str, param: str) -> None:
    answer = api.get(f"/v1/batches?{query}")
    assert answer.status == 400
    assert answer.error["param"] == param


def test_a_foreign_cursor_is_refused(api: Api, stranger: Api) -> None:
    assert api.get(f"/v1/batches?after={stranger.batch_id()}").status == 400


@pytest.mark.parametrize("number", [1, 5])
def test_the_list_takes_as_many_queries_for_many_as_for_one(
    api: Api, number: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(number):
        move(api.batch_id(), BatchStatus.IN_PROGRESS)
        move(api.batch_id(), BatchStatus.FAILED)
    api.get("/v1/batches")  # notes once that their ids are known
    with django_assert_num_queries(4):  # the key, the batches, live counts, reasons
        assert len(api.get("/v1/batches").json["data"]) == 2 * number


def test_a_batch_that_is_past_its_deadline_can_still_be_read(api: Api) -> None:
    batch_id = api.batch_id()
    Batch.objects.update(expires_at=timezone.now() - timedelta(days=1))
    move(batch_id, BatchStatus.EXPIRED)
    shown = api.get(f"/v1/batches/{batch_id}").json
    assert shown["status"] == "expired"
    assert isinstance(shown["expired_at"], int)

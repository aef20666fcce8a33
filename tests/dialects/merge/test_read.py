"""Reading a batch: its status, its objects, and which batches a path shows."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from batches.dialects.merge.outbound import OBJECT_STATUSES, STATUSES, batch_status, created_id
from batches.models import Batch
from batches.rules.actors import ENGINE
from batches.rules.states import BatchStatus, ObjectStatus
from batches.services.control.cancel import cancel
from tests.conftest import Queue
from tests.dialects.merge.conftest import MODELS, Merge, detail
from tests.dialects.openai.conftest import Api

REFUSED = {"status": 400, "message": "customer missing"}


def test_every_status_has_a_word() -> None:
    assert set(STATUSES) == set(BatchStatus)
    assert set(OBJECT_STATUSES) == set(ObjectStatus)


@pytest.mark.parametrize("status", [BatchStatus.COMPLETED, BatchStatus.EXPIRED, BatchStatus.CANCELLED])
@pytest.mark.parametrize(
    ("succeeded", "total", "word"), [(3, 3, "SUCCESS"), (2, 3, "PARTIAL_SUCCESS"), (0, 3, "FAILED"), (0, 0, "FAILED")]
)
def test_how_a_batch_ended_is_told_by_its_counts(status: BatchStatus, succeeded: int, total: int, word: str) -> None:
    assert batch_status(Batch(status=status, succeeded=succeeded, total=total), now=timezone.now()) == word


def test_a_batch_that_failed_as_a_whole_is_failed_whatever_succeeded() -> None:
    assert batch_status(Batch(status=BatchStatus.FAILED, succeeded=2, total=3), now=timezone.now()) == "FAILED"


def test_a_batch_is_rate_limited_only_while_it_runs_and_until_the_limit_ends() -> None:
    now = timezone.now()
    until = now + timedelta(seconds=5)
    assert batch_status(Batch(status=BatchStatus.IN_PROGRESS, throttled_until=until), now=now) == "RATE_LIMITED"
    assert batch_status(Batch(status=BatchStatus.IN_PROGRESS, throttled_until=until), now=until) == "IN_PROGRESS"
    assert batch_status(Batch(status=BatchStatus.CANCELLING, throttled_until=until), now=now) == "IN_PROGRESS"


@pytest.mark.parametrize(
    ("body", "path", "found"),
    [
        ('{"id": "x"}', "id", "x"),
        ('{"id": 17}', "id", "17"),
        ('{"data": {"id": "x"}}', "data.id", "x"),
        ('{"items": [{"id": "x"}]}', "items.0.id", "x"),
        ('{"items": [{"id": "x"}]}', "items.1.id", None),
        ('{"items": []}', "items.id", None),
        ('{"id": {"a": 1}}', "id", None),
        ('{"id": true}', "id", None),
        ('{"id": null}', "id", None),
        ('{"id": "x"}', "id.more", None),
        ("{}", "id", None),
        ("null", "id", None),
        ('"text"', "id", None),
        ("", "id", None),
        ("[" * 5000, "id", None),
    ],
)
def test_the_id_of_what_was_created_is_looked_for_where_the_provider_says(body: str, path: str, found: str | None) -> None:
    assert created_id(body, path) == found


def test_a_batch_that_waits_shows_its_items_as_pending(merge: Merge) -> None:
    batch_id = merge.batch_id("a", "b")
    assert merge.read(batch_id).json == {
        "batch_id": batch_id,
        "status": "ENQUEUED",
        "total_count": 2,
        "objects": [
            {"item_id": "a", "status": "PENDING", "response": None},
            {"item_id": "b", "status": "PENDING", "response": None},
        ],
    }


def test_a_batch_whose_every_item_was_written_is_a_success(merge: Merge, queue: Queue) -> None:
    batch_id = finished(merge, queue, merge.batch_id("a", "b"))
    shown = merge.read(batch_id).json
    assert (shown["status"], shown["total_count"]) == ("SUCCESS", 2)
    assert [(one["item_id"], one["status"], one["response"]["error_message"]) for one in shown["objects"]] == [
        ("a", "SUCCESS", None),
        ("b", "SUCCESS", None),
    ]
    assert all(len(one["response"]["merge_common_model_id"]) == 36 for one in shown["objects"])


def test_each_item_tells_what_became_of_it(merge: Merge, queue: Queue) -> None:
    document = {
        "batch_items": [
            {"item_id": "inv-2", "payload": {}},
            {"item_id": "inv-1", "payload": {"model": {}, "stream": True, "simulate": REFUSED}},
        ]
    }
    batch_id = finished(merge, queue, merge.create(document).json["batch_id"])
    shown = merge.read(batch_id).json
    assert shown["status"] == "PARTIAL_SUCCESS"
    assert [one["item_id"] for one in shown["objects"]] == ["inv-2", "inv-1"], "in input order"
    assert shown["objects"][1]["status"] == "FAILURE"
    assert shown["objects"][1]["response"] == {"merge_common_model_id": None, "error_message": "customer missing"}


def test_a_batch_without_a_single_success_is_failed(merge: Merge, queue: Queue) -> None:
    batch_id = finished(merge, queue, merge.batch_id("a", "b", simulate=REFUSED))
    assert merge.read(batch_id).json["status"] == "FAILED"


def test_a_batch_that_is_held_back_is_rate_limited_with_what_has_settled(merge: Merge, queue: Queue) -> None:
    slow = {"status": 429, "retry_after": 30}
    items = [{"item_id": "done", "payload": {}}, {"item_id": "held", "payload": {"simulate": slow}}]
    batch_id = merge.create({"batch_items": items}).json["batch_id"]
    queue.run_until(lambda: merge.read(batch_id).json["status"] == "RATE_LIMITED")
    assert [one["status"] for one in merge.read(batch_id).json["objects"]] == ["SUCCESS", "PENDING"]


@pytest.mark.parametrize("stage", ["validating", "in_progress"])
def test_the_items_of_a_cancelled_batch_are_failures(merge: Merge, queue: Queue, stage: str) -> None:
    batch_id = merge.batch_id("a", "b", simulate={"status": 429, "retry_after": 30})
    if stage == "in_progress":
        queue.run_until(lambda: merge.read(batch_id).json["status"] == "RATE_LIMITED")
    cancel(Batch.objects.get(), actor=ENGINE, now=timezone.now())
    assert merge.read(batch_id).json["status"] == "IN_PROGRESS"
    finished(merge, queue, batch_id)
    shown = merge.read(batch_id).json
    assert (shown["status"], shown["total_count"]) == ("FAILED", 2)
    assert [one["status"] for one in shown["objects"]] == ["FAILURE", "FAILURE"]
    assert all("cancelled" in one["response"]["error_message"] for one in shown["objects"])


def test_a_batch_whose_input_is_gone_fails_and_shows_what_is_known(merge: Merge, queue: Queue) -> None:
    batch_id = merge.batch_id("a")
    input_file = Batch.objects.get().input_file
    assert input_file is not None
    input_file.content.storage.delete(str(input_file.content.name))
    assert merge.read(batch_id).json["objects"] == []
    finished(merge, queue, batch_id)
    assert merge.read(batch_id).json == {"batch_id": batch_id, "status": "FAILED", "total_count": 0, "objects": []}


@pytest.mark.parametrize("count", [1, 100])
def test_a_page_takes_few_queries_whatever_it_shows(
    merge: Merge, queue: Queue, django_assert_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    batch_id = finished(merge, queue, merge.batch_id(*(f"item-{n}" for n in range(count))))
    Batch.objects.update(id_used_at=timezone.now())
    with django_assert_num_queries(
        6
    ):  # the key; the token, then the name it was; the batch; its file; its objects with their results
        assert merge.read(batch_id).json["total_count"] == count


# --- Which batches ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["{0}", "{1}", "batch_{1}", "msgbatch_{1}"])
def test_an_id_is_read_in_every_form(merge: Merge, form: str) -> None:
    batch_id = merge.batch_id("a")
    answer = merge.read(form.format(batch_id, batch_id.replace("-", "")), base="/accounting/v1")
    assert answer.json["batch_id"] == batch_id


@pytest.mark.parametrize("model", MODELS[1:])
def test_a_batch_of_another_model_is_not_found_and_its_path_is_named(merge: Merge, model: str) -> None:
    batch_id = merge.batch_id("a", model="invoices")
    answer = merge.read(batch_id, model=model)
    assert answer.status == 404
    path = detail(answer).rstrip(".").rpartition(" ")[2]
    assert path == f"/api/accounting/v1/invoices/bulk/{batch_id}"
    assert merge.get(path).status == 200


def test_a_batch_of_another_dialect_is_not_found_and_its_face_is_named(merge: Merge, key: str) -> None:
    batch_id = Api(key).batch_id()
    answer = merge.read(batch_id)
    assert answer.status == 404
    path = detail(answer).rstrip(".").rpartition(" ")[2]
    assert Api(key).get(path).json["id"] == batch_id


def test_a_batch_can_be_read_through_openais_face(merge: Merge, key: str, queue: Queue) -> None:
    batch_id = finished(merge, queue, merge.batch_id("a", simulate=REFUSED))
    shown = Api(key).get(f"/v1/batches/{batch_id}").json
    assert (shown["status"], shown["endpoint"]) == ("completed", "/accounting/v1/invoices")
    assert shown["request_counts"] == {"total": 1, "completed": 0, "failed": 1}


def test_another_projects_batch_is_not_found(merge: Merge, stranger: Merge) -> None:
    answers = [stranger.read(batch_id) for batch_id in (merge.batch_id("a"), "0" * 32)]
    assert [answer.status for answer in answers] == [404, 404]
    assert all("There is no batch" in detail(answer) for answer in answers)


@pytest.mark.parametrize("batch_id", ["x", "..", "%2e%2e", "a%2Fb", "0" * 33, "\xff", "é" * 300])
def test_what_is_no_id_is_not_found(merge: Merge, batch_id: str) -> None:
    answer = merge.read(batch_id)
    assert answer.status == 404
    assert detail(answer)


def finished(merge: Merge, queue: Queue, batch_id: str) -> str:
    """The batch, once it has ended."""
    queue.run_until(lambda: Batch.objects.get(pk=batch_id).is_terminal)
    return batch_id


def test_golden_bodies(merge: Merge, queue: Queue) -> None:
    """Every key that the contract names, and no other."""
    shown: Any = merge.read(finished(merge, queue, merge.batch_id("a"))).json
    assert set(shown) == {"batch_id", "status", "total_count", "objects"}
    assert set(shown["objects"][0]) == {"item_id", "status", "response"}
    assert set(shown["objects"][0]["response"]) == {"merge_common_model_id", "error_message"}

"""Bifrost's batches: every field of each answer, nothing empty, and words and counts of the schema."""

from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from batches.models import Batch, BatchError, Slice
from batches.rules.actors import ENGINE
from batches.rules.states import BatchStatus
from batches.services.core.transition import transition
from providers.models import Provider
from tests.conftest import Queue
from tests.dialects.bifrost.conftest import BATCHES, Bifrost, item, message, problem
from tests.dialects.openai.conftest import CHAT

DAY = 86_400
COMPLETED = (BatchStatus.IN_PROGRESS, BatchStatus.FINALIZING, BatchStatus.COMPLETED)


def move(*path: BatchStatus, **changes: Any) -> Batch:
    """Take the only batch along the lifecycle, as the engine would."""
    batch = Batch.objects.get()
    for status in path[:-1]:
        batch = transition(batch, status, actor=ENGINE, now=timezone.now())
    return transition(batch, path[-1], actor=ENGINE, now=timezone.now(), **changes)


def without_latency(shown: dict[str, Any]) -> dict[str, Any]:
    """What is the same whenever it is asked for."""
    latency = shown["extra_fields"].pop("latency")
    assert isinstance(latency, int)
    assert latency >= 0
    return shown


def test_the_answer_to_a_create_call_has_its_fields_and_nothing_empty(api: Bifrost) -> None:
    answer = api.create(item("a"), metadata={"team": "ops"})
    assert answer.status == 200
    shown = without_latency(answer.json)
    identifier, created_at, file_id = shown.pop("id"), shown.pop("created_at"), shown.pop("input_file_id")
    assert identifier.startswith("batch_")
    assert file_id.startswith("file-")
    assert isinstance(created_at, int)
    assert shown == {
        "object": "batch",
        "endpoint": CHAT,
        "completion_window": "24h",
        "status": "validating",
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "metadata": {"team": "ops"},
        "expires_at": created_at + DAY,
        "processing_status": "in_progress",
        "operation_name": f"batches/{identifier}",
        "extra_fields": {
            "request_type": "batch_create",
            "provider": "simulator",
            "model_requested": "m",
            "model_deployment": "m",
        },
    }
    assert Batch.objects.get().dialect == "bifrost"


def test_an_ended_batch_has_every_field_that_is_set_and_no_other(api: Bifrost, queue: Queue) -> None:
    batch_id = api.batch_id(item("a"), item("b", body={"model": "m", "messages": [], "simulate": {"status": 400}}))
    queue.run_until(lambda: api.read(batch_id)["done"])
    shown = without_latency(api.read(batch_id))
    times = {name: shown.pop(name) for name in ("created_at", "in_progress_at", "finalizing_at", "completed_at", "expires_at")}
    assert list(times.values()) == sorted(times.values())
    assert all(isinstance(time, int) for time in times.values())
    files = [shown.pop(name) for name in ("input_file_id", "output_file_id", "error_file_id")]
    assert all(file_id.startswith("file-") for file_id in files)
    assert shown == {
        "id": batch_id,
        "object": "batch",
        "endpoint": CHAT,
        "completion_window": "24h",
        "status": "completed",
        "request_counts": {"total": 2, "completed": 1, "failed": 1, "succeeded": 1},
        "processing_status": "ended",
        "results_url": f"http://testserver{BATCHES}/{batch_id}/results?provider=simulator",
        "operation_name": f"batches/{batch_id}",
        "done": True,
        "progress": 100,
        "extra_fields": {
            "request_type": "batch_retrieve",
            "provider": "simulator",
            "model_requested": "m",
            "model_deployment": "m",
        },
    }


def test_messages_are_ended_not_completed(api: Bifrost) -> None:
    batch_id = api.batch_id(message())
    move(*COMPLETED, total=1, succeeded=1)
    shown = api.read(batch_id)
    assert (shown["status"], shown["processing_status"], shown["endpoint"]) == ("ended", "ended", "/v1/messages")


@pytest.mark.parametrize(("items", "archived"), [([message()], True), ([item()], False)])
def test_only_messages_are_archived(api: Bifrost, settings: Settings, items: list[Any], *, archived: bool) -> None:
    batch_id = api.batch_id(*items)
    move(*COMPLETED, total=1, succeeded=1)
    assert "archived_at" not in api.read(batch_id)
    settings.RESULTS_LIFETIME_SECONDS = 0.001
    assert ("archived_at" in api.read(batch_id)) is archived
    answer = api.get(f"{BATCHES}/{batch_id}/results?provider=simulator")
    assert answer.status == (404 if archived else 200)
    if archived:
        assert problem(answer)["code"] == "content_gone"


@pytest.mark.parametrize(
    ("status", "columns", "counts"),
    [
        (BatchStatus.CANCELLED, {"total": 3, "succeeded": 1, "cancelled": 2}, {"completed": 1, "failed": 0, "canceled": 2}),
        (BatchStatus.CANCELLED, {"total": 2, "failed": 1, "cancelled": 1}, {"completed": 0, "failed": 1, "canceled": 1}),
    ],
)
def test_a_cancelled_batch_has_one_l_in_its_status_and_two_in_its_stamps(
    api: Bifrost, status: BatchStatus, columns: dict[str, int], counts: dict[str, int]
) -> None:
    batch_id = api.batch_id()
    cancelling = without_latency(api.post(f"{BATCHES}/{batch_id}/cancel?provider=simulator").json)
    assert isinstance(cancelling.pop("cancelling_at"), int)
    assert cancelling == {
        "id": batch_id,
        "object": "batch",
        "status": "cancelling",
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "extra_fields": {
            "request_type": "batch_cancel",
            "provider": "simulator",
            "model_requested": "m",
            "model_deployment": "m",
        },
    }
    move(status, **columns)
    shown = api.read(batch_id)
    assert (shown["status"], shown["processing_status"]) == ("canceled", "ended")
    assert isinstance(shown["cancelled_at"], int)
    succeeded = {"succeeded": counts["completed"]} if counts["completed"] else {}
    assert shown["request_counts"] == {"total": columns["total"]} | counts | succeeded
    answer = api.post(f"{BATCHES}/{batch_id}/cancel?provider=simulator")
    assert (answer.status, answer.headers["x-should-retry"]) == (409, "false")
    assert "'cancelled'" in problem(answer)["message"]


def test_a_batch_that_failed_says_why(api: Bifrost) -> None:
    batch_id = api.batch_id()
    batch = move(BatchStatus.FAILED)
    BatchError.objects.create(
        batch=batch, code="url_mismatch", message="m", param="url", line=2, fingerprint="x", created_at=timezone.now()
    )
    shown = api.read(batch_id)
    reason = {"code": "url_mismatch", "message": "m", "param": "url", "line": 2}
    assert (shown["status"], shown["errors"]) == ("failed", {"object": "list", "data": [reason]})


def test_progress_is_the_share_of_requests_with_an_outcome(api: Bifrost) -> None:
    batch_id = api.batch_id()
    assert (api.read(batch_id)["progress"], api.read(batch_id)["done"]) == (0, False)
    batch = move(BatchStatus.IN_PROGRESS)
    counts = {"total": 8, "pending": 3, "succeeded": 2, "failed": 1, "cancelled": 1, "expired": 1}
    Slice.objects.create(batch=batch, first_line=1, last_line=8, input_start=0, input_end=9, **counts)
    shown = api.read(batch_id)
    assert shown["progress"] == 62
    assert shown["request_counts"] == {
        "total": 8,
        "completed": 2,
        "failed": 1,
        "succeeded": 2,
        "expired": 1,
        "canceled": 1,
        "pending": 3,
    }


@pytest.fixture
def other(simulator: Provider) -> Provider:
    return Provider.objects.create(name="other", adapter="simulator")


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/cancel"), ("GET", "/results")])
def test_the_provider_has_to_be_named_and_to_be_the_batchs(api: Bifrost, other: Provider, method: str, path: str) -> None:
    url = f"{BATCHES}/{api.batch_id()}{path}"
    missing = api.call(method, url)
    assert (missing.status, problem(missing)["param"]) == (400, "provider")
    assert "provider" in problem(missing)["message"]
    for name in ("other", "nowhere", "Simulator"):
        wrong = api.call(method, f"{url}?provider={name}")
        assert wrong.status == 404
        assert wrong.json["extra_fields"]["provider"] == name
    assert api.call(method, f"{url}?provider=%00").status == 400
    assert Batch.objects.get().version == 1
    assert api.call(method, url, headers={"x-model-provider": "simulator"}).status == 200


def test_the_list_has_one_providers_batches(api: Bifrost, other: Provider) -> None:
    ours, theirs = api.batch_id(), api.create(model="other/m").json["id"]
    assert [batch["id"] for batch in api.get(f"{BATCHES}?provider=simulator").json["data"]] == [ours]
    assert [batch["id"] for batch in api.get(f"{BATCHES}?provider=other").json["data"]] == [theirs]
    assert api.get(f"{BATCHES}?provider=nowhere").json["data"] == []
    missing = api.get(BATCHES)
    assert (missing.status, problem(missing)["param"]) == (400, "provider")


def test_the_list_is_walked_forwards_and_backwards(api: Bifrost) -> None:
    newest_first = [api.batch_id() for _ in range(5)][::-1]
    first = without_latency(api.get(f"{BATCHES}?provider=simulator&limit=2").json)
    assert [batch["id"] for batch in first.pop("data")] == newest_first[:2]
    assert first == {
        "object": "list",
        "first_id": newest_first[0],
        "last_id": newest_first[1],
        "next_cursor": newest_first[1],
        "has_more": True,
        "extra_fields": {"request_type": "batch_list", "provider": "simulator"},
    }
    last = api.get(f"{BATCHES}?provider=simulator&after={newest_first[2]}").json
    assert [batch["id"] for batch in last["data"]] == newest_first[3:]
    assert (last["has_more"], "next_cursor" in last) == (False, False)
    before = api.get(f"{BATCHES}?provider=simulator&limit=2&before={newest_first[3]}").json
    assert [batch["id"] for batch in before["data"]] == newest_first[1:3]
    assert before["has_more"] is True


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("after=x", "after"),
        ("before=x", "before"),
        ("after=%00", "after"),
        ("after=x&before=x", "before"),
        ("status=succeeded", "status"),
        ("status=", "status"),
    ],
)
def test_a_wrong_query_parameter_is_refused_by_its_name(api: Bifrost, query: str, param: str) -> None:
    answer = api.get(f"{BATCHES}?provider=simulator&{query}")
    assert (answer.status, problem(answer)["param"]) == (400, param)


@pytest.mark.parametrize("number", [1, 4])
def test_the_list_takes_as_many_queries_for_many_as_for_one(
    api: Bifrost, number: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(number):
        batch = Batch.objects.get(pk=api.batch_id().removeprefix("batch_"))
        transition(batch, BatchStatus.FAILED, actor=ENGINE, now=timezone.now())
        api.batch_id()
        Batch.objects.filter(status=BatchStatus.VALIDATING).update(status=BatchStatus.IN_PROGRESS, in_progress_at=timezone.now())
    api.get(f"{BATCHES}?provider=simulator")  # notes once that their ids are known
    with django_assert_num_queries(4):  # the key, the batches with their providers, live counts, reasons
        assert len(api.get(f"{BATCHES}?provider=simulator").json["data"]) == 2 * number


@pytest.mark.parametrize("header", ["x-bf-vk", "x-api-key"])
def test_a_key_is_taken_in_the_gateways_own_headers(api: Bifrost, key: str, header: str) -> None:
    batch_id, nobody = api.batch_id(), Bifrost(None)
    assert nobody.get(f"{BATCHES}/{batch_id}?provider=simulator", headers={header: key}).status == 200
    refused = nobody.get(BATCHES, headers={header: "wrong"})
    assert (refused.status, problem(refused)["type"]) == (401, "authentication_error")


@pytest.mark.parametrize("path", ["/bifrost", "/bifrost/batches", "/bifrost/v2/batches", "/bifrost/v1/nothing", f"{BATCHES}/a/b"])
def test_a_path_that_is_not_there_names_the_base_url(api: Bifrost, path: str) -> None:
    answer = api.get(path)
    assert answer.status == 404
    assert "http://testserver/bifrost." in problem(answer)["message"]

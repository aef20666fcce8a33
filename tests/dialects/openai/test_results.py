"""The results of a batch as pages of JSON, while it runs and afterwards."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from batches.dialects.shared import result_pages
from batches.models import Batch, BatchObject, BatchResult, File, Slice
from batches.rules.actors import ENGINE
from batches.rules.states import BatchStatus, ObjectStatus
from batches.services.core.transition import transition
from batches.services.lifecycle.validate import validate
from tests.dialects.openai.conftest import CHAT, Api

BIG = '{"n": 12345678901234567890123, "x":1.0, "e" : 1E3, "s":"\\u00e9\\/"}'  # what parsing and writing again would change


def input_line(number: int) -> str:
    return json.dumps({"custom_id": f"row-{number}", "method": "POST", "url": CHAT, "body": {"model": "m", "n": number}})


@pytest.fixture
def batch(api: Api, settings: Settings) -> Batch:
    """A batch of ten objects in five slices, validated and not yet run."""
    settings.SLICE_LINES = 2
    content = "\n".join(input_line(number) for number in range(1, 11))
    api.batch(input_file_id=api.file_id(content.encode()))
    batch = Batch.objects.get()
    validate(batch.pk, now=timezone.now())
    return batch


def settle(batch: Batch, lines: Iterable[int], *, status: ObjectStatus = ObjectStatus.SUCCEEDED, **answer: Any) -> None:
    """Give objects an outcome, as the engine would."""
    now = timezone.now()
    answer = {"http_status": 200, "request_id": "req_1", "body": BIG} | answer
    for line in lines:
        BatchResult.objects.create(batch=batch, line=line, round=1, status=status, attempts=1, created_at=now, **answer)
        settled = {"status": status, "http_status": answer["http_status"], "request_id": answer["request_id"]}
        BatchObject.objects.filter(batch=batch, line=line).update(settled_at=now, **settled)
        pieces = Slice.objects.filter(batch=batch, first_line__lte=line, last_line__gte=line)
        pieces.update(pending=F("pending") - 1, **{status.value: F(status.value) + 1})


def end(batch: Batch) -> None:
    batch.refresh_from_db()
    transition(batch, BatchStatus.FINALIZING, actor=ENGINE, now=timezone.now())
    transition(batch, BatchStatus.COMPLETED, actor=ENGINE, now=timezone.now())


def page(api: Api, batch: Batch, query: str = "") -> dict[str, Any]:
    answer = api.get(f"/v1/batches/{batch}/results?{query}")
    assert answer.status == 200, answer.content
    found: dict[str, Any] = answer.json
    assert set(found) == {"batch_id", "results", "has_more", "next_cursor"}
    assert found["batch_id"] == str(batch)
    return found


def custom_ids(found: dict[str, Any]) -> list[str]:
    return [item["custom_id"] for item in found["results"]]


def rows(*numbers: int) -> list[str]:
    return [f"row-{number}" for number in numbers]


def walk(api: Api, batch: Batch, cursor: str | None, *, limit: int = 2) -> tuple[list[str], str | None]:
    """Follow the pages until there are no more for now: what they listed, and where to come back to."""
    seen: list[str] = []
    while True:
        found = page(api, batch, f"limit={limit}" + (f"&after={cursor}" if cursor else ""))
        seen += custom_ids(found)
        cursor = found["next_cursor"]
        if not found["has_more"]:
            return seen, cursor


def test_an_answer_is_passed_on_byte_for_byte(api: Api, batch: Batch) -> None:
    settle(batch, [1])
    assert BIG.encode() in api.get(f"/v1/batches/{batch}/results").content


def test_every_outcome_has_its_shape(api: Api, batch: Batch) -> None:
    settle(batch, [1], body='{"ok":true}')
    settle(batch, [2], status=ObjectStatus.FAILED, http_status=400, body='{"error":{"message":"bad"}}')
    lost = {"http_status": None, "request_id": "", "body": "", "error_code": "timeout", "error_message": "Too late."}
    settle(batch, [3], status=ObjectStatus.FAILED, **lost)
    BatchObject.objects.filter(line=4).update(status=ObjectStatus.CANCELLED, settled_at=timezone.now())
    BatchObject.objects.filter(line=5).update(status=ObjectStatus.EXPIRED, settled_at=timezone.now())
    assert page(api, batch)["results"] == [
        {"custom_id": "row-1", "response": {"status_code": 200, "request_id": "req_1", "body": {"ok": True}}},
        {"custom_id": "row-2", "response": {"status_code": 400, "request_id": "req_1", "body": {"error": {"message": "bad"}}}},
        {"custom_id": "row-3", "error": {"code": "timeout", "message": "Too late."}},
        {
            "custom_id": "row-4",
            "error": {"code": "batch_cancelled", "message": "The batch was cancelled before this request ran."},
        },
        {
            "custom_id": "row-5",
            "error": {"code": "batch_expired", "message": "The batch's deadline passed before this request ran."},
        },
    ]


def test_a_batch_that_is_not_validated_has_no_results_yet(api: Api) -> None:
    batch_id = api.batch_id()
    found = api.get(f"/v1/batches/{batch_id}/results").json
    assert found == {"batch_id": batch_id, "results": [], "has_more": False, "next_cursor": "0"}


def test_pages_of_a_batch_that_has_ended_hold_everything_once_in_input_order(api: Api, batch: Batch) -> None:
    settle(batch, [3, 1, 2, 10, 9, 8, 7, 6, 5, 4])
    end(batch)
    for limit in (1, 3, 5, 10, 1000):
        assert walk(api, batch, None, limit=limit) == (rows(*range(1, 11)), None)


def test_what_settles_behind_a_client_is_found_when_it_comes_back(api: Api, batch: Batch) -> None:
    settle(batch, [1, 2, 4, 5, 7])
    seen, cursor = walk(api, batch, None)
    assert seen == rows(1, 2, 4, 5, 7)
    settle(batch, [3, 9])
    seen, cursor = walk(api, batch, cursor)
    assert seen == rows(3, 4, 5, 7, 9), "from the first line that was pending"
    assert walk(api, batch, cursor) == (rows(7, 9), cursor), "nothing new: line 6 is still pending"
    settle(batch, [6, 8, 10])
    end(batch)
    assert walk(api, batch, cursor) == (rows(6, 7, 8, 9, 10), None)


def test_what_settles_between_two_pages_is_not_missed(api: Api, batch: Batch) -> None:
    settle(batch, [1, 3, 5])
    first = page(api, batch, "limit=2")
    assert custom_ids(first) == rows(1, 3)
    settle(batch, [2])
    rest = page(api, batch, f"limit=2&after={first['next_cursor']}")
    assert (custom_ids(rest), rest["has_more"]) == (rows(5), False)
    assert custom_ids(page(api, batch, f"after={rest['next_cursor']}")) == rows(2, 3, 5)


def test_a_client_that_follows_has_more_gets_everything_of_a_batch_that_ends_meanwhile(api: Api, batch: Batch) -> None:
    settle(batch, [2, 3])
    first = page(api, batch, "limit=1")
    settle(batch, [1, 4, 5, 6, 7, 8, 9, 10])
    end(batch)
    seen, cursor = walk(api, batch, first["next_cursor"])
    assert set(seen) == set(rows(*range(1, 11)))
    assert cursor is None


def test_a_client_that_has_everything_so_far_is_given_a_cursor_for_later(api: Api, batch: Batch) -> None:
    settle(batch, range(1, 11))
    found = page(api, batch)
    assert (found["has_more"], found["next_cursor"]) == (False, "10")
    end(batch)
    assert page(api, batch, "after=10") == {"batch_id": str(batch), "results": [], "has_more": False, "next_cursor": None}


def test_the_input_is_added_when_it_is_asked_for(api: Api, batch: Batch) -> None:
    settle(batch, [1, 4, 9])
    assert "request" not in page(api, batch)["results"][0]
    answer = api.get(f"/v1/batches/{batch}/results?include=request")
    assert [item["request"]["body"]["n"] for item in answer.json["results"]] == [1, 4, 9]
    assert input_line(4).encode() in answer.content, "byte for byte"


def test_an_input_that_is_not_kept_any_more_is_null(api: Api, batch: Batch) -> None:
    settle(batch, [1])
    File.objects.update(purged_at=timezone.now())
    assert page(api, batch, "include=request")["results"][0]["request"] is None


@pytest.mark.parametrize("query", ["limit=100", "limit=100&include=request"])
def test_a_page_with_long_bodies_is_cut_short_and_the_next_goes_on(
    api: Api, batch: Batch, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(batch, range(1, 11))
    end(batch)
    for length in (1, len(BIG) * 3, len(input_line(1)) * 2):
        monkeypatch.setattr(result_pages, "PAGE_CHARS", length)
        seen: list[str] = []
        cursor = "0"
        while cursor:
            found = page(api, batch, f"{query}&after={cursor}")
            assert 1 <= len(found["results"]) < 10
            assert found["has_more"] is (found["next_cursor"] is not None)
            seen += custom_ids(found)
            cursor = found["next_cursor"]
        assert seen == rows(*range(1, 11))


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=1001", "limit"),
        ("limit=abc", "limit"),
        ("after=", "after"),
        ("after=x", "after"),
        ("after=-1", "after"),
        ("after=1.", "after"),
        ("after=1.2.3", "after"),
        ("after=%00", "after"),
        ("after=" + "9" * 30, "after"),
        ("include=everything", "include"),
        ("include=%00", "include"),
    ],
)
def test_a_wrong_query_parameter_is_refused_by_its_name(api: Api, batch: Batch, query: str, param: str) -> None:
    answer = api.get(f"/v1/batches/{batch}/results?{query}")
    assert answer.status == 400
    assert answer.error["param"] == param


@pytest.mark.parametrize(("query", "queries"), [("", 5), ("?include=request", 7)])
def test_a_page_takes_as_many_queries_for_many_results_as_for_one(
    api: Api, batch: Batch, query: str, queries: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    settle(batch, [1])
    api.get(f"/v1/batches/{batch}")  # notes once that its id is known
    for _ in range(2):
        with django_assert_num_queries(queries):
            api.get(f"/v1/batches/{batch}/results{query}")
        if BatchResult.objects.count() == 1:
            settle(batch, range(2, 10))

"""Bifrost's results: one document with everything there is, or as much as was asked for."""

from typing import Any

import pytest

from batches.dialects.shared import result_documents
from batches.dialects.shared.result_pages import Cursor
from batches.models import Batch, BatchObject, BatchResult
from tests.conftest import Queue
from tests.dialects.bifrost.conftest import BATCHES, BODY, Bifrost, item, message, problem


@pytest.fixture
def api(queue: Queue, key: str) -> Bifrost:
    """A client of a portal whose engine runs by `queue` alone."""
    return Bifrost(key)


def ran(api: Bifrost, queue: Queue, *items: Any) -> str:
    """The id of a batch that has ended."""
    batch_id = api.batch_id(*items)
    queue.run_until(lambda: api.read(batch_id)["done"])
    return batch_id


def ids(found: Any) -> list[str]:
    return [one["custom_id"] for one in found["results"]]


def set_outcome(custom_id: str, status: str) -> None:
    """Make as if this request had never run."""
    line = BatchObject.objects.get(custom_id=custom_id).line
    BatchResult.objects.filter(line=line).delete()
    BatchObject.objects.filter(line=line).update(status=status)


def test_every_outcome_has_its_shape(api: Bifrost, queue: Queue) -> None:
    steers = {"b": {"status": 400, "message": "no"}}
    batch_id = ran(api, queue, *(item(name, body=BODY | {"n": name, "simulate": steers.get(name)}) for name in "abcd"))
    set_outcome("c", "cancelled")
    set_outcome("d", "expired")
    found = api.results(batch_id)
    latency = found["extra_fields"].pop("latency")
    assert isinstance(latency, int)
    assert {name: value for name, value in found.items() if name != "results"} == {
        "batch_id": batch_id,
        "has_more": False,
        "extra_fields": {
            "request_type": "batch_results",
            "provider": "simulator",
            "model_requested": "m",
            "model_deployment": "m",
        },
    }
    good, bad, cancelled, expired = found["results"]
    assert set(good) == {"custom_id", "response"}
    assert set(good["response"]) == {"status_code", "request_id", "body"}
    assert (good["custom_id"], good["response"]["status_code"]) == ("a", 200)
    assert (bad["response"]["status_code"], bad["response"]["body"]["error"]["message"]) == (400, "no")
    assert cancelled == {"custom_id": "c", "error": {"code": "batch_cancelled", "message": cancelled["error"]["message"]}}
    assert expired == {"custom_id": "d", "error": {"code": "batch_expired", "message": expired["error"]["message"]}}


def test_messages_have_results_of_four_types(api: Bifrost, queue: Queue) -> None:
    batch_id = ran(api, queue, message("a"), message("b", simulate={"status": 400}), message("c"), message("d"))
    set_outcome("c", "cancelled")
    set_outcome("d", "expired")
    results = api.results(batch_id)["results"]
    assert [one["result"]["type"] for one in results] == ["succeeded", "errored", "canceled", "expired"]
    assert all(set(one) == {"custom_id", "result"} for one in results)
    assert [one["result"].get("message", {}).get("type") for one in results] == ["message", "error", None, None]


def test_a_message_that_got_no_answer_says_why(api: Bifrost, queue: Queue) -> None:
    batch_id = ran(api, queue, message("a"))
    BatchResult.objects.update(body="", status="failed", error_code="timeout", error_message="Too late.")
    BatchObject.objects.update(status="failed")
    assert api.results(batch_id)["results"] == [{"custom_id": "a", "error": {"code": "timeout", "message": "Too late."}}]


def test_everything_comes_in_one_document_however_it_is_read(api: Bifrost, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"row-{number:02}" for number in range(20)]
    batch_id = ran(api, queue, *(item(name, body=BODY | {"n": name}) for name in names))
    whole = api.results(batch_id)["results"]
    assert [one["custom_id"] for one in whole] == names
    for size in (1, 7, 20, 21):
        monkeypatch.setattr(result_documents, "STREAMED_PAGE", size)
        assert api.results(batch_id)["results"] == whole


def test_it_is_sent_page_by_page_and_never_held_whole(api: Bifrost, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    ran(api, queue, *(item(name, body=BODY | {"n": name}) for name in "abcdef"))
    monkeypatch.setattr(result_documents, "STREAMED_PAGE", 2)
    pieces = list(result_documents.streamed(Batch.objects.get(), cursor=Cursor(), limit=None, include="", more={"x": 1}))
    assert [piece.count(b'"custom_id"') for piece in pieces] == [0, 2, 2, 2, 0]
    assert pieces[-1] == b'],"has_more":false,"x":1}'


@pytest.mark.parametrize("name", ["after", "cursor"])
def test_a_part_is_as_long_as_it_was_asked_to_be_and_the_cursor_leads_on(api: Bifrost, queue: Queue, name: str) -> None:
    names = list("abcdefg")
    batch_id = ran(api, queue, *(item(one, body=BODY | {"n": one}) for one in names))
    found = api.results(batch_id, "&limit=3")
    seen = ids(found)
    assert (len(seen), found["has_more"]) == (3, True)
    while found["has_more"]:
        found = api.results(batch_id, f"&limit=3&{name}={found['next_cursor']}")
        seen += ids(found)
    assert seen == names
    assert "next_cursor" not in found


def test_the_input_is_added_when_it_is_asked_for(api: Bifrost, queue: Queue) -> None:
    batch_id = ran(api, queue, item("a"), item("b"))
    found = api.results(batch_id, "&include=request")
    assert [one["request"]["custom_id"] for one in found["results"]] == ["a", "b"]
    assert found["results"][0]["request"]["body"] == BODY


def test_while_a_batch_runs_there_is_what_has_settled_and_a_cursor_to_come_back_with(api: Bifrost, queue: Queue) -> None:
    waits = item("b", body=BODY | {"simulate": {"status": 429, "retry_after": 3000}})
    batch_id = api.batch_id(item("a"), waits, item("c", body=BODY | {"n": 1}))
    assert api.results(batch_id)["results"] == []
    queue.run_until(lambda: len(api.results(batch_id)["results"]) == 2)
    found = api.results(batch_id)
    assert (ids(found), found["has_more"]) == (["a", "c"], False)
    api.post(f"{BATCHES}/{batch_id}/cancel?provider=simulator")
    queue.run_until(lambda: api.read(batch_id)["done"])
    later = api.results(batch_id, f"&after={found['next_cursor']}")
    assert ids(later) == ["b", "c"]
    assert "next_cursor" not in later


def test_one_document_never_lists_anything_twice(api: Bifrost, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cursor that remembers something pending leads back to it: in a document of its own."""
    batch_id = ran(api, queue, *(item(name, body=BODY | {"n": name}) for name in "abcd"))
    monkeypatch.setattr(result_documents, "STREAMED_PAGE", 1)
    found = api.results(batch_id, "&after=2.1")
    assert (ids(found), found["has_more"], found["next_cursor"]) == (["c", "d"], True, "0")


@pytest.mark.parametrize(
    ("query", "param"),
    [("limit=0", "limit"), ("limit=x", "limit"), ("after=x", "after"), ("cursor=x", "after"), ("include=all", "include")],
)
def test_a_wrong_query_parameter_is_refused_by_its_name(api: Bifrost, query: str, param: str) -> None:
    answer = api.get(f"{BATCHES}/{api.batch_id()}/results?provider=simulator&{query}")
    assert (answer.status, problem(answer)["param"]) == (400, param)
    assert Batch.objects.get().version == 1
